"""From the kept results to one table: scores, paired differences, what did not run."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from cell_types.data import DATA
from cell_types.intervals import Estimate, mean_of_estimates, resampled_mean
from cell_types.measure import METRICS, read_records
from cell_types.methods import OURS, Method

if TYPE_CHECKING:
    from pathlib import Path

COSTS = ("fit_s", "fit_process_s", "predict_s", "peak_bytes")
Results = dict[str, dict[int, dict[str, Any]]]  # method, split


def report(
    folder: Path, described: dict[str, dict[str, Any]], methods: dict[str, Method]
) -> dict[str, Any]:
    """Aggregate all data sets that have results.

    Parameters
    ----------
    folder
        Where the files of results are.
    described
        Of each data set, its size and its checksum.
    methods
        The methods by name.
    """
    found, differences = {}, {}
    for name, description in described.items():
        results = current_results(folder / f"{name}.jsonl", description["checksum"], methods)
        if not results:
            continue
        differences[name] = paired_differences(results)
        found[name] = {
            **description,
            "title": DATA[name].title,
            "methods": {each: summarize(rows) for each, rows in results.items()},
            "differences": as_numbers(differences[name]),
            "best_comparator": best_comparators(differences[name]),
            "not_run": missing(results, description, methods),
            "sources": sorted(
                {
                    row["source"]
                    for rows in results.values()
                    for row in rows.values()
                    if row["source"]
                }
            ),
        }
    return {
        "metrics": list(METRICS),
        "titles": {name: method.title for name, method in methods.items()},
        "settings": {name: method.settings for name, method in methods.items()},
        "data": found,
        "mean_over_data": mean_differences(differences, found),
    }


def current_results(path: Path, checksum: str, methods: dict[str, Method]) -> Results:
    """Latest result of each method and split that belongs to today's settings and data."""
    keys = {name: method.key() for name, method in methods.items()}
    results: Results = {}
    for record in read_records(path):
        name = record["method"]
        if record["settings_key"] == keys.get(name) and record["data_checksum"] == checksum:
            results.setdefault(name, {})[record["split"]] = record
    return {name: results[name] for name in methods if name in results}


def summarize(rows: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Mean of each score with its interval; medians of times and memory."""
    records = [rows[split] for split in sorted(rows)]
    scores = {
        metric: resampled_mean([row[metric] for row in records], test_to_train(records))._asdict()
        for metric in METRICS
    }
    costs = {name: statistics.median(row[name] for row in records) for name in COSTS}
    return {"n_splits": len(records), **scores, **costs, "threads": records[-1]["threads"]}


def test_to_train(records: list[dict[str, Any]]) -> float:
    return statistics.mean(row["n_test"] / row["n_train"] for row in records)


def paired_differences(results: Results) -> dict[str, dict[str, Estimate]]:
    """Ours minus each comparator, on the splits that both have."""
    ours, differences = results.get(OURS, {}), {}
    for name, theirs in results.items():
        common = sorted(set(ours) & set(theirs))
        if name == OURS or not common:
            continue
        for split in common:
            if ours[split]["split_checksum"] != theirs[split]["split_checksum"]:
                msg = f"Expected the same cells in split {split} of {name} and of ours."
                raise ValueError(msg)
        ratio = test_to_train([ours[split] for split in common])
        differences[name] = {
            metric: resampled_mean(
                [ours[split][metric] - theirs[split][metric] for split in common], ratio
            )
            for metric in METRICS
        }
    return differences


def as_numbers(differences: dict[str, dict[str, Estimate]]) -> dict[str, Any]:
    return {
        name: {metric: estimate._asdict() for metric, estimate in by_metric.items()}
        for name, by_metric in differences.items()
    }


def best_comparators(differences: dict[str, dict[str, Estimate]]) -> dict[str, Any]:
    """Of each score, the comparator against which ours does worst, and the difference.

    Chosen by the mean over the common splits, which is hard on ours: the best of many has luck
    on its side. A comparator that ran on fewer than half as many splits as another is shown, but
    not chosen.
    """
    most = max((by_metric[METRICS[0]].n_splits for by_metric in differences.values()), default=0)
    able = {
        name: by_metric
        for name, by_metric in differences.items()
        if 2 * by_metric[METRICS[0]].n_splits >= most
    }
    best = {}
    for metric in METRICS if able else ():
        name = min(able, key=lambda each: able[each][metric].mean)
        best[metric] = {"method": name, **able[name][metric]._asdict()}
    return best


def missing(
    results: Results, description: dict[str, Any], methods: dict[str, Method]
) -> dict[str, str]:
    """Why a method has no result."""
    sizes = {name: description[name] for name in ("n_genes", "has_counts")}
    return {
        name: method.unavailable(**sizes) or "no result yet"
        for name, method in methods.items()
        if name not in results
    }


def mean_differences(
    differences: dict[str, dict[str, dict[str, Estimate]]], found: dict[str, Any]
) -> dict[str, Any]:
    """Ours minus the best comparator of each data set, mean over those of different cells."""
    counted = [name for name in found if DATA[name].in_mean and found[name]["best_comparator"]]
    if not counted:
        return {}
    means: dict[str, Any] = {"data": counted}
    for metric in METRICS:
        best = [
            differences[name][found[name]["best_comparator"][metric]["method"]][metric]
            for name in counted
        ]
        means[metric] = mean_of_estimates(best)._asdict()
    return means
