"""Cells of tables, and what every table says of its measurement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def time_of(found: dict[str, Any]) -> str:
    return found.get("skipped") or f"{found['wall_s'] * 1e3:,.1f} ms"


def machine_of(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"Measured on {machine['device_name']} ({machine['threads']} threads) with torch "
        f"{machine['torch']}."
    )


def interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['mean']:.3f}"
    return f"{estimate['mean']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def value_range(values: Sequence[float], digits: int = 2) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def spread(found: dict[str, Any] | None, sign: str = "") -> str:
    if found is None:
        return ""
    spread = "" if found["sd"] is None else f" ± {found['sd']:.3f}"
    return f"{found['mean']:{sign}.3f}{spread}"
