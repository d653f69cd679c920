"""Accuracy on each rung, a panel for each data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from ladders.report import RUNGS

mpl.use("agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

COLORS = {"default": "#c0392b", "paper": "#34495e"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Accuracy on each rung, a panel for each data set."""
    found = result["ladder"]
    figure, grid = plt.subplots(
        1, len(found), figsize=(2.6 * len(found), 3.2), squeeze=False, layout="constrained"
    )
    for axes, presets in zip(grid[0], found.values(), strict=True):
        for offset, (preset, row) in enumerate(presets.items()):
            values = [row["rungs"][f"accuracy {maps}"]["value"] for maps in RUNGS]
            at = np.arange(len(RUNGS)) + 0.14 * (offset - 0.5)
            axes.plot(at, [v["mean"] for v in values], "o-", ms=4, lw=1, color=COLORS[preset])
            for x, value in zip(at, values, strict=True):
                if value["low"] is not None:
                    axes.plot([x, x], [value["low"], value["high"]], lw=1.4, color=COLORS[preset])
        title = next(iter(presets.values()))["title"]
        axes.set_title(
            title.replace(", ", ",\n").replace(" (", "\n(").replace(": ", ":\n"), fontsize="small"
        )
        axes.set_xticks(range(len(RUNGS)), RUNGS, rotation=45, ha="right")
        axes.set_ylim(0, 1)
        axes.grid(visible=True, axis="y", alpha=0.3)
    grid[0, 0].set_ylabel("accuracy on test cells")
    for preset, color in COLORS.items():
        grid[0, 0].plot([], [], "o-", ms=4, color=color, label=preset)
    grid[0, 0].legend(frameon=False, fontsize="small", title="preset")
    figure.supxlabel("attention maps", fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)
