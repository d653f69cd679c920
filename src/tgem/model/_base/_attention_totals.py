"""Entropy of attention and attention received, added up over cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch

if TYPE_CHECKING:
    from torch import Tensor


class AttentionSummary(NamedTuple):
    """Entropy of attention and attention received.

    Attributes
    ----------
    cells
        DataFrame, cells x (layer, head): mean entropy over the genes that attend with a query
        other than 0.
    genes
        DataFrame, genes x (layer, head): mean entropy over the cells in which the gene's query is
        not 0; missing where it always is.
    received
        For each layer, a DataFrame, genes x groups: attention that a gene receives from all
        others, mean over heads and over the cells of the group. An average gene receives nearly
        1.
    n_cells
        Cells of each group.
    """

    cells: pd.DataFrame
    genes: pd.DataFrame
    received: list[pd.DataFrame]
    n_cells: pd.Series[Any]


class LayerAttention(NamedTuple):
    """Of some cells in one layer, ``(n_obs, n_heads, n_genes)``.

    Attributes
    ----------
    entropy
        As a share of the largest possible; missing where the query is 0.
    received
        Sums of the maps' columns.
    """

    entropy: Tensor
    received: Tensor


class AttentionTotals:
    """Sums over cells, and what they say in the end."""

    def __init__(self, n_genes: int, n_groups: int) -> None:
        self.n_obs = 0
        self._shape = (n_groups, n_genes)
        self._of_cells: list[np.ndarray[Any, Any]] = []
        self._sums: list[np.ndarray[Any, Any]] = []
        self._counts: list[np.ndarray[Any, Any]] = []
        self._received: list[np.ndarray[Any, Any]] = []
        self._n_cells = np.zeros(n_groups, dtype=np.int64)

    def add(self, layers: list[LayerAttention], codes: np.ndarray[Any, Any]) -> None:
        """Add a batch of cells; a code below 0 is of no group."""
        entropy = torch.cat([layer.entropy for layer in layers], dim=1)
        known = entropy.isfinite()
        per_layer = np.stack([layer.received.mean(1).cpu().numpy() for layer in layers])
        members = (codes[:, None] == np.arange(self._shape[0])).astype(np.float64)
        self._of_cells.append(entropy.nanmean(-1).cpu().numpy())
        for total, part in (
            (self._sums, entropy.nansum(0).cpu().numpy()),
            (self._counts, known.sum(0).cpu().numpy()),
            (self._received, np.einsum("cm,lcg->lmg", members, per_layer)),
        ):
            total[:] = [total[0] + part if total else part]
        self._n_cells += members.sum(axis=0).astype(np.int64)
        self._heads = [layer.entropy.shape[1] for layer in layers]
        self.n_obs += len(codes)

    def summary(self, *, cells: pd.Index, genes: pd.Index, groups: pd.Index) -> AttentionSummary:
        columns = [
            f"layer{layer}_head{head + 1}"
            for layer, n_heads in enumerate(self._heads, 1)
            for head in range(n_heads)
        ]
        with np.errstate(invalid="ignore"):  # a gene that never attends, a group without cells
            of_genes = (self._sums[0] / self._counts[0]).T
            received = self._received[0] / self._n_cells[:, None]
        return AttentionSummary(
            pd.DataFrame(
                np.concatenate(self._of_cells).astype(np.float32), index=cells, columns=columns
            ),
            pd.DataFrame(of_genes.astype(np.float32), index=genes, columns=columns),
            [
                pd.DataFrame(layer.T.astype(np.float32), index=genes, columns=groups)
                for layer in received
            ],
            pd.Series(self._n_cells, index=groups),
        )
