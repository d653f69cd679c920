"""What is kept of the training cells, to bring cells of another data set beside them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tgem.model.tgem._levels import LARGEST_LEVEL, blocks, deviation_of, means

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]

LARGEST_LOGARITHM = 50.0  # whose exponential is taken


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
    mean, mean_square, detected, total = means(
        read, cells, np.positive, np.square, _is_on, _before_logarithm
    )
    deviation = deviation_of(mean, mean_square)
    scale = np.where(deviation > 0, deviation, 1.0)
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


def _is_on(values: Array) -> Array:
    return values > 0


def _before_logarithm(values: Array) -> Array:
    return np.expm1(np.minimum(values, LARGEST_LOGARITHM))
