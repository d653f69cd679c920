"""What a cell's expression adds up to, and whether it was normalised as the training cells were."""

from __future__ import annotations

from typing import Any

import numpy as np

from tgem._core.errors import ExpressionWarning, warn

Array = np.ndarray[Any, Any]

USUAL_TOTALS = (1 / 3, 3.0)  # of cells normalised as the training cells were
FEW_CELLS = 20  # of which the median says little
MOST_CELLS = 1_000  # to look at
LARGEST_LOGARITHM = 50.0


def totals_of(values: Array) -> Array:
    """Sum of ``expm1`` over the genes of each cell."""
    sums: Array = np.expm1(np.minimum(values, LARGEST_LOGARITHM)).sum(axis=1, dtype=np.float64)
    return sums


def is_unusual(relative: Any) -> Any:
    """Whether totals, relative to those of the training cells, come from another normalisation."""
    low, high = USUAL_TOTALS
    return (relative < low) | (relative > high)


def warn_of_totals(relative: float, cells: str) -> None:
    """Say that cells were normalised otherwise than the training cells."""
    msg = (
        f"The expression of {cells} adds up to {relative:.2g} times what it does in the training "
        "cells, over the same genes. Normalise to the same total, such as "
        "`sc.pp.normalize_total(adata, target_sum=1e4)`, over all genes that were measured, and "
        "take logarithms once."
    )
    warn(msg, ExpressionWarning)


def check_totals(values: Array, in_training: Array) -> None:
    """Warn of cells that were normalised otherwise than the training cells, both as logarithms.

    Parameters
    ----------
    values
        Expression of some cells, ``(n_obs, n_genes)``.
    in_training
        Mean of ``expm1`` of each of these genes over the training cells.
    """
    totals = totals_of(values)
    totals = totals[totals > 0]  # of empty cells another warning speaks
    if len(totals) < FEW_CELLS:
        return
    relative = float(np.median(totals) / max(float(in_training.sum()), 1e-12))
    if is_unusual(relative):
        warn_of_totals(relative, "the cells")


def some_cells(n_obs: int) -> Array:
    """Positions of cells to look at, from everywhere in the data."""
    return np.unique(np.linspace(0, n_obs - 1, min(n_obs, MOST_CELLS)).astype(np.int64))
