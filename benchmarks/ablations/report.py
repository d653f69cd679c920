"""From the kept results to one table: scores, and differences to the base of each variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.measure import read_records

from ablations.inner import TITLES
from ablations.measure import METRICS
from ablations.variants import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ablations.variants import Variant

Results = dict[str, dict[int, dict[str, Any]]]  # variant, split
COSTS = ("train_s", "train_process_s")
CHOICES = ("attention_gain", "attention_weight", "epochs")


def report(
    folder: Path, checksums: dict[str, dict[str, str]], variants: dict[str, Variant]
) -> dict[str, Any]:
    """Aggregate all data sets that have results.

    Parameters
    ----------
    folder
        Where the files of results are.
    checksums
        Of each data set, those of its splits.
    variants
        The variants by name.
    """
    found = {}
    for name, of_splits in checksums.items():
        results = current_results(folder / f"{name}.jsonl", of_splits, variants)
        if results:
            rows = [row for splits in results.values() for row in splits.values()]
            sizes = {key: rows[-1][key] for key in ("n_train", "n_held", "n_genes")}
            found[name] = {
                "title": TITLES[name],
                **sizes,
                "variants": {
                    each: _summary(each, results, variants[each].base) for each in results
                },
                "sources": sorted({row["source"] for row in rows}),
            }
    return {
        "metrics": list(METRICS),
        "families": FAMILIES,
        "variants": {
            name: {"title": each.title, "family": each.family, "base": each.base}
            for name, each in variants.items()
        },
        "data": found,
    }


def current_results(path: Path, checksums: dict[str, str], variants: dict[str, Variant]) -> Results:
    """Latest result of each variant and split that belongs to today's settings and data."""
    keys = {name: variant.key() for name, variant in variants.items()}
    results: Results = {}
    for record in read_records(path):
        name, split = record["variant"], record["split"]
        if record["settings_key"] == keys.get(name) and record["split_checksum"] == checksums.get(
            str(split)
        ):
            results.setdefault(name, {})[split] = record
    return {name: results[name] for name in variants if name in results}


def _summary(name: str, results: Results, base: str) -> dict[str, Any]:
    """Means over splits, and over the splits of both the differences to the base."""
    rows = results[name]
    summary: dict[str, Any] = {
        metric: mean_and_spread([rows[split][metric] for split in sorted(rows)])
        for metric in (*METRICS, *COSTS)
    }
    summary["n_splits"] = len(rows)
    for choice in CHOICES:
        values = [row["chosen"].get(choice) for row in rows.values()]
        summary[choice] = mean_and_spread(values)
    common = sorted(set(rows) & set(results.get(base, {})))
    if name != base and common:
        summary["difference"] = {
            metric: mean_and_spread(
                [_difference(rows[split][metric], results[base][split][metric]) for split in common]
            )
            for metric in METRICS
        }
    return summary


def _difference(value: float | None, of_base: float | None) -> float | None:
    return None if value is None or of_base is None else value - of_base


def mean_and_spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean and standard deviation over splits; ``None`` where a split has no value.

    Splits overlap and are few: the deviation says how much they differ, not how sure the mean is.
    """
    if any(value is None for value in values):
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": spread, "n_splits": len(values)}
