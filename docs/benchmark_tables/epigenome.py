"""Expression from real epigenomes."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, interval, machine_of, table


def write() -> str:
    """Scores on held-out groups of genes, differences from tgem's default, learning curve."""
    path = RESULTS / "epigenome.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/epigenome.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        machine_of(result),
        "```{image} ../benchmarks/results/epigenome.png\n"
        ":alt: Score of every method on every data set, and tgem minus the others\n```",
    ]
    for data in result["data"].values():
        score = {"auroc": "AUROC", "spearman": "Spearman's correlation"}[data["metric"]]
        groups = list(next(iter(data["methods"].values()))["parts"])
        several = groups if len(groups) > 1 or data["metric"] == "spearman" else []
        ours = "tgem's default minus this"
        header = ["", score, *several, ours, "trainings", "CPU time of a fold"]
        rows = [
            [
                data["titles"][name],
                interval(row),
                *(f"{row['parts'][group]:.3f}" for group in several),
                interval(data["differences"][name]) if name in data["differences"] else "",
                _seeds(row),
                f"{row['process_s']:.1f} s",
            ]
            for name, row in data["methods"].items()
        ]
        parts += [f"**{data['title']}** ({data['n_folds']} folds)", table(header, rows)]
        if data["learning_curve"]:
            parts.append(_epigenome_curve(data))
    return "\n\n".join(parts) + "\n"


def _seeds(row: dict[str, Any]) -> str:
    """Number of trainings, and how much they differ."""
    spread = row.get("sd_of_seeds")
    return str(row["n_seeds"]) if spread is None else f"{row['n_seeds']} (sd {spread:.3f})"


def _epigenome_curve(data: dict[str, Any]) -> str:
    """Scores with a part of the training genes, one row for each share."""
    curve = data["learning_curve"]
    shares = sorted({share for each in curve.values() for share in each}, key=float)
    rows = [
        [
            f"{float(share):.0%}",
            *(interval(each[share]) if share in each else "" for each in curve.values()),
        ]
        for share in shares
    ]
    header = ["training genes", *(data["titles"][name] for name in curve)]
    return "With a part of the training genes:\n\n" + table(header, rows)
