"""The focal loss, computed from logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def focal_loss(logits: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    r"""Focal loss of binary targets, :math:`-(1 - p_t)^\gamma \log p_t`, mean over observations.

    :math:`p_t` is the probability of the true class. With :math:`m = \pm` logit, positive for the
    true class, it is :math:`\sigma(-m)^\gamma\, \mathrm{softplus}(-m)`, which is finite, with a
    finite gradient, for any logit :cite:p:`lin2017`.

    Parameters
    ----------
    logits
        Any shape.
    targets
        0 or 1, of the same shape.
    gamma
        How much observations that are already right count less; 0 is cross-entropy.

    Returns
    -------
    The loss, a scalar.

    Examples
    --------
    >>> import torch
    >>> focal_loss(torch.tensor([-1e4, 1e4]), torch.tensor([0.0, 0.0]))
    tensor(5000.)
    """
    wrong = torch.where(targets > 0.5, -logits, logits)
    return (torch.sigmoid(wrong) ** gamma * functional.softplus(wrong)).mean()
