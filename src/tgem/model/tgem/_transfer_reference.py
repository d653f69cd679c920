"""What is kept of the training cells, to bring cells of another data set beside them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]

LARGEST_LEVEL = 10.0
SMALLEST_DEVIATION = 1e-6
BLOCK = 1024  # cells read at a time


@dataclass(frozen=True)
class TransferReference:
    """Genes and classes of the training cells, in the order of the model.

    Attributes
    ----------
    gene_mean, gene_scale
        Mean and standard deviation of each gene's expression; the deviation is 1 for a gene that
        never varies.
    gene_detected
        Share of the cells that express the gene.
    gene_total
        Mean of the gene's values before the logarithm, ``expm1``.
    class_levels
        Mean standardised expression of each class, ``(n_classes, n_genes)``.
    class_shares
        Share of each class among the cells; 0 for one that was not trained on.
    """

    gene_mean: Array
    gene_scale: Array
    gene_detected: Array
    gene_total: Array
    class_levels: Array
    class_shares: Array

    def levels(self, expression: Array) -> Array:
        """Standardised expression between -10 and 10, as the default network reads it."""
        standardized = (expression - self.gene_mean) / self.gene_scale
        return np.clip(standardized, -LARGEST_LEVEL, LARGEST_LEVEL)

    def of_genes(self, found: Array) -> TransferReference:
        """The same of some genes."""
        return replace(
            self,
            **{
                field.name: getattr(self, field.name)[..., found]
                for field in fields(self)
                if field.name != "class_shares"
            },
        )

    def arrays(self) -> dict[str, Array]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def describe_training_cells(
    read: Callable[[Array], Array], cells: Array, codes: Array, *, n_classes: int
) -> TransferReference:
    """Read the training cells twice: for the genes' means and deviations, then for the classes.

    Parameters
    ----------
    read
        Gives expression ``(n_obs, n_genes)`` of cells at some positions.
    cells, codes
        Positions of the training cells, and their classes.
    n_classes
        Number of classes, with and without cells.
    """
    sums: list[Array] = [np.zeros(0)] * 4
    for block in blocks(cells):
        values = read(block).astype(np.float64)
        totals = np.expm1(np.minimum(values, 50.0))
        parts = (values, values**2, values > 0, totals)
        sums = [
            part.sum(axis=0) + (before if before.size else 0)
            for part, before in zip(parts, sums, strict=True)
        ]
    mean, squares, detected, total = (each / len(cells) for each in sums)
    deviation = np.sqrt(np.maximum(squares - mean**2, 0))
    scale = np.where(deviation > SMALLEST_DEVIATION, deviation, 1.0)
    counts = np.bincount(codes, minlength=n_classes)
    reference = TransferReference(
        gene_mean=mean.astype(np.float32),
        gene_scale=scale.astype(np.float32),
        gene_detected=detected.astype(np.float32),
        gene_total=total.astype(np.float32),
        class_levels=np.zeros((n_classes, len(mean)), dtype=np.float32),
        class_shares=(counts / len(codes)).astype(np.float32),
    )
    of_cell = dict(zip(cells.tolist(), codes.tolist(), strict=True))
    levels = np.zeros((n_classes, len(mean)))
    for block in blocks(cells):
        classes = np.array([of_cell[cell] for cell in block.tolist()])
        np.add.at(levels, classes, reference.levels(read(block)))
    levels /= np.maximum(counts, 1)[:, None]
    return TransferReference(**(reference.arrays() | {"class_levels": levels.astype(np.float32)}))


def blocks(cells: Array) -> list[Array]:
    """Cells, a bounded number at a time."""
    return [cells[start : start + BLOCK] for start in range(0, len(cells), BLOCK)]
