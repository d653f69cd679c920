"""The hubs of each class, and which are significant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.networks import brief_reliability, hubs_prefix
from tgem._core.validate import check_choice, check_count, chosen_classes
from tgem.pl._figure import BLUE, GREY, MEDIUM, SMALL, clean, finish, literal, panels, wrapped
from tgem.pl._mark_legend import Mark, name_marks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_MOST_COLUMNS = 6
_LETTER = 0.075  # inches, of names
_ROW = 0.165  # inches
#: What the degree counts, by direction, where isoforms of one gene are one target.
_OF_GENES = {"out": "genes", "in": "factors", "both": "genes and factors"}


def hubs(
    adata: AnnData | MuData,
    *,
    n_genes: int = 10,
    classes: Sequence[str] | None = None,
    by: Literal["degree", "strength"] = "degree",
    max_fdr: float = 0.05,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw the largest hubs of each class.

    Filled points are significant, hollow ones were tested and are not, grey ones were not tested.
    Each class has its own panel and scale. Of hubs of regulation it is said below how many edges,
    or pairs of factor and gene where these were counted, are of genes that the model predicts on
    held-out samples.

    Parameters
    ----------
    adata
        AnnData or MuData with the table that :func:`tgem.tl.hubs` wrote.
    n_genes
        Number of genes, or factors, in each panel.
    classes
        Classes to draw, in this order; all by default.
    by
        What orders and places the points: ``"degree"`` or ``"strength"``.
    max_fdr
        Largest false discovery rate that counts as significant.
    key_added
        Prefix of the slot; by default that of the hubs that are there.
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
        If there are no hubs in `adata`.
    ValueError
        For an unknown class or `by`, `n_genes` below 1, `max_fdr` outside 0 to 1, or `ax` with
        several classes.

    Examples
    --------
    Hubs of a network by hand, where a model's would come from a tool:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_network"] = pd.DataFrame(
    ...     {
    ...         "class": "B cell",
    ...         "source": ["MS4A1", "MS4A1", "CD74"],
    ...         "target": ["CD79A", "CD74", "CD79A"],
    ...         "weight": [0.9, -0.7, 0.2],
    ...     }
    ... )
    >>> tgem.tl.hubs(adata, direction="out")
    >>> (ax,) = tgem.pl.hubs(adata, show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['MS4A1', 'CD74']
    """
    check_count("n_genes", n_genes)
    check_choice("by", by, ("degree", "strength"))
    if not 0 < max_fdr <= 1:
        msg = f"Expected `max_fdr` in (0, 1], got {max_fdr!r}."
        raise ValueError(msg)
    table: pd.DataFrame = keys.HUBS.read(adata, hubs_prefix(adata, key_added))
    names = table["class"].astype(str)
    chosen = chosen_classes(classes, list(names.unique())) if len(table) or classes else ["all"]
    columns = [by, "strength" if by == "degree" else "degree"]
    top = {
        label: table[names == label].sort_values(columns, ascending=False).head(n_genes)
        for label in chosen
    }
    shown = [rows for rows in top.values() if len(rows)]
    n_rows = max((len(rows) for rows in shown), default=1)
    letters = max((len(str(gene)) for rows in shown for gene in rows["gene"]), default=1)
    width = 2.0 + _LETTER * letters
    titles = {label: wrapped(label, int(width / _LETTER) - 2) for label in chosen}
    n_lines = max(title.count("\n") + 1 for title in titles.values())
    n_columns = min(len(chosen), max(2, min(_MOST_COLUMNS, math.ceil(math.sqrt(len(chosen))))))
    # The axis's name and the key take half an inch of the whole figure.
    height = _ROW * (n_rows + 1) + 0.3 + 0.16 * n_lines + 0.5 / -(-len(chosen) // n_columns)
    prefix = hubs_prefix(adata, key_added)
    params = adata.uns.get(keys.HUBS.params_key(prefix), {})
    of_genes = params.get("targets") == "gene"
    caption = brief_reliability(params, "pairs of factor and gene" if of_genes else "edges")
    if caption:
        height += 0.16 * (1 + len(caption) * _LETTER // (width * n_columns))
    axes = panels(len(chosen), n_columns, width, height, ax=ax)
    for panel, label in zip(axes, chosen, strict=True):
        _points(panel, top[label], by, max_fdr)
        panel.set_ylim(n_rows - 0.4, -0.6)
        is_only = set(names) <= {"all"}  # a network without classes
        panel.set_title("" if is_only else titles[label], fontsize=MEDIUM)
    if shown:
        counted = _OF_GENES[str(params["direction"])] if of_genes else "edges"
        sizes = {
            "degree": f"degree (number of {counted})",
            "strength": "strength (sum of |weight|)",
        }
        _add_key(axes, shown, sizes[by], max_fdr, caption=caption, alone=ax is not None)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _points(ax: Axes, rows: pd.DataFrame, by: str, max_fdr: float) -> None:
    """One line per gene, from 0 to its degree or strength, with its mark at the end."""
    clean(ax)
    if rows.empty:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no hubs", ha="center", transform=ax.transAxes, color=GREY)
        return
    places = range(len(rows))
    sizes = rows[by].to_numpy(dtype=float)
    tested = rows["fdr"].notna().to_numpy()
    significant = tested & (rows["fdr"] <= max_fdr).to_numpy()
    edges = [BLUE if each else GREY for each in tested]
    faces = [
        BLUE if strong else ("none" if each else GREY)
        for strong, each in zip(significant, tested, strict=True)
    ]
    # The line ends before a hollow mark, so that the mark stays hollow.
    ax.hlines(places, 0, sizes, colors=edges, linewidths=1, alpha=0.5, zorder=1)
    ax.scatter(sizes, places, s=26, color=ax.get_facecolor(), linewidths=0, zorder=2)
    ax.scatter(sizes, places, s=26, facecolors=faces, edgecolors=edges, linewidths=1.2, zorder=3)
    ax.set_yticks(places, list(map(literal, rows["gene"])), fontsize=SMALL)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1.08 * (sizes.max() or 1.0))
    whole = by == "degree"
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=whole, min_n_ticks=1))


def _add_key(
    axes: list[Axes],
    shown: list[pd.DataFrame],
    title: str,
    max_fdr: float,
    *,
    caption: str,
    alone: bool,
) -> None:
    """Name the axis and the marks that occur, and say what the network is worth."""
    if caption:
        inches = axes[0].figure.figure.get_size_inches()[0]
        title = f"{title}\n{wrapped(caption, int(inches / _LETTER))}"
    if alone:
        axes[0].set_xlabel(title, fontsize=MEDIUM)
    else:
        axes[0].figure.supxlabel(title, fontsize=MEDIUM)
    rates = [rate for rows in shown for rate in rows["fdr"]]
    marks = {
        Mark(f"FDR ≤ {max_fdr:g}", BLUE, BLUE): any(rate <= max_fdr for rate in rates),
        Mark(f"FDR > {max_fdr:g}", "none", BLUE): any(rate > max_fdr for rate in rates),
        Mark("not tested", GREY, GREY): any(math.isnan(rate) for rate in rates),
    }
    name_marks(axes, [mark for mark, occurs in marks.items() if occurs], alone=alone)
