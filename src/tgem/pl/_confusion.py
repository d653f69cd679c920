"""Predicted against given labels as a heatmap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from tgem._core import keys
from tgem._core.validate import chosen_classes
from tgem.pl._figure import BLUES, MEDIUM, SMALL, finish, left_out_text, literal, single

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_MOST_CLASSES_WITH_COUNTS = 15


def confusion(
    adata: AnnData,
    *,
    normalize: bool = True,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes | None:
    """Draw which label the cells of each label were given.

    A row holds the cells of one true label, so a dark diagonal means that the model agrees
    with the labels. With up to 15 labels, each field says its number of cells (none where
    there are none).

    Parameters
    ----------
    adata
        Data with the counts that :func:`tgem.tl.confusion` wrote.
    normalize
        Colour by the fraction of the row, so that rare labels show as well as common ones;
        otherwise by the number of cells. A row without cells is grey.
    classes
        Labels to draw, in this order. By default all that a cell has or was given; how many are
        left out is said below. Fractions are always of all cells of the row's label.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
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
        If there are no counts in `adata`.
    ValueError
        For an unknown label.

    Examples
    --------
    Counts by hand, where a model's would come from :func:`tgem.tl.confusion`:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_confusion"] = pd.DataFrame(
    ...     {
    ...         "true": ["B cell", "B cell", "T cell", "T cell"],
    ...         "predicted": ["B cell", "T cell", "B cell", "T cell"],
    ...         "n_cells": [18, 2, 0, 30],
    ...     }
    ... )
    >>> ax = tgem.pl.confusion(adata, show=False)
    >>> [text.get_text() for text in ax.texts]
    ['18', '2', '30']
    """
    every = _square(keys.CONFUSION.read(adata, key_added))
    chosen = _chosen(every, classes)
    counts = every.loc[chosen, chosen]
    n_classes = len(counts)
    totals = every.sum(axis=1)[chosen].to_numpy(dtype=float)[:, None]
    values = counts.to_numpy(dtype=float)
    if normalize:
        values = np.divide(values, totals, out=np.full_like(values, np.nan), where=totals > 0)
    numbered = n_classes <= _MOST_CLASSES_WITH_COUNTS
    side = max(n_classes * (0.48 if numbered else 0.23), 1.6)
    margin = 0.075 * max(len(label) for label in counts.index)
    axes = single(ax, side + margin + 1.5, side + margin + 0.8)
    top = 1.0 if normalize else max(values.max(), 1.0)
    image = axes.imshow(values, cmap=BLUES, vmin=0, vmax=top, aspect="equal")
    if numbered:
        _write_counts(axes, counts.to_numpy(), values / top)
    _label(axes, [literal(label) for label in counts.index])
    if classes is None and n_classes < len(every):
        note = left_out_text(len(every) - n_classes)
        axes.set_xlabel(f"predicted\n({note})", fontsize=MEDIUM)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, aspect=20, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL)
    if normalize:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    bar.set_label("share of true label" if normalize else "cells", fontsize=MEDIUM)
    return axes if finish(axes, drawn_here=ax is None, show=show, save=save) else None


def _square(table: pd.DataFrame) -> pd.DataFrame:
    """Counts, true x predicted labels, with the labels in the table's order on both sides."""
    table = table.astype({"true": str, "predicted": str})
    labels = list(dict.fromkeys([*table["true"], *table["predicted"]]))
    square = table.pivot_table(
        index="true", columns="predicted", values="n_cells", aggfunc="sum", fill_value=0
    )
    return square.reindex(index=labels, columns=labels, fill_value=0)


def _chosen(counts: pd.DataFrame, classes: Sequence[str] | None) -> list[str]:
    """Labels asked for, or those that a cell has or was given."""
    known = chosen_classes(classes, list(counts.index))
    if classes is not None:
        return known
    occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return [label for label in known if occurs[label]] or known


def _write_counts(ax: Axes, counts: np.ndarray, shade: np.ndarray) -> None:
    """Number of cells in each field that has any, readable on its colour."""
    for row, column in np.argwhere(counts > 0):
        number = f"{counts[row, column]:.0f}"
        ax.text(
            column,
            row,
            number,
            ha="center",
            va="center",
            fontsize=SMALL if len(number) <= 4 else SMALL - 1,
            color="white" if shade[row, column] > 0.5 else "black",
        )


def _label(ax: Axes, labels: list[str]) -> None:
    positions = np.arange(len(labels))
    ax.set_xticks(positions, labels, rotation=90, fontsize=SMALL)
    ax.set_yticks(positions, labels, fontsize=SMALL)
    ax.set_xlabel("predicted", fontsize=MEDIUM)
    ax.set_ylabel("true", fontsize=MEDIUM)
    ax.tick_params(length=0)
    ax.spines[:].set_color("#BBBBBB")
    # Hairlines between the fields lead the eye from a label to its field.
    ax.set_xticks(positions[1:] - 0.5, minor=True)
    ax.set_yticks(positions[1:] - 0.5, minor=True)
    ax.grid(which="minor", color="#EEEEEE", linewidth=0.5)
    ax.tick_params(which="minor", length=0)
