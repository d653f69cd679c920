"""Attention over the positions of a sequence, masked before the softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def masked_softmax(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last dimension, exactly 0 where the mask is False.

    Parameters
    ----------
    logits
        Any shape.
    mask
        True for the entries that take part, broadcastable to `logits`; ``None`` for all.

    Returns
    -------
    Weights that add up to 1, or are all 0 where no entry takes part. No gradient reaches a
    masked logit.
    """
    if mask is None:
        return torch.softmax(logits, -1)
    # The smallest number instead of minus infinity: a row without entries stays finite.
    logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
    return torch.softmax(logits, -1) * mask


class AdditiveAttention(nn.Module):
    r"""Summary of a sequence by additive attention.

    .. math::
        \alpha = \mathrm{softmax}_t(u^\top \tanh(W h_t + b)), \qquad c = \sum_t \alpha_t h_t

    Parameters
    ----------
    n_features
        Features of each position.
    n_hidden
        Rows of :math:`W`.

    Examples
    --------
    >>> import torch
    >>> attention = AdditiveAttention(n_features=80, n_hidden=16)
    >>> context, weights = attention(torch.rand(2, 12, 80))
    >>> context.shape, weights.shape
    (torch.Size([2, 80]), torch.Size([2, 12]))
    """

    def __init__(self, n_features: int, n_hidden: int = 16) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_features, n_hidden)
        # A bias would add the same to every logit and change nothing.
        self.score = nn.Linear(n_hidden, 1, bias=False)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Context ``(n_obs, n_features)`` and weights ``(n_obs, n_positions)``.

        Parameters
        ----------
        sequence
            ``(n_obs, n_positions, n_features)``.
        mask
            True for real positions, ``(n_obs, n_positions)``; ``None`` if all are.
        """
        logits = self.score(torch.tanh(self.hidden(sequence))).squeeze(-1)
        weights = masked_softmax(logits, mask)
        context = torch.einsum("nt,ntf->nf", weights, sequence)
        return context, weights
