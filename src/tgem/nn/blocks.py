"""Building blocks of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tgem.nn.attention_maps import AttentionSite, GeneMaps

if TYPE_CHECKING:
    from tgem.nn.attention_maps import Maps
    from tgem.nn.kernels import Method


class GeneAttention(AttentionSite):
    r"""Self-attention over genes whose tokens are scalars, all heads summed.

    Head :math:`h` scales each gene by its own weights, :math:`q = x w^Q_h`, :math:`k = x w^K_h`,
    :math:`v = x w^V_h`, attends to every *other* gene,

    .. math:: z_{hi} = \sum_{j \ne i} \mathrm{softmax}_j(q_{hi} k_{hj})\, v_{hj},

    and the heads are added with weights :math:`w^0_h`.

    Parameters
    ----------
    n_genes
        Genes per cell.
    n_heads
        Attention heads.
    output_scale
        Initial weight of each head in the sum.
    method
        How :func:`~tgem.nn.scalar_attention` is computed; an attribute that may be changed.

    Examples
    --------
    >>> import torch
    >>> attention = GeneAttention(n_genes=50, n_heads=5)
    >>> attention(torch.rand(8, 50)).shape
    torch.Size([8, 50])
    """

    def __init__(
        self,
        n_genes: int,
        n_heads: int,
        output_scale: float = 1e-3,
        *,
        method: Method = "auto",
    ) -> None:
        super().__init__()
        self.method: Method = method
        self.query = nn.Parameter(torch.empty(n_heads, n_genes))
        self.key = nn.Parameter(torch.empty(n_heads, n_genes))
        self.value = nn.Parameter(torch.empty(n_heads, n_genes))
        self.head_weight = nn.Parameter(torch.full((n_heads,), output_scale))
        # Xavier's rule on a (heads, genes, 1) tensor: fan-in `genes`, fan-out `heads`.
        deviation = (2 / (n_genes + n_heads)) ** 0.5
        for weight in (self.query, self.key, self.value):
            nn.init.normal_(weight, std=deviation)

    def heads(self, expression: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each ``(n_obs, n_heads, n_genes)``."""
        tokens = expression.unsqueeze(-2)
        return tokens * self.query, tokens * self.key, tokens * self.value

    def maps(self, *states: Tensor) -> GeneMaps:
        """Maps of each cell and head, as queries and keys, from expression."""
        (expression,) = states
        tokens = expression.unsqueeze(-2)
        return GeneMaps(tokens * self.query, tokens * self.key, self.method)

    def attend(self, maps: Maps, *states: Tensor) -> Tensor:
        """Attended expression, ``(n_obs, n_genes)``: its values averaged with any maps."""
        (expression,) = states
        attended = maps.average(expression.unsqueeze(-2) * self.value)
        return torch.einsum("h,...hg->...g", self.head_weight, attended)


class GeneNorm(nn.Module):
    """Layer normalisation over genes with the unbiased standard deviation.

    ``a (y - mean) / (std + eps) + b``; torch's own divides by the biased deviation with eps
    under the root.

    Parameters
    ----------
    n_genes
        Genes per cell.
    eps
        Added to the standard deviation.
    """

    def __init__(self, n_genes: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_genes))
        self.shift = nn.Parameter(torch.zeros(n_genes))
        self.eps = eps

    def forward(self, values: Tensor) -> Tensor:
        """Normalised values of the same shape."""
        centred = values - values.mean(-1, keepdim=True)
        if values.shape[-1] == 1:
            return self.scale * centred + self.shift  # one gene has no deviation
        deviation = values.std(-1, keepdim=True)
        return self.scale * centred / (deviation + self.eps) + self.shift
