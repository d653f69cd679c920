"""Labels carried to another laboratory, and missing genes."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table, value_range


def write() -> str:
    """Tables of labels in another laboratory's cells, and of genes that are missing."""
    path = RESULTS / "transfer.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/transfer.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [machine_of(result)]
    for pair, title in {
        "kang": "Kang 2018",
        "kang_shared_types": "Kang 2018, only the four shared types in the training cells",
    }.items():
        if not (found := result["pairs"].get(pair)):
            continue
        names = list(next(iter(found.values()))["parts"])
        types = list(next(iter(found.values()))["parts"]["all"]["recall"])
        parts += [
            f"**{title}**: balanced accuracy of all cells and of parts of them",
            table(
                ["", *names, "all, over trainings"],
                [
                    [
                        row["title"],
                        *_scores_of(row, names, "balanced_accuracy"),
                        _range_of_seeds(row),
                    ]
                    for row in found.values()
                ],
            ),
            "All cells: accuracy, and the share of each type that got its label",
            table(
                ["", "accuracy", *types],
                [
                    [
                        row["title"],
                        *_scores_of(row, ["all"], "accuracy"),
                        *(f"{row['parts']['all']['recall'][each]:.2f}" for each in types),
                    ]
                    for row in found.values()
                ],
            ),
        ]
    if curves := result["missing"]:
        shares = list(next(iter(curves.values()))["accuracy"])
        rows = [
            [row["title"], *(f"{row['accuracy'][share]['mean']:.3f}" for share in shares)]
            for row in curves.values()
        ]
        header = ["share of genes missing", *(f"{float(share):.0%}" for share in shares)]
        parts += ["**Missing genes**: accuracy on held-out cells", table(header, rows)]
    return "\n\n".join(parts) + "\n"


def _scores_of(row: dict[str, Any], parts: list[str], score: str) -> list[str]:
    return [f"{row['parts'][part][score]:.3f}" for part in parts]


def _range_of_seeds(row: dict[str, Any]) -> str:
    """How far the balanced accuracy of all cells depends on the training."""
    values = row["parts"]["all"].get("balanced_accuracy_of_seeds", [])
    return f"{value_range(values, 3)} ({len(values)})" if len(values) > 1 else ""
