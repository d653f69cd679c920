"""Hubs of sorted blood cells: significance, stability, halves, markers."""

from __future__ import annotations

import json
import statistics
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """How often attention would count, and each type's hubs."""
    path = RESULTS / "hubs.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/hubs.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    gains = [result["attention_gain"], *result["stability"]["attention_gain"]]
    n_counted = sum(gain["weight"] > 0 for gain in gains)
    n_counted_of_halves = sum(gain["weight"] > 0 for gain in result["halves"]["attention_gain"])
    share = result["share"]
    parts = [
        f"{machine_of(result)} {result['n_obs']:,} cells x {result['n_genes']:,} genes. In "
        f"{n_counted} of {len(gains)} trainings with different seeds attention would have counted; "
        f"of the two halves, in {n_counted_of_halves}. With weight 1, the cells' own maps carry "
        f"{share['share_mean']:.3f} of the decision ({share['share_mean_low']:.3f} to "
        f"{share['share_mean_high']:.3f}).",
        table(
            [
                "type",
                "genes with FDR ≤ 0.05",
                "of the 20 largest hubs",
                "their mean frequency, other seeds",
                "100 strongest edges, mean frequency",
                "shared by two halves, of 20",
                "with other types of the other half",
            ],
            [_row(name, result) for name in result["types"]],
        ),
        "The ten largest hubs, in bold those with FDR ≤ 0.05:",
        table(
            ["type", "hubs"],
            [[name, _largest(found)] for name, found in result["types"].items()],
        ),
        "Markers of the type among the 20 largest hubs:",
        table(
            ["type", "markers among all genes", "found", "by chance", "in the 20 most expressed"],
            [
                _markers(name, found)
                for name, found in result["types"].items()
                if "markers" in found
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _row(name: str, result: dict[str, Any]) -> list[str]:
    found, stability = result["types"][name], result["stability"]
    halves = result["halves"]["hubs"]
    same, others = _shared(halves, name, same=True), _shared(halves, name, same=False)
    frequency = stability["frequency_of_largest_hubs"].get(name, [])
    return [
        name,
        str(len(found["significant"])),
        str(found["largest_significant"]),
        f"{statistics.mean(frequency):.2f}" if frequency else "",
        f"{stability['frequency_of_strongest_edges'].get(name, 0.0):.2f}",
        f"{statistics.mean(same):.0f}" if same else "",
        f"{statistics.mean(others):.1f}" if others else "",
    ]


def _markers(name: str, found: dict[str, Any]) -> list[str]:
    known = found["markers"]
    return [
        name,
        str(known["n_known"]),
        ", ".join(known["among_largest"]) or "none",
        f"{known['expected_by_chance']:.1f}",
        ", ".join(known["among_most_expressed"]) or "none",
    ]


def _shared(halves: list[dict[str, Any]], name: str, *, same: bool) -> list[int]:
    return [
        row["shared_of_largest"]
        for row in halves
        if row["type"] == name and (row["type_of_other_half"] == name) == same
    ]


def _largest(found: dict[str, Any]) -> str:
    significant = set(found["significant"])
    names = [row["gene"] for row in found["largest"][:10]]
    return ", ".join(f"**{name}**" if name in significant else name for name in names)
