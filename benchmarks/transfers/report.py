"""From the kept results to one table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from cell_types.measure import read_records

from transfers.methods import OURS, PLAIN, TITLES, key_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

TITLES_OF_MISSING = {
    "logistic_regression": "Logistic regression, missing genes 0",
    "logistic_regression_average": "Logistic regression, missing genes average",
    PLAIN: TITLES[PLAIN],
    OURS: TITLES[OURS],
}


def current(path: Path) -> list[dict[str, Any]]:
    """Results of today's settings."""
    known = {name: key_of(name) for name in TITLES}
    known["logistic_regression_average"] = known["logistic_regression"]
    return [row for row in read_records(path) if known.get(row["method"]) == row["settings_key"]]


def report(folder: Path) -> dict[str, Any]:
    """Scores of each pair and method, and accuracy against the share of missing genes."""
    pairs = {
        path.stem: {
            name: over_seeds(rows) | {"title": TITLES[name], "settings": settings_of(name)}
            for name in TITLES
            if (rows := [row for row in current(path) if row["method"] == name])
        }
        for path in sorted(folder.glob("*.jsonl"))
        if path.stem != "missing"
    }
    latest = {
        (row["method"], row["share"], row["draw"]): row for row in current(folder / "missing.jsonl")
    }
    missing: dict[str, Any] = {}
    for name, title in TITLES_OF_MISSING.items():
        shares = sorted({share for method, share, _ in latest if method == name})
        if not shares:
            continue
        curve = {
            str(share): _summary(
                [row["accuracy"] for key, row in latest.items() if key[:2] == (name, share)]
            )
            for share in shares
        }
        missing[name] = {"title": title, "accuracy": curve}
    return {"pairs": pairs, "missing": missing, "gain": gains(pairs)}


def over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean scores of a method's trainings, the latest of each seed."""
    of_seed = {row.get("seed", 0): row for row in rows}
    trainings = [of_seed[seed] for seed in sorted(of_seed)]
    parts = {}
    for part, first in trainings[0]["parts"].items():
        found = [row["parts"][part] for row in trainings]
        parts[part] = {
            name: statistics.mean(each[name] for each in found)
            for name, value in first.items()
            if isinstance(value, float | int)
        } | {
            "recall": {
                label: statistics.mean(each["recall"][label] for each in found)
                for label in first["recall"]
            },
            "balanced_accuracy_of_seeds": [each["balanced_accuracy"] for each in found],
        }
    return {**trainings[-1], "parts": parts, "seeds": sorted(of_seed)}


def gains(pairs: dict[str, Any]) -> dict[str, Any]:
    """Balanced accuracy of ours less that of each other method, by part."""
    return {
        pair: {
            name: {
                part: found[OURS]["parts"][part]["balanced_accuracy"] - own["balanced_accuracy"]
                for part, own in row["parts"].items()
            }
            for name, row in found.items()
            if name != OURS
        }
        for pair, found in pairs.items()
        if OURS in found
    }


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.mean(values),
        "low": min(values),
        "high": max(values),
        "n_draws": len(values),
    }
