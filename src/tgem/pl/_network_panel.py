"""One panel of a network: genes, the arrows between them, and names beside the largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from tgem.pl._figure import BLUE, GREY, SMALL, VERMILION, literal
from tgem.pl._layout import place_genes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_SMALLEST, _LARGEST = 2.0, 7.0  # radii of genes, points
_LONGEST_NAME = 20


def draw_panel(
    ax: Axes, edges: pd.DataFrame, n_labels: int
) -> tuple[list[Annotation], np.ndarray[Any, Any], list[float]]:
    """Draw arrows, genes above them, and names that are still to be moved off the genes."""
    ax.set_axis_off()
    if edges.empty:
        ax.text(0.5, 0.5, "no edges", ha="center", transform=ax.transAxes, color=GREY)
        return [], np.zeros((0, 2)), []
    places = place_genes(edges)
    degrees = _degrees(edges)
    radii = _radii(degrees)
    points = np.array([places[gene] for gene in degrees.index])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    half = 0.56 * max(float(np.ptp(points, axis=0).max()), 1.0)
    ax.set_xlim(middle[0] - half, middle[0] + half)
    ax.set_ylim(middle[1] - half, middle[1] + half)
    ax.set_aspect("equal")
    _draw_arrows(ax, edges, places, radii)
    ax.scatter(
        points[:, 0],
        points[:, 1],
        s=(2 * radii.to_numpy()) ** 2,
        color=GREY,
        edgecolors=[ax.get_facecolor()],
        linewidths=0.8,
        zorder=2,
    )
    named = list(degrees.index[:n_labels])
    halo = [withStroke(linewidth=2, foreground=ax.get_facecolor())]
    texts = [
        ax.annotate(
            literal(_shortened(gene)),
            tuple(places[gene]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=SMALL,
            path_effects=halo,
            zorder=3,
        )
        for gene in named
    ]
    for text in texts:  # or the panels would shrink again to make room for them
        text.set_in_layout(False)
    return texts, points, [float(radii[gene]) for gene in named]


def _degrees(edges: pd.DataFrame) -> pd.Series[int]:
    """Drawn edges of each gene, the largest first, ties by name."""
    counts = pd.concat([edges["source"], edges["target"]]).value_counts()
    return counts.sort_index().sort_values(ascending=False, kind="stable")


def _radii(degrees: pd.Series[int]) -> pd.Series[float]:
    return _SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(degrees / degrees.max())


def _shortened(name: str) -> str:
    """Leave out the middle of a very long name: its ends tell it from others."""
    if len(name) <= _LONGEST_NAME:
        return name
    kept = _LONGEST_NAME // 2
    return f"{name[:kept]}…{name[-kept + 1 :]}"


def _draw_arrows(
    ax: Axes, edges: pd.DataFrame, places: dict[str, Any], radii: pd.Series[float]
) -> None:
    largest = float(edges["weight"].abs().max()) or 1.0
    # The strongest edges come first in the table, and are drawn last.
    for row in edges.iloc[::-1].itertuples():
        width = 0.4 + 2.2 * abs(row.weight) / largest
        if row.source == row.target:  # a loop has no length to bend
            continue
        arrow = FancyArrowPatch(
            tuple(places[row.source]),
            tuple(places[row.target]),
            arrowstyle="-|>",
            mutation_scale=4 + 2 * width,
            connectionstyle="arc3,rad=0.08",
            shrinkA=radii[row.source],
            shrinkB=radii[row.target],
            linewidth=width,
            color=BLUE if row.weight > 0 else VERMILION,
            alpha=0.75 if getattr(row, "reliable", True) else 0.25,
            zorder=1,
        )
        ax.add_patch(arrow)
