"""Whether isoforms are of the genes that they are said to be, in the same unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tgem._core.errors import ExpressionWarning, warn

if TYPE_CHECKING:
    from tgem.data._field import RowReader
    from tgem.data._matrix import Array

BLOCK = 256
EXPRESSED = 1.0  # TPM of a gene, by either table
MARGIN = 1.1
LARGEST_SHARE = 0.05


def warn_of_totals(
    isoforms: RowReader, genes: RowReader, gene_of_isoform: Array, *, n_obs: int, location: str
) -> None:
    """Say so where the isoforms of many genes sum to more than the gene.

    They may sum to less, where some were filtered out. More is another unit, or another gene's.

    Parameters
    ----------
    isoforms, genes
        Rows of both tables, TPM.
    gene_of_isoform
        Column of its gene for each isoform.
    n_obs
        Number of samples.
    location
        Of the isoforms, for the message.
    """
    hosts, position = np.unique(gene_of_isoform, return_inverse=True)
    entries = (np.ones(len(position)), (np.arange(len(position)), position))
    membership = sparse.csr_matrix(entries, shape=(len(position), len(hosts)))
    n_expressed = n_above = 0
    for start in range(0, n_obs, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_obs))
        of_gene = genes(rows)[:, hosts]
        total = np.nan_to_num(isoforms(rows)) @ membership
        n_expressed += int((np.maximum(total, of_gene) >= EXPRESSED).sum())
        n_above += int(((total > MARGIN * of_gene) & (total >= EXPRESSED)).sum())
    if n_above > LARGEST_SHARE * n_expressed:
        msg = (
            f"The isoforms in {location} sum to more than their gene's TPM for "
            f"{n_above / n_expressed:.0%} of the expressed genes: predictions of usage will be "
            "wrong. Are both tables in TPM of the same samples in the same order, and is the gene "
            "of each isoform the right one?"
        )
        warn(msg, ExpressionWarning)
