"""Attention from genes whose level is known to learned sets of genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tgem.nn.attention_maps import AttentionSite, GeneMaps, MeanGeneMaps
from tgem.nn.shared_keys import shared_key_attention

if TYPE_CHECKING:
    from typing import Self

    from tgem.nn.attention_maps import Maps
    from tgem.nn.kernels import Method

FARTHEST_QUERY = 3.0  # standard deviations


@dataclass(frozen=True)
class SharedKeyMaps:
    r"""Maps of every gene over all others, with keys that all cells share.

    Parameters
    ----------
    q
        Queries, ``(n_obs, n_heads, n_genes)``.
    k
        Keys, ``(n_heads, n_genes)``.
    method
        As in :func:`~tgem.nn.scalar_attention`.
    """

    q: Tensor
    k: Tensor
    method: Method = "auto"

    def average(self, values: Tensor) -> Tensor:
        """Attended values, ``(n_obs, n_heads, n_genes)``; `values` are the same for all heads."""
        return shared_key_attention(self.q, self.k, values.select(-2, 0), method=self.method)

    def mean(self) -> MeanGeneMaps:
        """The mean over cells, head by head."""
        return self._of_cells().mean()

    def shuffled(self, order: Tensor) -> GeneMaps:
        """As :meth:`tgem.nn.attention_maps.GeneMaps.shuffled`."""
        return self._of_cells().shuffled(order)

    def uniform(self) -> GeneMaps:
        """Each gene gives every other gene the weight 1 / n_genes."""
        return self._of_cells().uniform()

    def __getitem__(self, cells: Tensor) -> Self:
        """The maps of some cells."""
        return type(self)(self.q[cells], self.k, self.method)

    def _of_cells(self) -> GeneMaps:
        return GeneMaps(self.q, self.k.expand_as(self.q), self.method)


class ContextAttention(AttentionSite):
    r"""The context of each gene: other genes, averaged by what its own level makes it look at.

    In head :math:`h` every gene :math:`j` has a key :math:`b_{hj}`, the same in all cells, and gene
    :math:`i` looks with its level :math:`x_i`,

    .. math:: z_{hi} = \sum_{j \ne i} \mathrm{softmax}_j(w_{hi} x_i b_{hj})\, x_j .

    Queries see levels up to three standard deviations.

    At its mean level (:math:`x_i = 0`, as expression is standardised) a gene looks at all genes
    alike; above it, at the genes with high keys, below it at those with low keys. So a regulator
    switches which genes are read: :math:`z_{hi}` is to first order the product of :math:`x_i` and
    the level of a set of genes, which no weighting of single genes can express.

    Unlike T-GEM's (:class:`~tgem.nn.blocks.GeneAttention`) the keys do not contain the expression:
    there, a product of a gene with the *square* of another would be the first term.

    Parameters
    ----------
    n_genes
        Genes per cell.
    n_heads
        Sets of genes.
    deviation
        Standard deviation of the initial queries and keys. At 0 nothing could be learned, as
        each one's gradient is a multiple of the other.
    method
        How :func:`~tgem.nn.scalar_attention` is computed.

    Examples
    --------
    >>> import torch
    >>> attention = ContextAttention(n_genes=50, n_heads=4)
    >>> attention(torch.randn(8, 50)).shape
    torch.Size([8, 4, 50])
    """

    def __init__(
        self, n_genes: int, n_heads: int, deviation: float = 0.3, *, method: Method = "auto"
    ) -> None:
        super().__init__()
        self.method: Method = method
        self.query = nn.Parameter(deviation * torch.randn(n_heads, n_genes))
        self.key = nn.Parameter(deviation * torch.randn(n_heads, n_genes))

    def maps(self, *states: Tensor) -> SharedKeyMaps:
        """Maps of each cell and head from standardised expression, the first of the states."""
        levels = states[0].clamp(-FARTHEST_QUERY, FARTHEST_QUERY)
        return SharedKeyMaps(levels.unsqueeze(-2) * self.query, self.key, self.method)

    def attend(self, maps: Maps, *states: Tensor) -> Tensor:
        """The contexts, ``(n_obs, n_heads, n_genes)``, of the values, the last of the states."""
        values = states[-1].unsqueeze(-2)
        return maps.average(values.expand(*values.shape[:-2], *self.key.shape))
