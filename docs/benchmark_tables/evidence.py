"""Regulators against bound RNAs."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table, value_range


def write() -> str:
    """Areas of each score and baseline against bound RNAs, for each set of factors."""
    result = json.loads((RESULTS / "regulation_evidence.json").read_text(encoding="utf-8"))
    names = {"splicing_factor": "splicing factors", "rbp": "RNA-binding proteins"}
    parts = [_evidence_of(found, names[key]) for key, found in result["factors"].items()]
    return "\n".join([machine_of(result), "", *parts])


def _evidence_of(result: dict[str, Any], called: str) -> str:
    levels = ("all", "within_gene", "within_factor", "matched")
    rows, readings = [], []
    for name, found in result["scores"].items():
        areas = [_areas(row, "score", levels) for row in found]
        rows.append([name, *(value_range(values) for values in zip(*areas, strict=True))])
        gains = [next(each for each in row["added"] if each["metric"] == "auc") for row in found]
        within = [each for row in found for each in row["table"] if each["measure"] == "score"]
        within = [each for each in within if each["level"] == "within_gene"]
        readings.append(
            [
                name,
                "; ".join(dict.fromkeys(row["reading"] for row in found)),
                value_range([each["p_value_margins"] for each in within]),
                value_range([each["gain"] for each in gains], digits=3),
                value_range([row["usage_r2"] for row in found]),
            ]
        )
    first = next(iter(result["scores"].values()))[0]
    for name in dict.fromkeys(row["measure"] for row in first["table"]):
        if name != "score":
            values = [[value] for value in _areas(first, name, levels)]
            rows.append([f"{name} alone", *map(value_range, values)])
    header = ["AUC", "all pairs", "within a gene", "within a factor", "genes alike"]
    columns = ["", "reading", "p within a gene", "AUC added", "R² on held-out line"]
    return (
        f"**{result['n_factors']:,} {called} as factors.** {first['n_positive']:,} of "
        f"{first['n_pairs']:,} pairs of {first['n_genes']} genes and {first['n_factors']} proteins "
        f"have a peak. Ranges are over {len(next(iter(result['scores'].values())))} trainings.\n\n"
        f"{table(header, rows)}\n{table(columns, readings)}"
    )


def _areas(row: dict[str, Any], measure: str, levels: tuple[str, ...]) -> list[float]:
    table = {(each["measure"], each["level"]): each["auc"] for each in row["table"]}
    return [table[measure, level] for level in levels]
