"""Recall of each type by method, and accuracy against the share of missing genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path


def draw(result: dict[str, Any], path: Path) -> None:
    pairs = {name: found for name, found in result["pairs"].items() if found}
    figure, axes = plt.subplots(
        1, len(pairs) + 1, figsize=(5.5 * (len(pairs) + 1), 4), layout="constrained", squeeze=False
    )
    for axis, (name, found) in zip(axes[0], pairs.items(), strict=False):
        types = list(next(iter(found.values()))["parts"]["all"]["recall"])
        for i, row in enumerate(found.values()):
            scores = row["parts"]["all"]
            values = [scores["balanced_accuracy"], *scores["recall"].values()]
            places = [k + (i - len(found) / 2) * 0.8 / len(found) for k in range(len(values))]
            axis.bar(places, values, 0.8 / len(found), label=row["title"])
        axis.set_xticks(range(len(types) + 1), ["balanced\naccuracy", *types])
        axis.set(title=f"{name}: recall of each type", ylim=(0, 1))
        axis.legend(fontsize=6, loc="lower left")
    axis = axes[0][-1]
    for row in result["missing"].values():
        shares = [float(share) for share in row["accuracy"]]
        means = [each["mean"] for each in row["accuracy"].values()]
        axis.plot(shares, means, marker="o", label=row["title"])
        axis.fill_between(
            shares,
            [each["low"] for each in row["accuracy"].values()],
            [each["high"] for each in row["accuracy"].values()],
            alpha=0.2,
        )
    axis.set(xlabel="share of genes missing", ylabel="accuracy", title="held-out cells")
    if result["missing"]:
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)
