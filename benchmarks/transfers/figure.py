"""Recall of each type by method, and accuracy against the share of missing genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path


PAIR_TITLES = {
    "kang": "Kang 2018; six types in training",
    "kang_shared_types": "Kang 2018; its four types in training",
}


def draw(result: dict[str, Any], path: Path) -> None:
    pairs = {name: found for name, found in result["pairs"].items() if found}
    figure, axes = plt.subplots(
        1, len(pairs) + 1, figsize=(5.5 * (len(pairs) + 1), 4), layout="constrained", squeeze=False
    )
    methods = list(dict.fromkeys(name for found in pairs.values() for name in found))
    colors = {name: f"C{i}" for i, name in enumerate(methods)}  # the same in all panels
    for axis, (name, found) in zip(axes[0], pairs.items(), strict=False):
        types = list(next(iter(found.values()))["parts"]["all"]["recall"])
        for i, (method, row) in enumerate(found.items()):
            scores = row["parts"]["all"]
            values = [scores["balanced_accuracy"], *scores["recall"].values()]
            places = [k + (i - len(found) / 2) * 0.8 / len(found) for k in range(len(values))]
            width = 0.8 / len(found)
            axis.bar(places, values, width, label=row["title"], color=colors[method])
        axis.set_xticks(range(len(types) + 1), ["balanced\naccuracy", *types])
        axis.set(
            title=PAIR_TITLES.get(name, name), ylabel="share of cells typed rightly", ylim=(0, 1)
        )
        axis.legend(
            fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False
        )
    axis = axes[0][-1]
    for i, (method, row) in enumerate(result["missing"].items()):
        shares = [float(share) for share in row["accuracy"]]
        means = [each["mean"] for each in row["accuracy"].values()]
        color = colors.get(method, f"C{len(colors) + i}")
        axis.plot(shares, means, marker="o", label=row["title"], color=color)
        axis.fill_between(
            shares,
            [each["low"] for each in row["accuracy"].values()],
            [each["high"] for each in row["accuracy"].values()],
            alpha=0.2,
            color=color,
        )
    axis.set(xlabel="share of genes missing", ylabel="accuracy", title="Sorted cells held out")
    if result["missing"]:
        axis.legend(fontsize=7, loc="lower left")
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
