"""Fusion of modalities by several attentions over their joint vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tgem.nn.additive_attention import masked_softmax

if TYPE_CHECKING:
    from collections.abc import Sequence


class AttentionFusion(nn.Module):
    r"""Several attentions over the entries of a joint vector, reduced for each modality.

    The joint vector :math:`h` holds the entries of all modalities. Attention :math:`a` is
    :math:`\alpha_a = \mathrm{softmax}(W_a h + b_a)`, and each weight multiplies **its own**
    entry, :math:`\alpha_{ai} h_i`. What the attentions made of the entries of one modality is
    brought back to the modality's size by a linear layer.

    Parameters
    ----------
    sizes
        Entries of each modality.
    n_attentions
        Number of attentions.
    residual
        Whether the reduced vector is added to :math:`h` instead of taking its place.

    Examples
    --------
    >>> import torch
    >>> fusion = AttentionFusion([80, 20, 5], n_attentions=10)
    >>> fused, weights = fusion(torch.rand(4, 105), torch.ones(4, 3, dtype=torch.bool))
    >>> fused.shape, weights.shape
    (torch.Size([4, 105]), torch.Size([4, 10, 105]))
    """

    def __init__(
        self, sizes: Sequence[int], n_attentions: int = 10, *, residual: bool = False
    ) -> None:
        super().__init__()
        self.sizes, self.n_attentions, self.residual = list(sizes), n_attentions, residual
        n_entries = sum(sizes)
        self.attention = nn.Linear(n_entries, n_attentions * n_entries)
        self.reductions = nn.ModuleList(nn.Linear(n_attentions * size, size) for size in sizes)

    def entries(self, present: Tensor) -> Tensor:
        """Spread one flag for each modality over its entries."""
        sizes = torch.tensor(self.sizes, device=present.device)
        return present.repeat_interleave(sizes, dim=1)

    def weights(self, joint: Tensor, present: Tensor) -> Tensor:
        """Attention weights, ``(n_obs, n_attentions, n_entries)``, 0 for absent modalities."""
        logits = self.attention(joint).unflatten(1, (self.n_attentions, -1))
        return masked_softmax(logits, self.entries(present)[:, None])

    def attended(self, joint: Tensor, weights: Tensor) -> list[Tensor]:
        """Each entry times its own weights: per modality, ``(n_obs, n_attentions, size)``."""
        products = weights * joint[:, None]
        return list(torch.split(products, self.sizes, dim=2))

    def forward(self, joint: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Fused vector ``(n_obs, n_entries)`` and weights ``(n_obs, n_attentions, n_entries)``.

        Parameters
        ----------
        joint
            Entries of all modalities, ``(n_obs, n_entries)``, 0 for absent ones.
        present
            Which modalities an observation has, ``(n_obs, n_modalities)``.
        """
        weights = self.weights(joint, present)
        parts = zip(self.reductions, self.attended(joint, weights), strict=True)
        fused = torch.cat([reduce(part.flatten(1)) for reduce, part in parts], 1)
        fused = torch.where(self.entries(present), fused, 0)
        return (joint + fused if self.residual else fused), weights
