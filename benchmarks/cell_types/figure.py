"""Figures of the comparison: scores, and ours minus each comparator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

from cell_types.methods import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

OUR_COLOR, THEIR_COLOR, SECOND_COLOR = "#c0392b", "#34495e", "#2980b9"
PANEL_WIDTH, ROW_HEIGHT, NAMES_WIDTH = 2.3, 0.3, 2.2
SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def draw_scores(result: dict[str, Any], path: Path) -> None:
    """Accuracy of every method, a panel for each data set; squares have fewer splits than ours."""
    names = measured(result)
    figure, panels = panels_of(result, len(names))
    for axes, data in zip(panels, result["data"].values(), strict=True):
        for row, name in enumerate(names):
            if name in data["methods"]:
                color = OUR_COLOR if name == OURS else THEIR_COLOR
                found = data["methods"][name]
                fewer = found["n_splits"] < data["methods"].get(OURS, found)["n_splits"]
                draw_estimate(axes, found["accuracy"], row, color, marker="s" if fewer else "o")
        axes.set_xlabel("accuracy")
    finish(figure, panels, [result["titles"][name] for name in names], result)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_differences(result: dict[str, Any], path: Path) -> None:
    """Accuracy and macro-F1 of ours minus those of each comparator, on the same splits."""
    names = [name for name in measured(result) if name != OURS]
    figure, panels = panels_of(result, len(names))
    for axes, data in zip(panels, result["data"].values(), strict=True):
        axes.axvline(0, color="0.5", lw=0.8)
        for metric, color, offset in (
            ("accuracy", THEIR_COLOR, -0.15),
            ("macro_f1", SECOND_COLOR, 0.15),
        ):
            for row, name in enumerate(names):
                if name in data["differences"]:
                    estimate = data["differences"][name][metric]
                    draw_estimate(axes, estimate, row + offset, color)
            axes.plot([], [], "o", ms=4, color=color, label=SHOWN[metric])
        axes.set_xlabel("tgem minus the other")
    panels[0].legend(frameon=False, fontsize="x-small", loc="best")
    finish(figure, panels, [result["titles"][name] for name in names], result)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def measured(result: dict[str, Any]) -> list[str]:
    """Methods with a result on any data set, in their order."""
    return [
        name
        for name in result["titles"]
        if any(name in data["methods"] for data in result["data"].values())
    ]


def panels_of(result: dict[str, Any], n_rows: int) -> tuple[Any, list[Axes]]:
    n_panels = len(result["data"])
    figure, grid = plt.subplots(
        1,
        n_panels,
        figsize=(NAMES_WIDTH + PANEL_WIDTH * n_panels, 1.4 + ROW_HEIGHT * n_rows),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    return figure, list(grid[0])


def draw_estimate(
    axes: Axes, estimate: dict[str, Any], height: float, color: str, *, marker: str = "o"
) -> None:
    """Draw a dot and its interval; a hollow dot if one split gives none."""
    if estimate["low"] is None:
        axes.plot(estimate["mean"], height, marker, ms=4, mfc="none", color=color)
        return
    axes.plot([estimate["low"], estimate["high"]], [height, height], lw=1.4, color=color)
    axes.plot(estimate["mean"], height, marker, ms=4, color=color)


def finish(figure: Any, panels: list[Axes], names: list[str], result: dict[str, Any]) -> None:
    for axes, data in zip(panels, result["data"].values(), strict=True):
        axes.set_title(data["title"].replace(", ", ",\n").replace(" (", "\n("), fontsize="small")
        axes.grid(visible=True, axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize="small")
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.1)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(
        "Mean over splits and 95 % interval, corrected for overlapping splits (hollow: one split; "
        f"square: fewer splits than tgem); {result['machine']['device_name']}",
        fontsize="small",
    )
