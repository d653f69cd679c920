"""Figure: score of every method on every data set, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

from epigenomes.methods import OURS

if TYPE_CHECKING:
    from pathlib import Path

COLORS = {True: "#c0392b", False: "#34495e"}
METRICS = {"auroc": "AUROC", "spearman": "Spearman's correlation with expression"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Scores on the left, ours minus the others on the right, a row for each data set."""
    data = list(result["data"].values())
    heights = [len(each["methods"]) + 1 for each in data]
    figure, grid = plt.subplots(
        len(data),
        2,
        figsize=(9, 0.9 + 0.34 * sum(heights) + 0.5 * len(data)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for (left, right), each in zip(grid, data, strict=True):
        names = list(each["methods"])
        for row, name in enumerate(names):
            _dot(left, each["methods"][name], row, COLORS[name == OURS])
            if name in each["differences"]:
                _dot(right, each["differences"][name], row, COLORS[False])
        right.axvline(0, color="0.5", lw=0.8)
        left.set_yticks(range(len(names)), [each["titles"][name] for name in names])
        right.set_yticks(range(len(names)), [])
        left.set_xlabel(METRICS[each["metric"]])
        right.set_xlabel("tgem's default minus the other")
        left.set_title(each["title"], fontsize="small", loc="left")
        for axes in (left, right):
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.grid(visible=True, axis="x", alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize="small")
    figure.suptitle(
        "Held-out groups of genes; 95 % bootstrap intervals over genes", fontsize="small"
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _dot(axes: Any, estimate: dict[str, float], row: int, color: str) -> None:
    axes.plot([estimate["low"], estimate["high"]], [row, row], lw=1.4, color=color)
    axes.plot(estimate["mean"], row, "o", ms=4, color=color)
