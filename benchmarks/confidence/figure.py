"""Figure of the benchmark: reliability, and AUROC of each population left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt

from confidence.novelty import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

COLORS = {"before": "#7f8c8d", "after": "#c0392b", "logistic_regression": "#34495e"}
METHOD_COLORS = {
    "logistic_regression": "#34495e",
    "celltypist": "#8e44ad",
    "nearest_centroid": "#7f8c8d",
    "mahalanobis": "#2980b9",
    OURS: "#c0392b",
}
TITLES = {"populations": "Population left out", "gates": "Sort gate left out"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw a panel of reliability, and one for each kind of labels."""
    unseen, is_calibrated = result["unseen"], bool(result["calibration"])
    heights = [len(each["n_unseen"]) for each in unseen.values()]
    figure, grid = plt.subplots(
        1,
        max(is_calibrated + len(unseen), 1),
        figsize=(3.6 * is_calibrated + 4.6 * len(unseen) + 1, 1.4 + 0.3 * max([*heights, 8])),
        layout="constrained",
        squeeze=False,
    )
    panels = list(grid[0])
    if is_calibrated:
        draw_reliability(panels.pop(0), result["calibration"])
    for axes, (labels, found) in zip(panels, unseen.items(), strict=False):
        draw_unseen(axes, found, result["titles"])
        axes.set_title(TITLES[labels], fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_reliability(axes: Axes, found: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls="--")
    for name, each in found["probabilities"].items():
        curve = {key: np.asarray(values) for key, values in each["curve"].items()}
        reach = np.abs([curve["low"] - curve["accuracy"], curve["high"] - curve["accuracy"]])
        axes.errorbar(
            curve["confidence"],
            curve["accuracy"],
            yerr=reach,
            color=COLORS[name],
            marker="o",
            ms=3.5,
            lw=1,
            elinewidth=0.8,
            label=f"{each['title']}: {each['expected_calibration_error']:.3f} "
            f"({each['expected_calibration_error_floor']:.3f})",
        )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"{found['n_cells']:,} cells, {found['n_folds']} folds", fontsize="small")
    axes.legend(
        frameon=False,
        fontsize="x-small",
        title="calibration error (floor)",
        title_fontsize="x-small",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize="small")


def draw_unseen(axes: Axes, found: dict[str, Any], titles: dict[str, str]) -> None:
    names = list(found["n_unseen"])
    for method, scores in found["auroc"].items():
        rows = [names.index(name) for name in scores]
        axes.plot(
            list(scores.values()),
            rows,
            "D" if method == OURS else "o",
            ms=5 if method == OURS else 4,
            color=METHOD_COLORS[method],
            label=f"{titles[method]}: {found['mean'][method]:.3f}",
        )
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("AUROC of its cells against held-out cells of the others", fontsize="small")
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize="small")
    axes.legend(
        frameon=False,
        fontsize="x-small",
        title="mean",
        title_fontsize="x-small",
        loc="upper center",
        bbox_to_anchor=(0.4, -0.14),
    )
