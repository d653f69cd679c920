"""Genes of which something was measured; the others get no result, but NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

Array = np.ndarray[Any, Any]


class MeasuredGenes(NamedTuple):
    """Inputs of the genes that were measured, and where these are among those asked for.

    Attributes
    ----------
    batches
        Inputs of the network, of the measured genes alone.
    measured
        Whether each gene asked for was measured in some modality.
    """

    batches: Iterator[tuple[Tensor, ...]]
    measured: Array

    def spread(self, values: Array) -> Array:
        """Values of all genes asked for, NaN for those that were not measured."""
        return spread(values, self.measured)


def spread(values: Array, measured: Array) -> Array:
    """Put the values of the measured genes in their places, and NaN in the others."""
    if measured.all():
        return values
    spread_out = np.full((len(measured), *values.shape[1:]), np.nan, dtype=values.dtype)
    spread_out[measured] = values
    return spread_out
