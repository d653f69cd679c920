"""The study of what the default preset needs."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, spread, table


def write() -> str:
    """For each data set, a table of every variant and of its difference to its base."""
    path = RESULTS / "ablation.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"data": {}}
    if not result["data"]:
        return "Not measured yet: `python benchmarks/ablation.py` writes the results.\n"
    header = ["", "accuracy", "its difference", "macro-F1", "log-likelihood", "its difference"]
    header += ["own less mean maps", "gain", "weight", "training", "splits"]
    parts = [machine_of(result)]
    for data in result["data"].values():
        parts += [
            f"**{data['title']}**: {data['n_train']:,} cells to train on, {data['n_held']:,} held "
            f"out, {data['n_genes']:,} genes",
            table(header, _ablation_rows(result, data)),
        ]
    return "\n\n".join(parts) + "\n"


def _ablation_rows(result: dict[str, Any], data: dict[str, Any]) -> list[list[str]]:
    rows, family = [], None
    for name, found in data["variants"].items():
        variant = result["variants"][name]
        if variant["family"] != family:
            family = variant["family"]
            rows.append([f"*{result['families'][family]}*", *[""] * 10])
        difference = found.get("difference", {})
        rows.append(
            [
                variant["title"],
                spread(found["accuracy"]),
                spread(difference.get("accuracy"), "+"),
                spread(found["macro_f1"]),
                spread(found["log_likelihood"]),
                spread(difference.get("log_likelihood"), "+"),
                spread(found["cell_specific"], "+"),
                spread(found["attention_gain"], "+"),
                spread(found["attention_weight"]),
                f"{found['train_process_s']['mean']:.3g} s",
                str(found["n_splits"]),
            ]
        )
    return rows
