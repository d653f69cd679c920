"""The ranked genes of each class, by name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.validate import check_count, chosen_classes
from tgem.pl._figure import BLUE, MEDIUM, SMALL, clean, finish, literal, panels, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_MOST_COLUMNS = 4
_HEIGHT = 1.1  # inches, between the last and the first gene's points
_LETTER = 0.085  # inches, of names


def rank_genes(
    adata: AnnData,
    *,
    n_genes: int = 20,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw the first genes of each class by rank, each with its name.

    The height is the mean attribution, in units of the class's logit; a steep beginning means
    that few genes decide. Each class has its own panel and scale.

    Parameters
    ----------
    adata
        Data with the ranking that :func:`tgem.tl.rank_genes` wrote.
    n_genes
        Number of genes in each panel.
    classes
        Classes to draw, in this order; all by default.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into, for one class only; a new figure by default.
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
        If there is no ranking in `adata`.
    ValueError
        For an unknown class, `n_genes` below 1, or `ax` with several classes.

    Examples
    --------
    A ranking by hand, where a model's would come from :func:`tgem.tl.rank_genes`:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_rank_genes"] = pd.DataFrame(
    ...     {
    ...         "class": "B cell",
    ...         "gene": ["MS4A1", "CD79A", "CD74"],
    ...         "rank": [1, 2, 3],
    ...         "mean": [0.9, 0.7, 0.2],
    ...         "median": [0.8, 0.7, 0.1],
    ...         "share_expressing": [0.9, 0.95, 1.0],
    ...     }
    ... )
    >>> (ax,) = tgem.pl.rank_genes(adata, n_genes=2, show=False)
    >>> [text.get_text() for text in ax.texts]
    ['MS4A1', 'CD79A']
    """
    check_count("n_genes", n_genes)
    table: pd.DataFrame = keys.RANKING.read(adata, key_added)
    if table.empty:
        msg = (
            "Expected genes in the ranking, found none: no class has cells with attributions. Run "
            "`tgem.tl.attribution` on cells that the model types, then `tgem.tl.rank_genes`."
        )
        raise ValueError(msg)
    names = table["class"].astype(str)
    chosen = chosen_classes(classes, list(names.unique()))
    top = {
        label: table[names == label].dropna(subset=["mean"]).nsmallest(n_genes, "rank")
        for label in chosen
    }
    n_drawn = max(len(rows) for rows in top.values())
    letters = max((len(str(gene)) for rows in top.values() for gene in rows["gene"]), default=1)
    width = max(0.15 * n_drawn, 1.2) + 0.7
    titles = {label: wrapped(label, int(width / _LETTER)) for label in chosen}
    n_lines = max(title.count("\n") + 1 for title in titles.values())
    n_columns = min(len(chosen), max(2, min(_MOST_COLUMNS, math.ceil(math.sqrt(len(chosen))))))
    height = _HEIGHT + _LETTER * letters
    axes = panels(len(chosen), n_columns, width, height + 0.35 + 0.15 * n_lines, ax=ax)
    for panel, label in zip(axes, chosen, strict=True):
        _points(panel, top[label], n_drawn, room=height / _HEIGHT)
        panel.set_title(titles[label], fontsize=MEDIUM)
    if ax is None:
        axes[0].figure.supxlabel("rank", fontsize=MEDIUM)
        axes[0].figure.supylabel("mean attribution", fontsize=MEDIUM)
    else:
        ax.set_xlabel("rank", fontsize=MEDIUM)
        ax.set_ylabel("mean attribution", fontsize=MEDIUM)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _points(ax: Axes, rows: pd.DataFrame, n_ranks: int, room: float) -> None:
    """Points with the names above them; `room` is the panel's height over the points'."""
    clean(ax)
    if rows.empty:
        ax.set_axis_off()
        return
    means = rows["mean"].to_numpy(dtype=float)
    ranks = rows["rank"].to_numpy(dtype=int)
    # No line between the points: where the means fall it would run through the names.
    ax.scatter(ranks, means, color=BLUE, s=8, linewidths=0)
    for rank, mean, gene in zip(ranks, means, rows["gene"].astype(str), strict=True):
        ax.annotate(
            literal(gene),
            (rank, mean),
            xytext=(0, 4),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )
    spread = (means.max() - means.min()) or abs(means.max()) or 1.0
    bottom = means.min() - 0.08 * spread
    ax.set_ylim(bottom, bottom + 1.15 * room * spread)
    ax.set_xlim(0.2, n_ranks + 0.8)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
    ax.yaxis.get_offset_text().set_fontsize(SMALL)
