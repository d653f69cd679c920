"""Self-attention over regulators that carry few features each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Widths at which the fused attention kernel of torch works with whole vector registers.
KERNEL_WIDTH = 16


class FactorAttention(nn.Module):
    r"""Self-attention with unscaled logits whose values are the features themselves.

    .. math::
        q_i = W_q x_i + b_q, \quad k_j = W_k x_j + b_k, \quad
        z_i = \sum_j \mathrm{softmax}_j(q_i \cdot k_j)\, x_j

    A logit is :math:`(W_k^\top q_i) \cdot x_j + q_i \cdot b_k`, and the last term is the same for
    all :math:`j`. With :math:`d` features for each factor the attention therefore has rank
    :math:`d`, however wide :math:`q` and :math:`k` are: queries of width :math:`d` and the
    features as keys and values give the same result, without a map of factors x factors.

    Parameters
    ----------
    n_features
        Features of each factor.
    n_hidden
        Width of queries and keys.

    Examples
    --------
    >>> import torch
    >>> attention = FactorAttention(n_features=3, n_hidden=30)
    >>> attention(torch.rand(4, 50, 3)).shape
    torch.Size([4, 50, 3])
    """

    def __init__(self, n_features: int, n_hidden: int = 30) -> None:
        super().__init__()
        self.query = nn.Linear(n_features, n_hidden)
        self.key = nn.Linear(n_features, n_hidden)

    def reduced_queries(self, features: Tensor) -> Tensor:
        """Queries in the space of the features, of the shape of `features`."""
        return self.query(features) @ self.key.weight

    def forward(self, features: Tensor) -> Tensor:
        """Attended features, ``(n_obs, n_factors, n_features)``."""
        width = features.shape[-1]
        extra = -width % KERNEL_WIDTH
        keys = functional.pad(features, (0, extra))[:, None]
        queries = functional.pad(self.reduced_queries(features), (0, extra))[:, None]
        attended = functional.scaled_dot_product_attention(queries, keys, keys, scale=1.0)
        return attended[:, 0, :, :width]

    def received(self, features: Tensor) -> Tensor:
        """Attention that each factor receives, mean over the asking factors.

        Parameters
        ----------
        features
            ``(n_obs, n_factors, n_features)``.

        Returns
        -------
        ``(n_obs, n_factors)``; each row adds up to 1.
        """
        queries = self.reduced_queries(features)
        rows = [
            torch.softmax(query @ feature.T, -1).mean(0)  # one map at a time
            for query, feature in zip(queries, features, strict=True)
        ]
        return torch.stack(rows) if rows else features.new_zeros(features.shape[:2])
