"""Differences of regulation between two groups of samples, against permuted groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem.net import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData

    from tgem.model import DeepSF
    from tgem.tl._label_permutations import Contrasts

Array = np.ndarray[Any, Any]

_ENTRIES = 10_000_000  # samples x factors x isoforms that are held at once
_PERMUTATIONS_AT_ONCE = 16
_TOLERANCE = 1e-5  # of float32 sums, relative


def regulation_differences(
    model: DeepSF, mdata: MuData, cells: Array, contrasts: Contrasts
) -> pd.DataFrame:
    """Difference, p-value and false discovery rate of every factor and gene."""
    tables = []
    for isoforms, genes in _parts(model, mdata, len(cells)):
        scores = model.get_attributions(list(isoforms), mdata, cells)
        starts = np.flatnonzero(np.r_[True, genes[1:] != genes[:-1]])
        sizes = np.diff(np.r_[starts, len(genes)])
        difference = np.tensordot(contrasts.observed, scores, axes=1)
        observed = np.add.reduceat(difference**2, starts, axis=1)
        least = observed * (1 - _TOLERANCE)
        reached = np.zeros(observed.shape, dtype=np.int64)
        for first in range(0, len(contrasts.permuted), _PERMUTATIONS_AT_ONCE):
            weights = contrasts.permuted[first : first + _PERMUTATIONS_AT_ONCE]
            permuted = np.tensordot(weights.astype(scores.dtype), scores, axes=1)
            null = np.add.reduceat(permuted**2, starts, axis=2)
            reached += (null >= least).sum(axis=0)
        largest = _largest(difference, starts, sizes)
        shape = observed.shape
        tables.append(
            pd.DataFrame(
                {
                    "source": np.repeat(np.asarray(model.factor_names, dtype=object), shape[1]),
                    "gene": np.tile(genes[starts], shape[0]),
                    "difference": np.sqrt(observed / sizes).ravel(),
                    "isoform": np.asarray(isoforms, dtype=object)[largest].ravel(),
                    "isoform_difference": np.take_along_axis(difference, largest, axis=1).ravel(),
                    "p_value": contrasts.p_values(reached).ravel(),
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    return table.assign(fdr=benjamini_hochberg(table["p_value"].to_numpy()))


def _parts(model: DeepSF, mdata: MuData, n_samples: int) -> Iterator[tuple[pd.Index, Array]]:
    """Isoforms and their genes, all of a gene together, as many as are held at once."""
    known = dict(zip(model.gene_names, model.positions(mdata, "gene") >= 0, strict=True))
    genes = np.asarray(model.isoform_genes, dtype=object)
    order = np.argsort(pd.factorize(genes)[0], kind="stable")
    order = order[[genes[at] is not None and known[genes[at]] for at in order]]
    width = max(_ENTRIES // (n_samples * len(model.factor_names)), 1)
    first = 0
    while first < len(order):
        last = min(first + width, len(order))
        while last < len(order) and genes[order[last]] == genes[order[last - 1]]:
            last += 1
        part = order[first:last]
        yield model.isoform_names[part], genes[part]
        first = last


def _largest(difference: Array, starts: Array, sizes: Array) -> Array:
    """Position of the isoform of each gene that differs most, ``(n_factors, n_genes)``."""
    size = np.abs(difference)
    best = np.repeat(np.maximum.reduceat(size, starts, axis=1), sizes, axis=1)
    positions = np.where(size >= best, np.arange(size.shape[1]), size.shape[1])
    found: Array = np.minimum.reduceat(positions, starts, axis=1)
    return found
