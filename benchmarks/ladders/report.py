"""Means over splits, or over seeds where the training and test cells are always the same."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from cell_types.data import DATA
from cell_types.intervals import resampled_mean
from scipy.stats import spearmanr

from ladders.measure import CONTROL, OTHER_LABORATORY

PRESETS = ("default", "paper")
TOP_GENES = 50

TITLES = {
    CONTROL: "Simulated: products of genes only",
    OTHER_LABORATORY: "Trained on sorted PBMC, four types; tested on Kang 2018",
}
RUNGS = ("own", "mean", "other", "shuffled", "uniform")


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over splits, or seeds, of what each rung reaches, and of own less each."""
    result: dict[str, Any] = {"ladder": {}, "seeds": {}}
    for data in [CONTROL, OTHER_LABORATORY, *DATA]:
        for preset in PRESETS:
            rows = [
                r
                for r in records
                if (r["kind"], r["data"], r["preset"]) == ("ladder", data, preset)
            ]
            if rows:
                result["ladder"].setdefault(data, {})[preset] = of_preset(data, rows)
        seeds = [r for r in records if (r["kind"], r["data"]) == ("seed", data)]
        if len(seeds) > 1:
            accuracy = [r["accuracy"] for r in seeds]
            result["seeds"][data] = {
                "n_seeds": len(seeds),
                "accuracy_mean": float(np.mean(accuracy)),
                "accuracy_sd": float(np.std(accuracy, ddof=1)),
                "attribution_rank_correlation": agreement(seeds),
            }
    return result


def of_preset(data: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One preset on one data set.

    Splits share cells, so that their intervals are corrected for it. Seeds are trainings on the
    same cells: theirs is the plain one, of what the training adds, and holds nothing of cells or
    donors.
    """
    of_seeds = data == OTHER_LABORATORY
    ratio = 0.0 if of_seeds else rows[0]["n_test"] / rows[0]["n_train"]
    rungs = {}
    for metric in ("accuracy", "log_likelihood"):
        for maps in RUNGS:
            found = [
                next(e for e in r["rungs"] if (e["maps"], e["metric"]) == (maps, metric))
                for r in rows
            ]
            rungs[f"{metric} {maps}"] = {
                "value": resampled_mean([e["value"] for e in found], ratio)._asdict(),
                "own_minus": resampled_mean([e["own_minus"] for e in found], ratio)._asdict(),
                "own_minus_of_each": [e["own_minus"] for e in found],
                "bootstrap_of_first_split": [
                    found[0]["own_minus_lower"],
                    found[0]["own_minus_upper"],
                ],
            }
    return {
        "title": TITLES.get(data) or DATA[data].title,
        "repeated": "seed" if of_seeds else "split",
        "n_repeats": len(rows),
        "rungs": rungs,
        "weights": [r["attention_gain"] and r["attention_gain"]["weight"] for r in rows],
        "train_s": float(np.median([r["train_s"] for r in rows])),
        "train_process_s": float(np.median([r["train_process_s"] for r in rows])),
        "train_peak_bytes": max(r["train_peak_bytes"] for r in rows),
    }


def agreement(records: list[dict[str, Any]]) -> float:
    """Median rank correlation of attributions over pairs of seeds and classes.

    Over the union of the two seeds' genes of largest mean attribution of the class.
    """
    found = []
    for one, other in combinations(records, 2):
        for name, values in one["attribution"].items():
            a, b = np.abs(values), np.abs(other["attribution"][name])
            genes = np.union1d(np.argsort(-a)[:TOP_GENES], np.argsort(-b)[:TOP_GENES])
            signed = np.asarray(values)[genes], np.asarray(other["attribution"][name])[genes]
            found.append(spearmanr(*signed).statistic)
    return float(np.nanmedian(found))
