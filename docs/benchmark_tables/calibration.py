"""Confidence, sets of labels, and unknown cells."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Tables of probabilities, of prediction sets, and of cells of types left out."""
    path = RESULTS / "calibration.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/calibration.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [machine_of(result | {"machine": result["machine"] | {"threads": result["threads"]}})]
    if found := result["calibration"]:
        parts += [
            f"**Probabilities**: {found['n_cells']:,} cells in {found['n_folds']} folds; "
            f"temperatures {', '.join(f'{value:.2f}' for value in found['temperatures'])}.",
            table(
                ["", "accuracy", "calibration error", "its floor", "Brier score", "log-likelihood"],
                [_calibration_row(row) for row in found["probabilities"].values()],
            ),
            "**Prediction sets**: coverage (smallest and largest of the folds), number of labels",
            table(
                ["alpha", "sets", "coverage", "labels"],
                [
                    [alpha, row["title"], _coverage(row), f"{row['size']:.2f}"]
                    for alpha, rows in result["sets"].items()
                    for row in rows.values()
                ],
            ),
        ]
    for labels, title in {"populations": "Populations", "gates": "Sort gates"}.items():
        if labels in result["unseen"]:
            parts += [f"**{title} left out**: AUROC", _unseen_table(result, labels)]
    return "\n\n".join(parts) + "\n"


def _calibration_row(row: dict[str, Any]) -> list[str]:
    names = ("accuracy", "expected_calibration_error", "expected_calibration_error_floor")
    return [
        row["title"],
        *(f"{row[name]:.3f}" for name in (*names, "brier_score", "log_likelihood")),
    ]


def _coverage(row: dict[str, Any]) -> str:
    folds = row["coverage_of_folds"]
    return f"{row['coverage']:.3f} ({min(folds):.3f} to {max(folds):.3f})"


def _unseen_table(result: dict[str, Any], labels: str) -> str:
    """Classes x methods, with the shares rejected and, of gates, their own neighbours."""
    found, neighbours = result["unseen"][labels], result["neighbours"] if labels == "gates" else {}
    methods = list(found["auroc"])
    header = ["left out", "cells", *(result["titles"][name] for name in methods)]
    header += ["called unknown", "of known cells"] + ["neighbours of its own"] * bool(neighbours)
    rows = []
    for name, n_cells in found["n_unseen"].items():
        scores = [found["auroc"][method].get(name) for method in methods]
        row = [name, f"{n_cells:,}", *("" if each is None else f"{each:.3f}" for each in scores)]
        rejected = found["rejected"].get(name)
        shares = [rejected["unseen"], rejected["known"]] if rejected else []
        row += [f"{share:.0%}" for share in shares] or ["", ""]
        rows.append(row + [f"{neighbours[name]['of_own']:.0%}" for _ in [0] if neighbours])
    means = [found["mean"][method] for method in methods]
    mean = ["mean", "", *("" if each is None else f"{each:.3f}" for each in means), "", ""]
    return table(header, [*rows, mean + [""] * bool(neighbours)])
