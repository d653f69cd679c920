"""Enriched gene sets of each class as a dot plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from mudata import MuData

from tgem._core import keys
from tgem._core.networks import enrichment_prefix
from tgem._core.validate import check_count, chosen_classes
from tgem.pl._figure import (
    BLUES,
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

_TERM_WIDTH = 44  # characters
_TITLE_WIDTH = 20
_LARGEST = 110.0  # points squared, for a set that is wholly among the top genes
_ADJUSTED = "Adjusted P-value"
_NOTHING = {False: "no set shares a gene with the top genes", True: "no set could be tested"}
#: The columns that prerank has for those of over-representation.
_PRERANK = {"Tag %": "Overlap", "NOM p-val": "P-value", "FDR q-val": _ADJUSTED}


def enrich(
    adata: AnnData | MuData,
    *,
    n_terms: int = 3,
    classes: Sequence[str] | None = None,
    max_adjusted_p_value: float = 0.05,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes | None:
    """Draw which gene sets the deciding genes of each class belong to.

    A dot's area is the share of the set that is among the class's top genes, its colour the
    evidence, and a black rim marks what is significant. The rows are the best significant sets
    of each class, and every class's dots are drawn in them. If nothing is significant, the best
    sets are drawn all the same and the title says so.

    For a table by ``method="prerank"``, the area is the share of the set that makes its score,
    and the colour the normalised enrichment score: blue for sets that spoke for the class,
    vermilion for those against it.

    Parameters
    ----------
    adata
        AnnData or MuData with the table that :func:`tgem.tl.enrich` or
        :func:`tgem.tl.enrich_targets` wrote.
    n_terms
        Number of sets that each class puts into the plot, by adjusted p-value.
    classes
        Classes to draw, in this order; all by default. Of targets, the factors.
    max_adjusted_p_value
        Largest adjusted p-value, by prerank false discovery rate, that counts as significant.
    key_added
        Prefix of the slot; by default that of the table that is there.
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
        For an unknown class, `n_terms` below 1, a p-value outside 0 to 1, or several tables where
        `key_added` names none.

    Examples
    --------
    Attributions by hand, where a model's would come from :func:`tgem.tl.attribution`:

    >>> import numpy as np, pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = adata.var_names
    >>> adata.varm["tgem_attribution"] = pd.DataFrame(
    ...     {"B cell": np.arange(60.0), "T cell": np.arange(60.0)[::-1]}, index=genes
    ... )
    >>> sets = {"late": list(genes[-8:]), "early": list(genes[:8])}
    >>> tgem.tl.enrich(adata, sets, n_genes=10)
    >>> ax = tgem.pl.enrich(adata, show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['late', 'early']
    """
    check_count("n_terms", n_terms)
    if not 0 < max_adjusted_p_value <= 1:
        msg = f"Expected `max_adjusted_p_value` in (0, 1], got {max_adjusted_p_value!r}."
        raise ValueError(msg)
    table, known = _read(adata, key_added)
    chosen = chosen_classes(classes, known)
    table = table[table["class"].isin(chosen)]
    table = table.assign(significant=table[_ADJUSTED] <= max_adjusted_p_value)
    significant = table[table["significant"]]
    terms = _best_terms(table if significant.empty else significant, chosen, n_terms)
    longest = max((len(line) for term in terms for line in term.split("\n")), default=0)
    axes = single(
        ax,
        max(0.28 * len(chosen), 0.8) + 0.075 * min(longest, _TERM_WIDTH) + 1.7,
        # beside the dots the colour bar and the legend need two inches
        max(0.24 * len(terms), 2.2) + 0.075 * max(map(len, chosen), default=0) + 0.6,
    )
    shown = table[table["Term"].isin(terms)]
    if len(shown):
        dots = _draw(axes, shown, terms, chosen)
        _add_keys(axes, dots, max_adjusted_p_value, by_score="NES" in shown)
    else:
        axes.set_axis_off()
    if significant.empty:
        note = "nothing significant" if len(table) else _NOTHING["NES" in table]
        axes.set_title(wrapped(note, _TITLE_WIDTH), fontsize=MEDIUM, color=GREY)
    return axes if finish(axes, drawn_here=ax is None, show=show, save=save) else None


def _read(adata: AnnData | MuData, key_added: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with numbers to draw, and the tested classes in their order."""
    prefix = enrichment_prefix(adata, key_added)
    if isinstance(adata, MuData) and keys.ENRICHMENT.key(prefix) not in adata.uns:
        which = "" if key_added is None else f" as {keys.ENRICHMENT.key(prefix)!r}"
        msg = (
            f"Expected a table of gene sets in mdata.uns{which}, found none. Write it with "
            "`tgem.tl.enrich_targets(mdata, gene_sets)` first."
        )
        raise KeyError(msg)
    table: pd.DataFrame = keys.ENRICHMENT.read(adata, prefix)
    if "NES" in table:
        table = table.rename(columns=_PRERANK)
    params = adata.uns.get(keys.ENRICHMENT.params_key(prefix), {})
    known = [str(label) for label in params.get("classes", table["class"].unique())]
    counts = [str(overlap).split("/") for overlap in table["Overlap"]]
    return table.assign(
        fraction=[int(shared) / int(size) for shared, size in counts],
        **{"class": table["class"].astype(str), "Term": table["Term"].astype(str)},
    ), known


def _best_terms(table: pd.DataFrame, classes: list[str], n_terms: int) -> list[str]:
    """Best terms of the first class, then those that the next one adds."""
    terms: dict[str, None] = {}
    for label in classes:
        best = table[table["class"] == label].sort_values([_ADJUSTED, "P-value"], kind="stable")
        terms.update(dict.fromkeys(best["Term"].head(n_terms)))
    return list(terms)


def _draw(ax: Axes, table: pd.DataFrame, terms: list[str], classes: list[str]) -> PathCollection:
    adjusted = table[_ADJUSTED].to_numpy(dtype=float)
    if "NES" in table:
        colours, palette = table["NES"].to_numpy(dtype=float), DIVERGING
        top = max(float(np.abs(colours[np.isfinite(colours)]).max(initial=0)), 1.0)
        low = -top
    else:
        # A p-value of 0 is one below the smallest float.
        colours, palette = -np.log10(np.maximum(adjusted, np.finfo(float).tiny)), BLUES
        low, top = 0.0, max(float(colours.max()), 2.0)
    dots = ax.scatter(
        table["class"].map({label: i for i, label in enumerate(classes)}),
        table["Term"].map({term: i for i, term in enumerate(terms)}),
        s=_LARGEST * table["fraction"],
        c=colours,
        cmap=palette,
        vmin=low,
        vmax=top,
        edgecolors=["black" if is_so else "#BBBBBB" for is_so in table["significant"]],
        linewidths=[0.9 if is_so else 0.5 for is_so in table["significant"]],
        zorder=2,
    )
    ax.set_xticks(range(len(classes)), list(map(literal, classes)), rotation=90)
    ax.set_yticks(range(len(terms)), [wrapped(term, _TERM_WIDTH) for term in terms])
    ax.set_xlim(-0.6, len(classes) - 0.4)
    ax.set_ylim(len(terms) - 0.4, -0.6)
    clean(ax)
    ax.tick_params(length=0)
    ax.grid(color=LIGHT_GREY, linewidth=0.5, zorder=0)
    ax.set_axisbelow(True)
    return dots


def _add_keys(ax: Axes, dots: PathCollection, threshold: float, *, by_score: bool) -> None:
    """Colour bar beside the plot, and above it the legend of the areas and rims."""
    bar = ax.figure.colorbar(dots, ax=ax, shrink=0.5, aspect=11, anchor=(0.0, 0.0), pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL)
    bar.locator = MaxNLocator(nbins=4)
    label, rim = "$-\\log_{10}$ adjusted p", "adjusted p"
    if by_score:
        label, rim = "normalised score", "false discovery rate"
    bar.set_label(label, fontsize=SMALL)
    handles = [_dot(f"{share:.0%}", share, GREY) for share in (0.1, 0.5, 1.0)]
    handles.append(_dot(f"{rim} ≤ {threshold:g}", 0.5, "black", width=0.9))
    # On the bar's axes, so that the layout makes room for both in one column.
    bar.ax.legend(
        handles=handles,
        title="share of the set",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.15),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        alignment="left",
        borderaxespad=0,
        borderpad=0,
    )


def _dot(label: str, share: float, rim: str, width: float = 0.5) -> Line2D:
    size = float(np.sqrt(_LARGEST * share))
    return Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        markersize=size,
        label=label,
        markerfacecolor="white",
        markeredgecolor=rim,
        markeredgewidth=width,
    )
