"""Marks that distinguish the genes of each cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.validate import check_choice, chosen_classes
from tgem.pl._figure import (
    DIVERGING,
    GREY,
    LIGHT_GREY,
    MEDIUM,
    SMALL,
    clean,
    finish,
    literal,
    single,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from mudata import MuData

_CONTRASTS = ("other cell types", "other genes")
_LARGEST = 130.0  # points squared, for the smallest false discovery rate that is told apart
_SMALLEST = 8.0
_BEST = 10.0  # -log10 of that rate


def cell_type_specific_genes(
    adata: AnnData | MuData,
    *,
    contrast: Literal["other cell types", "other genes"] = "other cell types",
    classes: Sequence[str] | None = None,
    max_fdr: float = 0.05,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes | None:
    """Draw which marks distinguish the genes that are specific to each cell type.

    A dot's colour is the difference of the mark's level: blue where the group's genes have more
    of it, vermilion where they have less. Its area is the evidence, the negative logarithm of the
    false discovery rate, and a black rim marks what is significant. A cell type and mark without
    a dot had too few genes to test.

    Parameters
    ----------
    adata
        Data with the tables that :func:`tgem.tl.cell_type_specific_genes` wrote.
    contrast
        What the group's genes are compared with: themselves in the ``"other cell types"``, or
        the ``"other genes"`` of the same cell type.
    classes
        Cell types to draw, in this order; all by default.
    max_fdr
        Largest false discovery rate that counts as significant.
    key_added
        Prefix of the slots, ``"epi"`` by default.
    ax
        Axes to draw into; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there is no such table in `adata`.
    ValueError
        For an unknown contrast or cell type, or a rate outside 0 to 1.

    Examples
    --------
    Predictions by hand, where a model's would come from
    :func:`tgem.tl.predict_expression`:

    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(200)
    >>> mdata.obs["epi_prediction"] = mdata.obs["expected_expression"]
    >>> tgem.tl.cell_type_specific_genes(mdata, min_score=2)
    >>> ax = tgem.pl.cell_type_specific_genes(mdata, show=False)
    >>> [label.get_text().split(" ")[0] for label in ax.get_xticklabels()]
    ['A', 'B']
    """
    check_choice("contrast", contrast, _CONTRASTS)
    if not 0 < max_fdr <= 1:
        msg = f"Expected `max_fdr` in (0, 1], got {max_fdr!r}."
        raise ValueError(msg)
    table: pd.DataFrame = keys.SPECIFIC_MARKS.read(adata, key_added)
    params = adata.uns.get(keys.SPECIFIC_MARKS.params_key(key_added), {})
    known = params.get("cell_types", table["cell_type"].unique())
    chosen = chosen_classes(classes, [str(label) for label in known])
    table = table.astype({"cell_type": str, "mark": str})
    table = table[(table["contrast"] == contrast) & table["cell_type"].isin(chosen)]
    marks = _ordered(table)
    counts = keys.SPECIFIC_GENES.read(adata, key_added)["cell_type"].astype(str).value_counts()
    labels = [f"{literal(label)} ({counts.get(label, 0)} genes)" for label in chosen]
    longest = max(map(len, marks), default=0)
    axes = single(
        ax,
        max(0.34 * len(chosen), 1.0) + 0.075 * longest + 2.0,
        max(0.3 * len(marks) + 0.075 * max(map(len, labels)) + 0.5, 3.2),
    )
    shown = table[table["effect"].notna()]
    if len(shown):
        dots = _draw(axes, shown, (marks, chosen), max_fdr)
        axes.set_xticks(range(len(chosen)), labels, rotation=90)
        _add_keys(axes, dots, max_fdr)
    else:
        axes.set_axis_off()
    title = f"against {contrast}" if len(shown) else "too few genes to test"
    axes.set_title(wrapped(title, 24), fontsize=MEDIUM)
    return axes if finish(axes, drawn_here=ax is None, show=show, save=save) else None


def _ordered(table: pd.DataFrame) -> list[str]:
    """Marks with the largest mean effect first."""
    return [str(mark) for mark in table.groupby("mark")["effect"].mean().sort_values().index[::-1]]


def _area(fdr: np.ndarray) -> np.ndarray:
    evidence = np.minimum(-np.log10(np.maximum(fdr, 10**-_BEST)), _BEST)
    return _SMALLEST + (_LARGEST - _SMALLEST) * evidence / _BEST


def _draw(
    ax: Axes, table: pd.DataFrame, names: tuple[list[str], list[str]], max_fdr: float
) -> PathCollection:
    marks, cell_types = names
    effect, fdr = (table[name].to_numpy(dtype=float) for name in ("effect", "fdr"))
    top = max(float(np.abs(effect).max()), 0.5)
    significant = fdr <= max_fdr
    dots = ax.scatter(
        table["cell_type"].map({label: i for i, label in enumerate(cell_types)}),
        table["mark"].map({mark: i for i, mark in enumerate(marks)}),
        s=_area(fdr),
        c=effect,
        cmap=DIVERGING,
        vmin=-top,
        vmax=top,
        edgecolors=["black" if is_so else "#BBBBBB" for is_so in significant],
        linewidths=[0.9 if is_so else 0.5 for is_so in significant],
        zorder=2,
    )
    ax.set_yticks(range(len(marks)), list(map(literal, marks)))
    ax.set_xlim(-0.6, len(cell_types) - 0.4)
    ax.set_ylim(len(marks) - 0.4, -0.6)
    clean(ax)
    ax.tick_params(length=0)
    ax.grid(color=LIGHT_GREY, linewidth=0.5, zorder=0)
    ax.set_axisbelow(True)
    return dots


def _add_keys(ax: Axes, dots: PathCollection, max_fdr: float) -> None:
    """Colour bar beside the plot, and above it the legend of the areas and rims."""
    bar = ax.figure.colorbar(dots, ax=ax, shrink=0.5, aspect=11, anchor=(0.0, 0.0), pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL)
    bar.locator = MaxNLocator(nbins=4)
    bar.set_label("difference (s.d.)", fontsize=SMALL)
    handles = [
        _dot(f"{rate:.0e}".replace("e-0", "e-") if rate < 0.01 else f"{rate:g}", rate, GREY)
        for rate in (0.1, 1e-5, 1e-10)
    ]
    handles.append(_dot(f"≤ {max_fdr:g}", 0.05, "black", width=0.9))
    # On the bar's axes, so that the layout makes room for both in one column.
    bar.ax.legend(
        handles=handles,
        title="false discovery\nrate",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.15),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        alignment="left",
        borderaxespad=0,
        borderpad=0,
    )


def _dot(label: str, rate: float, rim: str, width: float = 0.5) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        markersize=float(np.sqrt(_area(np.array(rate)))),
        label=label,
        markerfacecolor="white",
        markeredgecolor=rim,
        markeredgewidth=width,
    )
