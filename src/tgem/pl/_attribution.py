"""The genes that decided for each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.tables import summarized_attributions
from tgem._core.validate import check_choice, check_count, chosen_classes
from tgem.pl._figure import (
    BLUE,
    GREY,
    MEDIUM,
    SMALL,
    VERMILION,
    clean,
    finish,
    left_out_text,
    literal,
    panels,
    single,
    wrapped,
)
from tgem.pl._matrix import dotplot, heatmap, top_genes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_TITLE_WIDTH = 22  # characters
_MOST_COLUMNS = 6
_N_GENES = {"bars": 10, "heatmap": 3, "dotplot": 3}

Kind = Literal["bars", "heatmap", "dotplot"]


def attribution(
    adata: AnnData,
    *,
    kind: Kind = "bars",
    n_genes: int | None = None,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | Axes | None:
    """Draw the genes with the largest mean attribution for each class.

    The mean, over the cells that were given the class, of what a gene added to the class's
    logit:

    - ``"bars"``: one panel a class, each with its own scale. Genes that spoke against the class,
      drawn only where too few spoke for it, are vermilion.
    - ``"heatmap"``: classes x the positive top genes of all of them, blue for and vermilion
      against the class, on one scale with white at 0. An outline marks a class's own genes; one
      that several classes share is with the class of its largest mean.
    - ``"dotplot"``: the same as dots, whose area is the share of the class's cells in which the
      gene has an attribution other than 0: with the zero baseline, those that express it.

    Parameters
    ----------
    adata
        Data with the attributions that :func:`tgem.tl.attribution` wrote.
    kind
        ``"bars"``, ``"heatmap"`` or ``"dotplot"``.
    n_genes
        Number of top genes of each class; by default 10 for bars and 3 otherwise.
    classes
        Classes to draw, in this order. By default all that a cell was given; how many are left
        out is said below. Classes without cells that are asked for are empty panels, or grey.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into, for bars only those of one class; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, for bars a list with one for each class, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there are no attributions in `adata`.
    ValueError
        For an unknown class or kind, `n_genes` below 1, or `ax` with the bars of several classes.

    Examples
    --------
    Attributions by hand, where a model's would come from :func:`tgem.tl.attribution`:

    >>> import numpy as np, pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.varm["tgem_attribution"] = pd.DataFrame(
    ...     {"B cell": np.arange(60.0), "T cell": np.arange(60.0)[::-1]}, index=adata.var_names
    ... )
    >>> axes = tgem.pl.attribution(adata, n_genes=2, show=False)
    >>> [label.get_text() for label in axes[0].get_yticklabels()]
    ['GENE0060', 'GENE0059']
    >>> ax = tgem.pl.attribution(adata, kind="heatmap", n_genes=1, show=False)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['GENE0060', 'GENE0001']
    """
    check_choice("kind", kind, list(_N_GENES))
    n_genes = _N_GENES[kind] if n_genes is None else n_genes
    check_count("n_genes", n_genes)
    table = summarized_attributions(adata, key_added)
    chosen = chosen_classes(classes, list(table.columns))
    n_left_out = 0
    if classes is None:
        filled = [label for label in chosen if table[label].notna().any()] or chosen
        n_left_out, chosen = len(chosen) - len(filled), filled
    drawn: list[Axes] | Axes
    if kind == "bars":
        drawn = _all_bars(ax, table, chosen, n_genes)
        first = drawn[0]
    else:
        groups = top_genes(table[chosen], n_genes)
        if not any(groups.values()):
            first = single(ax, 2.4, 1.2)
            _say(first, "no gene has a positive\nmean attribution")
        elif kind == "heatmap":
            first = heatmap(ax, table[chosen], groups)
        else:
            shares = summarized_attributions(adata, key_added, keys.ATTRIBUTION_SHARE)
            first = dotplot(ax, table[chosen], shares[chosen], groups)
        drawn = first
    if n_left_out:
        _say_below(
            first,
            left_out_text(n_left_out),
            of_figure=kind == "bars" and ax is None,
        )
    return drawn if finish(first, drawn_here=ax is None, show=show, save=save) else None


def _all_bars(ax: Axes | None, table: pd.DataFrame, chosen: list[str], n_genes: int) -> list[Axes]:
    """One panel of bars for each class."""
    top = {label: table[label].dropna().nlargest(n_genes) for label in chosen}
    titles = {label: wrapped(label, _TITLE_WIDTH) for label in chosen}
    n_rows_drawn = max(1, *(len(values) for values in top.values()))
    n_lines = max(title.count("\n") + 1 for title in titles.values())
    n_columns = min(len(chosen), _MOST_COLUMNS, max(4, math.ceil(math.sqrt(len(chosen)))))
    axes = panels(len(chosen), n_columns, 2.1, 0.55 + 0.16 * n_rows_drawn + 0.15 * n_lines, ax=ax)
    for panel, label in zip(axes, chosen, strict=True):
        _bars(panel, top[label], n_rows_drawn)
        panel.set_title(titles[label], fontsize=MEDIUM)
    if ax is None:
        axes[0].figure.supxlabel("mean attribution", fontsize=MEDIUM)
    else:
        ax.set_xlabel("mean attribution", fontsize=MEDIUM)
    return axes


def _bars(ax: Axes, values: pd.Series[float], n_rows: int) -> None:
    """One bar a gene, the largest at the top; as high as in the fullest panel."""
    clean(ax)
    if values.empty:
        _say(ax, "no cell was\ngiven this class")
        return
    positions = range(len(values))
    ax.barh(positions, values, height=0.7, color=[BLUE if v >= 0 else VERMILION for v in values])
    ax.set_yticks(positions, list(map(literal, values.index)), fontsize=SMALL)
    ax.set_ylim(n_rows - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3))
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3), useMathText=True)
    ax.xaxis.get_offset_text().set_fontsize(SMALL)


def _say_below(ax: Axes, text: str, *, of_figure: bool) -> None:
    """Add a line to the name of the axis, or of that of all panels."""
    figure = ax.figure.figure
    before = figure.get_supxlabel() if of_figure else ax.get_xlabel()
    width = max(int(figure.get_size_inches()[0] / 0.075), 20)
    label = "\n".join(filter(None, (before, wrapped(text, width))))
    if of_figure:
        figure.supxlabel(label, fontsize=MEDIUM)
    else:
        ax.set_xlabel(label, fontsize=MEDIUM)


def _say(ax: Axes, text: str) -> None:
    """Write why there is nothing to draw."""
    ax.set_axis_off()
    ax.text(
        0.5,
        0.5,
        text,
        ha="center",
        va="center",
        fontsize=SMALL,
        color=GREY,
        transform=ax.transAxes,
    )
