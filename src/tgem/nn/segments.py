"""Softmax and means over groups of unequal size, all groups at once."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Sum the columns of each segment.

    Parameters
    ----------
    values
        Values of the members, ``(n_obs, n_members)``.
    segments
        Segment of each member, ``(n_members,)``, whole numbers in any order.
    n_segments
        Number of segments; one without members has the sum 0.

    Returns
    -------
    Tensor, ``(n_obs, n_segments)``.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn.segments import segment_sum
    >>> segment_sum(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0, 1, 0]), 2)
    tensor([[4., 2.]])
    """
    return values.new_zeros(len(values), n_segments).index_add(1, segments, values)


def segment_softmax(logits: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    r"""Softmax within each segment, such as the usage of isoforms within each gene.

    .. math::
        p_j = \frac{e^{z_j}}{\sum_{k \in s(j)} e^{z_k}}

    where :math:`s(j)` is the segment of member :math:`j`. The largest logit of each segment is
    subtracted first, so that no exponential overflows.

    Parameters
    ----------
    logits
        Logits :math:`z`, ``(n_obs, n_members)``.
    segments
        Segment of each member, ``(n_members,)``, whole numbers in any order.
    n_segments
        Number of segments.

    Returns
    -------
    Tensor, ``(n_obs, n_members)``: the members of each segment sum to 1.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn.segments import segment_softmax
    >>> segment_softmax(torch.zeros(1, 3), torch.tensor([0, 0, 1]), 2)
    tensor([[0.5000, 0.5000, 1.0000]])
    """
    # the largest logit cancels, so no gradient has to pass through it
    index = segments.expand(len(logits), -1)
    largest = logits.new_full((len(logits), n_segments), -torch.inf)
    largest = largest.scatter_reduce(1, index, logits.detach(), "amax")
    exponentials = torch.exp(logits - largest.index_select(1, segments))
    totals = segment_sum(exponentials, segments, n_segments)
    return exponentials / totals.index_select(1, segments)


def segment_centered(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Subtract from each member the mean of its segment.

    A softmax does not change when all logits of a segment are shifted alike; what is left after
    centring is what it can see.

    Parameters
    ----------
    values
        Values of the members, ``(n_obs, n_members)``.
    segments
        Segment of each member, ``(n_members,)``.
    n_segments
        Number of segments.

    Returns
    -------
    Tensor, ``(n_obs, n_members)``: the members of each segment sum to 0.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn.segments import segment_centered
    >>> segment_centered(torch.tensor([[1.0, 3.0, 5.0]]), torch.tensor([0, 0, 1]), 2)
    tensor([[-1.,  1.,  0.]])
    """
    sizes = segment_sum(values.new_ones(1, len(segments)), segments, n_segments)
    means = segment_sum(values, segments, n_segments) / sizes.clamp(min=1)
    return values - means.index_select(1, segments)
