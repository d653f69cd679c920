"""Reliability diagrams: accuracy against confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from tgem._core import keys
from tgem._core.validate import chosen_classes
from tgem.pl._figure import (
    BLUE,
    GREY,
    LIGHT_GREY,
    MEDIUM,
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

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_ALL = "(all)"
_N_COLUMNS = 4
_TALLEST_BAR = 0.25  # of the panel


def calibration(
    adata: AnnData,
    *,
    classes: Sequence[str] | str | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes | list[Axes] | None:
    """Draw how often the model is right against how sure it is.

    On the diagonal confidence means what it says; below it the model is too sure of itself, above
    it not sure enough. Lines through the dots are 95 % intervals: a bin of few cells may lie off
    the diagonal by chance. The grey bars are the shares of the cells in each bin.

    Parameters
    ----------
    adata
        Data with the table that :func:`tgem.tl.calibration` wrote.
    classes
        Predicted labels to draw, a panel each; ``None`` for one panel of all cells together.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw one panel into; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, a list of them if there are several panels, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there is no such table in `adata`.
    ValueError
        For a class without cells, or for several classes with one `ax`.

    Examples
    --------
    A table by hand, where a model's would come from :func:`tgem.tl.calibration`:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_calibration"] = pd.DataFrame(
    ...     {
    ...         "class": "(all)",
    ...         "bin": [6, 9],
    ...         "confidence": [0.65, 0.96],
    ...         "accuracy": [0.6, 0.95],
    ...         "low": [0.39, 0.83],
    ...         "high": [0.78, 0.99],
    ...         "n_cells": [20, 40],
    ...     }
    ... )
    >>> ax = tgem.pl.calibration(adata, show=False)
    >>> ax.get_xlabel()
    'confidence'
    """
    table = keys.CALIBRATION.read(adata, key_added).astype({"class": str})
    params = adata.uns.get(keys.CALIBRATION.params_key(key_added), {})
    known = list(dict.fromkeys(table["class"]))
    names = [_ALL] if classes is None else chosen_classes(classes, known)
    axes = panels(len(names), min(_N_COLUMNS, len(names)), 3.0, 3.1, ax=ax)
    n_bins = int(params.get("n_bins", table["bin"].max() + 1))
    for name, each in zip(names, axes, strict=True):
        _draw(each, table[table["class"] == name], n_bins)
        each.set_title(_title(name, table, params), fontsize=SMALL if name == _ALL else MEDIUM)
    drawn = finish(axes[0], drawn_here=ax is None, show=show, save=save)
    if not drawn:
        return None
    return axes[0] if len(axes) == 1 else axes


def _draw(ax: Axes, table: pd.DataFrame, n_bins: int) -> None:
    share = table["n_cells"].to_numpy() / table["n_cells"].sum()
    middle, width = (table["bin"].to_numpy() + 0.5) / n_bins, 0.9 / n_bins
    ax.bar(middle, share * _TALLEST_BAR / share.max(), width, color=LIGHT_GREY, zorder=0)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    accuracy = table["accuracy"].to_numpy()
    reach = np.abs(table[["low", "high"]].to_numpy().T - accuracy)
    ax.errorbar(
        table["confidence"],
        accuracy,
        yerr=reach,
        color=BLUE,
        marker="o",
        markersize=4,
        linewidth=1.2,
        elinewidth=1.0,
    )
    clean(ax)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_xlabel("confidence", fontsize=MEDIUM)
    ax.set_ylabel("accuracy", fontsize=MEDIUM)


def _title(name: str, table: pd.DataFrame, params: dict[str, Any]) -> str:
    cells = n_cells_text(int(table.loc[table["class"] == name, "n_cells"].sum()))
    if name != _ALL:
        return f"{wrapped(name, 30)}\n{cells}"
    if "expected_calibration_error" not in params:
        return cells
    error = float(params["expected_calibration_error"])
    floor = float(params["expected_calibration_error_floor"])
    return f"{cells}, calibration error {error:.3f}\n(by chance alone {floor:.3f})"
