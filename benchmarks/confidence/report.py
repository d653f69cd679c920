"""From the kept results to one table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.measure import read_records

from confidence.novelty import OURS, SCORERS
from tgem.model._base._calibration import (
    calibration_floor,
    expected_calibration_error,
    reliability_table,
)

if TYPE_CHECKING:
    from pathlib import Path

PROBABILITIES = {
    "before": "tgem, as trained",
    "after": "tgem, with its temperature",
    "logistic_regression": "Logistic regression",
}
SETS = {
    "tgem": "tgem (least ambiguous)",
    "adaptive": "adaptive",
    "adaptive_random": "adaptive, with chance",
}
N_BINS = 10  # of the figure


def report(folder: Path, data: str) -> dict[str, Any]:
    """Everything that is measured of one data set."""
    folds = [row for row in read_records(folder / "folds.jsonl") if row["data"] == data]
    folds = list({row["fold"]: row for row in folds}.values())
    unseen = [row for row in read_records(folder / "unseen.jsonl") if row["data"] == data]
    unseen = list({(row["labels"], row["left_out"], row["method"]): row for row in unseen}.values())
    neighbours = folder / "neighbours.json"
    return {
        "data": data,
        "titles": {name: title for name, (title, _) in SCORERS.items()},
        "calibration": calibration(folds) if folds else {},
        "sets": sets(folds),
        "unseen": {
            labels: of_labels([row for row in unseen if row["labels"] == labels])
            for labels in ("populations", "gates")
            if any(row["labels"] == labels for row in unseen)
        },
        "neighbours": json.loads(neighbours.read_text()) if neighbours.exists() else {},
        "threads": ", ".join(sorted({str(row["threads"]) for row in [*folds, *unseen]})),
        "sources": sorted(
            {row["source"] for row in [*folds, *(r for r in unseen if r["method"] == OURS)]}
        ),
    }


def calibration(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors of the probabilities of all folds together."""
    found: dict[str, Any] = {
        "n_folds": len(folds),
        "n_cells": sum(len(row["probabilities"]["before"]["confidence"]) for row in folds),
        "n_train": [row["n_train"] for row in folds],
        "n_validation": [row["n_validation"] for row in folds],
        "temperatures": [row["temperature"] for row in folds],
        "probabilities": {},
    }
    for name, title in PROBABILITIES.items():
        confidence, is_correct, own, brier = (
            np.concatenate([row["probabilities"][name][each] for row in folds])
            for each in ("confidence", "is_correct", "label_probability", "brier")
        )
        curve = reliability_table(confidence, is_correct, n_bins=N_BINS)
        found["probabilities"][name] = {
            "title": title,
            "accuracy": float(is_correct.mean()),
            "expected_calibration_error": expected_calibration_error(confidence, is_correct),
            "expected_calibration_error_floor": calibration_floor(confidence),
            "brier_score": float(brier.mean()),
            "log_likelihood": float(np.log(np.maximum(own, 1e-6)).mean()),
            "curve": curve.to_dict("list"),
        }
    return found


def sets(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Coverage and mean size of all folds together, and the coverage of each."""
    found: dict[str, Any] = {}
    for alpha in folds[0]["sets"] if folds else ():
        found[alpha] = {}
        for name, title in SETS.items():
            rows = [row["sets"][alpha][name] for row in folds]
            n_cells = sum(row["n_cells"] for row in rows)
            found[alpha][name] = {
                "title": title,
                "coverage": sum(row["covered"] for row in rows) / n_cells,
                "size": sum(row["labels"] for row in rows) / n_cells,
                "coverage_of_folds": [row["covered"] / row["n_cells"] for row in rows],
            }
    return found


def of_labels(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """AUROC of every method and class left out, and its mean over those that all methods have."""
    names = [name for name in SCORERS if any(row["method"] == name for row in rows)]
    table = {
        name: {row["left_out"]: row["auroc"] for row in rows if row["method"] == name}
        for name in names
    }
    common = sorted(set.intersection(*(set(each) for each in table.values())))
    ours = [row for row in rows if row["method"] == OURS]
    return {
        "auroc": table,
        "mean_over": common,
        "mean": {
            name: float(np.mean([each[left_out] for left_out in common])) if common else None
            for name, each in table.items()
        },
        "rejected": {
            row["left_out"]: {key: row[f"rejected_{key}"] for key in ("unseen", "known")}
            for row in ours
            if "rejected_unseen" in row
        },
        "n_unseen": {row["left_out"]: row["n_unseen"] for row in rows},
    }
