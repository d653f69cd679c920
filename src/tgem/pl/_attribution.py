"""The genes that decided for each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from tgem._core.tables import mean_attributions
from tgem._core.validate import check_count, chosen_classes
from tgem.pl._figure import (
    BLUE,
    GREY,
    MEDIUM,
    SMALL,
    VERMILION,
    clean,
    finish,
    panels,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_TITLE_WIDTH = 22  # characters
_MOST_COLUMNS = 6


def attribution(
    adata: AnnData,
    *,
    n_genes: int = 10,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw the genes with the largest mean attribution, one panel for each class.

    A bar is the mean, over the cells that were given the class, of what the gene added to the
    class's logit. Each panel has its own scale. Genes that spoke against the class, drawn only
    where too few spoke for it, are vermilion.

    Parameters
    ----------
    adata
        Data with the attributions that :func:`tgem.tl.attribution` wrote.
    n_genes
        Number of genes in each panel.
    classes
        Classes to draw, in this order; all by default.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each class, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there are no attributions in `adata`.
    ValueError
        For an unknown class, or `n_genes` below 1.

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
    """
    check_count("n_genes", n_genes)
    table = mean_attributions(adata, key_added)
    chosen = chosen_classes(classes, list(table.columns))
    top = {label: table[label].dropna().nlargest(n_genes) for label in chosen}
    titles = {label: wrapped(label, _TITLE_WIDTH) for label in chosen}
    n_rows_drawn = max(1, *(len(values) for values in top.values()))
    n_lines = max(title.count("\n") + 1 for title in titles.values())
    n_columns = min(len(chosen), _MOST_COLUMNS, max(4, math.ceil(math.sqrt(len(chosen)))))
    axes = panels(len(chosen), n_columns, 2.1, 0.55 + 0.16 * n_rows_drawn + 0.15 * n_lines)
    for ax, label in zip(axes, chosen, strict=True):
        _bars(ax, top[label], n_rows_drawn)
        ax.set_title(titles[label], fontsize=MEDIUM)
    axes[0].figure.supxlabel("mean attribution", fontsize=MEDIUM)
    return axes if finish(axes[0], drawn_here=True, show=show, save=save) else None


def _bars(ax: Axes, values: pd.Series[float], n_rows: int) -> None:
    """One bar a gene, the largest at the top; as high as in the fullest panel."""
    clean(ax)
    if values.empty:
        ax.set_axis_off()
        ax.text(
            0.5,
            0.5,
            "no cell was\ngiven this class",
            ha="center",
            va="center",
            fontsize=SMALL,
            color=GREY,
            transform=ax.transAxes,
        )
        return
    positions = range(len(values))
    ax.barh(positions, values, height=0.7, color=[BLUE if v >= 0 else VERMILION for v in values])
    ax.set_yticks(positions, values.index.astype(str), fontsize=SMALL)
    ax.set_ylim(n_rows - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3))
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3), useMathText=True)
    ax.xaxis.get_offset_text().set_fontsize(SMALL)
