"""Classes against their top genes, as fields or as dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tgem.pl._figure import DIVERGING, GREY, LIGHT_GREY, MEDIUM, SMALL, clean, literal, single

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

_LARGEST = 90.0  # points squared, for a gene that counts in all cells of the class
_FIELD = 0.2  # inches


def top_genes(table: pd.DataFrame, n_genes: int) -> dict[str, list[str]]:
    """Top genes of each class; one of several classes goes to that of its largest mean."""
    best = {label: table[label][table[label] > 0].nlargest(n_genes) for label in table}
    owner: dict[str, str] = {}
    for label, values in best.items():
        for gene, value in values.items():
            if gene not in owner or value > table.loc[gene, owner[gene]]:
                owner[gene] = label
    return {
        label: [gene for gene in values.index if owner[gene] == label]
        for label, values in best.items()
    }


def heatmap(ax: Axes | None, table: pd.DataFrame, groups: dict[str, list[str]]) -> Axes:
    """Draw mean attributions, classes x genes; a class's own genes are outlined."""
    axes, values = _frame(ax, table, groups, least=0.8)
    image = axes.imshow(values, cmap=DIVERGING, aspect="auto", norm=_limits(values))
    _axes(axes, table, groups)
    _colour_bar(axes, image)
    return axes


def dotplot(
    ax: Axes | None, table: pd.DataFrame, shares: pd.DataFrame, groups: dict[str, list[str]]
) -> Axes:
    """Draw the same as dots, whose area is the share of cells (genes x classes)."""
    axes, values = _frame(ax, table, groups, least=2.0)
    genes = [gene for group in groups.values() for gene in group]
    sizes = shares.loc[genes].to_numpy(dtype=float).T
    rows, columns = np.nonzero(np.isfinite(values) & np.isfinite(sizes))
    dots = axes.scatter(
        columns,
        rows,
        s=_LARGEST * sizes[rows, columns],
        c=values[rows, columns],
        cmap=DIVERGING,
        edgecolors=GREY,
        linewidths=0.5,
        zorder=2,
        norm=_limits(values),
    )
    _axes(axes, table, groups)
    axes.set_axisbelow(True)
    axes.grid(color=LIGHT_GREY, linewidth=0.5)
    _colour_bar(axes, dots, with_sizes=True)
    return axes


def _frame(
    ax: Axes | None, table: pd.DataFrame, groups: dict[str, list[str]], least: float
) -> tuple[Axes, np.ndarray]:
    genes = [gene for group in groups.values() for gene in group]
    margin = 0.075 * max(map(len, groups))
    below = 0.075 * max(map(len, genes), default=0)
    width = max(_FIELD * len(genes), 1.6) + margin + 1.4
    height = max(_FIELD * len(groups), least) + below + 0.5
    axes = single(ax, width, max(height, 2.3))
    return axes, table.loc[genes].to_numpy(dtype=float).T


def _limits(values: np.ndarray) -> Normalize:
    """Equal distances to both sides of 0, which so stays white."""
    finite = np.abs(values[np.isfinite(values)])
    top = float(finite.max(initial=0)) or 1.0
    return Normalize(-top, top)


def _axes(ax: Axes, table: pd.DataFrame, groups: dict[str, list[str]]) -> None:
    genes = [literal(gene) for group in groups.values() for gene in group]
    clean(ax)
    ax.set_xticks(range(len(genes)), genes, rotation=90)
    ax.set_yticks(range(len(table.columns)), list(map(literal, table.columns)))
    ax.set_xlim(-0.5, max(len(genes), 1) - 0.5)
    ax.set_ylim(len(table.columns) - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    start = 0
    for row, group in enumerate(groups.values()):
        box = Rectangle(
            (start - 0.5, row - 0.5),
            len(group),
            1,
            fill=False,
            edgecolor="black",
            linewidth=0.8,
            zorder=3,
            clip_on=False,
        )
        if group:
            ax.add_patch(box)
        start += len(group)


def _colour_bar(ax: Axes, mappable: ScalarMappable, *, with_sizes: bool = False) -> None:
    """Colour bar beside the plot, with the legend of the areas above it."""
    # As long as its label, also beside very many classes.
    height = max(_FIELD * len(ax.get_yticks()), 1.3)
    shrink, anchor = min(0.5 if with_sizes else 0.95, 1.6 / height), (0.0, 0.0)
    bar = ax.figure.colorbar(mappable, ax=ax, shrink=shrink, anchor=anchor, aspect=11, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL)
    bar.locator = MaxNLocator(nbins=4)
    bar.set_label("mean attribution", fontsize=MEDIUM if not with_sizes else SMALL)
    if not with_sizes:
        return
    bar.ax.legend(
        handles=[_dot(share) for share in (0.2, 0.6, 1.0)],
        title="share of cells",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.15),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        alignment="left",
        borderaxespad=0,
        borderpad=0,
    )


def _dot(share: float) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        markersize=float(np.sqrt(_LARGEST * share)),
        label=f"{share:.0%}",
        markerfacecolor="white",
        markeredgecolor=GREY,
        markeredgewidth=0.5,
    )
