"""What deleting or inserting the deciding genes does to the accuracy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.tables import rows_by_class
from tgem._core.validate import check_choice
from tgem.pl._figure import (
    BLUE,
    GREY,
    MEDIUM,
    ORANGE,
    SMALL,
    clean,
    finish,
    n_cells_text,
    panels,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_STYLES = {
    "largest": ("largest attribution first", BLUE, "-"),
    "random": ("random order", GREY, "--"),
    "smallest": ("smallest attribution first", ORANGE, "-"),
}
_VERBS = {"deletion": "deleted", "insertion": "inserted"}
_TITLE_WIDTH = 26  # characters
_MOST_COLUMNS = 6

Mode = Literal["deletion", "insertion"]


def ablation(
    adata: AnnData,
    *,
    mode: Mode | None = None,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw the accuracy against the share of genes that were deleted or inserted.

    If the attributions name the genes that decide, deleting those with the largest ones costs
    more accuracy than deleting random genes, and inserting them gives more back. The shaded area
    between the two curves measures it; its mean height, a difference in accuracy, is in the title
    where it was stored.

    Parameters
    ----------
    adata
        Data with the curves that :func:`tgem.tl.ablation` wrote.
    mode
        ``"deletion"`` or ``"insertion"``. By default one panel for each that was computed, or
        deletion where `classes` are named.
    classes
        Classes to draw, one panel each in this order. By default the curves of all cells
        together, which are also named ``"all"`` unless a class is.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into, for one panel only; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each panel, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there are no curves in `adata`.
    ValueError
        For an unknown class, a mode that was not computed, or `ax` with several panels.

    Examples
    --------
    Curves by hand, where a model's would come from :func:`tgem.tl.ablation`:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_ablation"] = pd.DataFrame(
    ...     {
    ...         "class": "all",
    ...         "mode": "deletion",
    ...         "order": ["largest", "largest", "random", "random"],
    ...         "fraction": [0.0, 0.05, 0.0, 0.05],
    ...         "accuracy": [0.9, 0.4, 0.9, 0.88],
    ...         "n_cells": 50,
    ...     }
    ... )
    >>> (ax,) = tgem.pl.ablation(adata, show=False)
    >>> ax.get_xlabel()
    'genes deleted (%)'
    """
    table: pd.DataFrame = keys.ABLATION.read(adata, key_added)
    params: dict[str, Any] = adata.uns.get(keys.ABLATION.params_key(key_added), {})
    table = table.assign(**{name: table[name].astype(str) for name in ("class", "mode", "order")})
    computed = [name for name in _VERBS if name in set(table["mode"])]
    if mode is not None:
        check_choice("mode", mode, computed)
        modes = [str(mode)]
    else:
        modes = computed if classes is None else computed[:1]
    chosen = rows_by_class(table, classes)
    shown = [(label, rows, name) for name in modes for label, rows in chosen]
    n_columns = min(len(shown), max(3, min(_MOST_COLUMNS, math.ceil(math.sqrt(len(shown))))))
    size = (3.2, 2.9) if len(shown) < 4 else (2.2, 2.2)
    axes = panels(len(shown), n_columns, *size, ax=ax, choose_with="`mode` and `classes`")
    for panel, (label, of_class, name) in zip(axes, shown, strict=True):
        rows = of_class[of_class["mode"] == name]
        _curves(panel, rows)
        panel.set_xlabel(f"genes {_VERBS[name]} (%)", fontsize=MEDIUM)
        area = params.get(f"area_{name}") if label is None else None
        panel.set_title(_title(label, name, rows, area), fontsize=MEDIUM)
    for panel in axes[::n_columns]:
        panel.set_ylabel("accuracy", fontsize=MEDIUM)
    _legend(axes[0], own_figure=ax is None)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _curves(ax: Axes, rows: pd.DataFrame) -> None:
    """One line an order, and the area between the largest and the random one."""
    curves = {
        order: rows[rows["order"] == order].groupby("fraction")["accuracy"].mean().dropna()
        for order in _STYLES
    }
    for order, (label, colour, style) in _STYLES.items():
        curve = curves[order]
        if len(curve):
            x = 100 * curve.index.to_numpy(dtype=float)
            marker = "o" if len(curve) <= 12 else None
            ax.plot(x, curve, style, color=colour, label=label, marker=marker, markersize=3, lw=1.4)
    largest, random = curves["largest"], curves["random"]
    common = np.intersect1d(largest.index, random.index)
    if len(common) > 1:
        ax.fill_between(
            100 * common, largest[common], random[common], color=BLUE, alpha=0.15, linewidth=0
        )
    clean(ax)
    ax.set_ylim(0, 1.03)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _title(label: str | None, mode: str, rows: pd.DataFrame, area: float | None) -> str:
    cells = n_cells_text(int(rows["n_cells"].max()) if len(rows) else 0)
    if label is not None:
        return f"{wrapped(label, _TITLE_WIDTH)}\n{cells}"
    if area is None or not np.isfinite(area):
        return f"{mode}, {cells}"
    return f"{mode}, {cells}\nshaded: mean height {float(area):.3g}"


def _legend(ax: Axes, *, own_figure: bool) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if own_figure:
        # Outside of the panels, whose curves may run anywhere.
        ax.figure.legend(
            handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=SMALL
        )
    else:
        ax.legend(frameon=False, fontsize=SMALL)
