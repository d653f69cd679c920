"""CpGs of each gene's window, in the direction of transcription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tgem._tracks import match_chromosomes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tgem._tracks import MethylationSites, Regions

    Array = np.ndarray[Any, Any]


class Cpgs(NamedTuple):
    """CpGs of all genes of one sample, those of a gene one after the other.

    Attributes
    ----------
    gene
        Row of the gene of each CpG, ascending.
    features
        ``(n_cpgs, 3)``: methylation, position from -1 to 1 over the window, coverage.
    left_out
        CpGs of each gene beyond the largest number.
    """

    gene: Array
    features: Array
    left_out: Array


def cpgs_of_genes(
    read: MethylationSites, regions: Regions, table: pd.DataFrame, *, max_cpg: int | None
) -> Cpgs:
    """Collect the CpGs of each window; of too many, those closest to the start stay."""
    names = match_chromosomes(set(regions.chromosomes.tolist()), read.sites)
    on_minus = (table["strand"] == "-").to_numpy()
    tss = table["tss"].to_numpy()
    rows, parts = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    offsets = [np.empty(0, dtype=np.int64)]
    for name, members in regions.on_chromosomes(names):
        position, level, coverage = read.sites[name]
        for strand, sign in ((False, 1), (True, -1)):
            own = members[on_minus[members] == strand]
            # A CpG of both strands is where the gene's own strand has its C.
            shift = int(strand and read.combined)
            first = np.searchsorted(position, regions.starts[own] - shift)
            last = np.searchsorted(position, regions.ends[own] - shift)
            gene = np.repeat(own, last - first)
            picked = np.arange(len(gene)) + np.repeat(
                first - np.concatenate([[0], np.cumsum(last - first)[:-1]]), last - first
            )
            rows.append(gene)
            offsets.append(sign * (position[picked] + shift - tss[gene]))
            parts.append(np.column_stack([level[picked], gene, coverage[picked]]))
    gene, offset, features = (np.concatenate(each) for each in (rows, offsets, parts))
    order = np.lexsort((offset, gene))
    gene, offset, features = gene[order], offset[order], features[order]
    kept = _closest(gene, offset, max_cpg)
    left_out = np.bincount(gene[~kept], minlength=len(table))
    gene, offset, features = gene[kept], offset[kept], features[kept]
    on_plus = np.where(on_minus, tss - regions.ends + 1, regions.starts - tss)  # the window's start
    features[:, 1] = 2 * (offset - on_plus[gene]) / regions.width - 1
    return Cpgs(gene, features, left_out)


def _closest(gene: Array, offset: Array, max_cpg: int | None) -> Array:
    """Which CpGs are among the `max_cpg` of their gene that are closest to the start."""
    if max_cpg is None or gene.size == 0:
        return np.ones(gene.size, dtype=bool)
    order = np.lexsort((np.abs(offset), gene))
    sorted_genes = gene[order]
    rank = np.arange(gene.size) - np.searchsorted(sorted_genes, sorted_genes)
    kept = np.empty(gene.size, dtype=bool)
    kept[order] = rank < max_cpg
    return kept


def padded(samples: Sequence[Cpgs], n_genes: int, n_features: int) -> tuple[Array, Array]:
    """Features ``(n_samples * n_genes, n_slots, n_features)``, padded with NaN, and counts."""
    counts = np.concatenate([np.bincount(each.gene, minlength=n_genes) for each in samples])
    shape = (len(samples) * n_genes, int(counts.max(initial=0)), n_features)
    values = np.full(shape, np.nan, dtype=np.float32)
    for number, each in enumerate(samples):
        slot = np.arange(each.gene.size) - np.searchsorted(each.gene, each.gene)
        values[number * n_genes + each.gene, slot] = each.features[:, :n_features]
    return values, counts
