"""Which cells are to be labelled beside the training cells, and what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data import codes_of
from tgem.model.tgem._levels import BLOCK
from tgem.model.tgem._transfer_alignment import NewCells

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

Array = np.ndarray[Any, Any]

MOST_CELLS = 2_000  # of a batch, to find its shift with


class GivenCells(NamedTuple):
    """Batch and given label of each cell (-1 for none), and the names of the batches."""

    batches: Array
    labels: Array
    names: pd.Index


def batches_of(adata: AnnData, batch_key: str | None) -> tuple[Array, pd.Index]:
    """Batch of each cell, and the names of the batches."""
    if batch_key is None:
        return np.zeros(adata.n_obs, dtype=np.int64), pd.Index(["all"], name="batch")
    check_key(adata, "obs", batch_key)
    column = adata.obs[batch_key]
    if n_missing := int(column.isna().sum()):
        msg = (
            f"Expected a batch for every cell in adata.obs[{batch_key!r}], found {n_missing} of "
            f"{adata.n_obs} missing. Name it, or leave these cells out."
        )
        raise ValueError(msg)
    codes, names = pd.factorize(column.astype(str), sort=False)
    return codes.astype(np.int64), pd.Index(names, name="batch")


def labels_among(
    adata: AnnData, labels_key: str | None, *, classes: list[str], unlabeled_category: str | None
) -> Array:
    """Class of each labelled cell, -1 for the others; warns of labels that are no class."""
    if labels_key is None:
        return np.full(adata.n_obs, -1)
    check_key(adata, "obs", labels_key)
    column = adata.obs[labels_key]
    codes = codes_of(column, classes)
    others = column[(codes < 0) & column.notna().to_numpy()]
    others = others[others.astype(object) != unlabeled_category]
    if (codes < 0).all():
        msg = (
            f"Expected labels of the model in adata.obs[{labels_key!r}] "
            f"({listed(classes)}), found {listed(others.unique()) or 'none'}."
        )
        raise ValueError(msg)
    if len(others):
        msg = (
            f"{len(others)} cells have labels in adata.obs[{labels_key!r}] that the model does "
            f"not know and count as not labelled: {listed(others.unique())}."
        )
        warn(msg, TrainingWarning)
    return codes


def drawn_cells(cells: GivenCells) -> Array:
    """Some cells of every batch, and all that have labels; always the same."""
    batches, labels = cells.batches, cells.labels
    order = np.random.default_rng(0).permutation(len(batches))
    rank = pd.Series(batches[order]).groupby(batches[order]).cumcount().to_numpy()
    return np.union1d(order[rank < MOST_CELLS], np.flatnonzero(labels >= 0))


def summarize_cells(
    read: Callable[[Array], Array], cells: Array, given: GivenCells, *, n_classes: int
) -> NewCells:
    """Mean and variance of the levels of each batch, and sums over its labelled cells.

    Parameters
    ----------
    read
        Gives the levels of cells at some positions, ``(n_obs, n_genes)``.
    cells
        Positions of the cells to summarise.
    given
        Batches and labels of all cells.
    n_classes
        Number of classes.
    """
    batches, labels = given.batches[cells], given.labels[cells]
    n_batches, n_genes = len(given.names), read(cells[:1]).shape[1]
    sums, squares = np.zeros((n_batches, n_genes)), np.zeros((n_batches, n_genes))
    labelled = np.zeros((n_batches if (labels >= 0).any() else 0, n_classes, n_genes))
    for start in range(0, len(cells), BLOCK):
        part = slice(start, start + BLOCK)
        levels = read(cells[part]).astype(np.float64)
        np.add.at(sums, batches[part], levels)
        np.add.at(squares, batches[part], levels**2)
        known = labels[part] >= 0
        if known.any():
            np.add.at(labelled, (batches[part][known], labels[part][known]), levels[known])
    sizes = np.maximum(np.bincount(batches, minlength=n_batches), 1)[:, None]
    mean = sums / sizes
    variance = np.maximum(squares / sizes - mean**2, 0)
    return NewCells(batches, labels, mean, variance, labelled)


def weighted_sums(
    read: Callable[[Array], Array], cells: Array, batches: Array, weights: Array
) -> Array:
    """Sum of the levels of each batch's cells, each with a weight, ``(n_batches, n_genes)``.

    Parameters
    ----------
    read
        Gives the levels of cells at some positions, ``(n_obs, n_genes)``.
    cells
        Positions of the cells, some of every batch.
    batches, weights
        Of these cells.
    """
    sums = np.zeros((int(batches.max()) + 1, read(cells[:1]).shape[1]))
    for start in range(0, len(cells), BLOCK):
        part = slice(start, start + BLOCK)
        levels = weights[part, None] * read(cells[part]).astype(np.float64)
        np.add.at(sums, batches[part], levels)
    return sums
