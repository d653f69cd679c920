"""Levels: expression standardised by the training cells, and how it is read and limited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

# A gene that is on in a few cells only has a standardised level of 20 and more there.
LARGEST_LEVEL = 10.0
SMALLEST_DEVIATION = 1e-6  # of a gene that varies
BLOCK = 1024  # cells read at a time


def blocks(cells: Array, size: int = BLOCK) -> list[Array]:
    """Cells, a bounded number at a time."""
    return [cells[start : start + size] for start in range(0, len(cells), size)]


def means(
    read: Callable[[Array], Array], cells: Array, *measures: Callable[[Array], Array]
) -> list[Array]:
    """Mean over the cells of each measure of their values, gene by gene, in double precision.

    Parameters
    ----------
    read
        Gives expression ``(n_obs, n_genes)`` of cells at some positions.
    cells
        Positions, at least one.
    measures
        Functions of values, element by element.
    """
    totals: list[Any] = [0.0] * len(measures)
    for block in blocks(cells):
        values = read(block).astype(np.float64)
        totals = [
            total + measure(values).sum(axis=0)
            for total, measure in zip(totals, measures, strict=True)
        ]
    return [total / len(cells) for total in totals]


def deviation_of(mean: Array, mean_square: Array) -> Array:
    """Standard deviation of each gene; 0 for one that does not vary."""
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return np.where(deviation > SMALLEST_DEVIATION, deviation, 0.0)
