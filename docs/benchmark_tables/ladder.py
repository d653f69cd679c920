"""What attention is worth on test cells."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table

LADDER_COLUMNS = [
    "data",
    "preset",
    "repeats",
    "weight of attention",
    "accuracy, own maps",
    "own less mean",
    "log-likelihood, own less mean",
]


def write() -> str:
    """The figure, accuracy and log-likelihood by maps, and what depends on the seed."""
    path = RESULTS / "ladder.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/attention_ladder.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        machine_of(result),
        "```{image} ../benchmarks/results/ladder.png\n"
        ":alt: Accuracy with own, mean, other, shuffled and uniform attention maps\n```",
        table(
            LADDER_COLUMNS,
            [
                [row["title"], preset, _repeats(row), *_ladder_row(row)]
                for presets in result["ladder"].values()
                for preset, row in presets.items()
            ],
        ),
    ]
    for data, found in result["seeds"].items():
        parts.append(
            f"{found['n_seeds']} seeds of the default preset on the first split of `{data}`: "
            f"accuracy {found['accuracy_mean']:.3f} with a standard deviation of "
            f"{found['accuracy_sd']:.4f}; the median rank correlation of a class's mean "
            "attributions between two seeds, over the union of their 50 largest, is "
            f"{found['attribution_rank_correlation']:.3f}."
        )
    return "\n\n".join(parts) + "\n"


def _repeats(row: dict[str, Any]) -> str:
    n_repeats = row["n_repeats"]
    return f"{n_repeats} {row['repeated']}{'s' if n_repeats > 1 else ''}"


def _ladder_row(row: dict[str, Any]) -> list[str]:
    weights = [weight for weight in row["weights"] if weight is not None]
    own = row["rungs"]["accuracy own"]["value"]["mean"]
    differences = []
    for metric in ("accuracy", "log_likelihood"):
        found = row["rungs"][f"{metric} mean"]
        low, high = found["own_minus"]["low"], found["own_minus"]["high"]
        if low is None:
            low, high = found["bootstrap_of_first_split"]
        differences.append(f"{found['own_minus']['mean']:+.3f} ({low:+.3f} to {high:+.3f})")
    shown = ", ".join(f"{weight:.2f}" for weight in weights) or "not weighed"
    return [shown, f"{own:.3f}", *differences]
