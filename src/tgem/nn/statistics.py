r"""How spread out attention is and who receives it, from the sums of the attention itself.

With the symbols of :mod:`tgem.nn.attention`, let :math:`M_i = \max_l q_i k_l` be the largest score
of row *i*, and let :math:`L_i = \log \sum_l e^{q_i k_l - M_i}`, so that
:math:`-\log A_{ij} = L_i + M_i - q_i k_j`. Both parts are nonnegative. The share of attention
that goes to others, :math:`\omega_i = 1 - A_{ii}`, and the entropy of the row without its
diagonal are then sums over other keys,

.. math::

    H_i = -\sum_{j \ne i} A_{ij} \log A_{ij}
        = \omega_i L_i + \sum_{j \ne i} A_{ij} (M_i - q_i k_j),

of nonnegative terms, in which nothing cancels. The same row scaled up to sum to one has entropy
:math:`H_i / \omega_i + \log \omega_i`.

That divides by :math:`\omega_i`, which can be as small as one likes: where a gene attends to
itself. But any other row than that of the gene with the largest and that of the gene with the
smallest key holds the largest score, :math:`M_i`, among its *other* keys, so that
:math:`\omega_i \ge 1/2`. The two exceptions are added up directly, which is linear in the number of
genes too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from tgem.nn.kernels import checked_shape, rows_and_kernel, without_autocast
from tgem.nn.linear_attention import centre_and_reach

if TYPE_CHECKING:
    from torch import Tensor

    from tgem.nn.kernels import Kernel, Method


class AttentionStatistics(NamedTuple):
    """Statistics of attention rows and columns, each ``(..., n_genes)``.

    Attributes
    ----------
    entropy
        Shannon entropy in nats of each query gene's row, the diagonal set to zero and the rest
        not scaled up. At most ``log(n_genes)``.
    entropy_renormalized
        Entropy of the same row scaled up to sum to one. At most ``log(n_genes - 1)``.
    received
        Attention that each gene receives from all others: the sum of its column. A mean gene
        receives nearly 1.
    """

    entropy: Tensor
    entropy_renormalized: Tensor
    received: Tensor


@torch.no_grad()
def attention_statistics(
    q: Tensor, k: Tensor, *, method: Method = "auto", tolerance: float = 1e-8
) -> AttentionStatistics:
    r"""Entropy of each gene's attention, and attention received, in time linear in genes.

    Attention is :math:`A_{ij} = \mathrm{softmax}_j(q_i k_j)` with the diagonal set to zero. No
    gradients flow through the result.

    Parameters
    ----------
    q, k
        Queries and keys, ``(..., n_genes)``. Leading dimensions are broadcast.
    method
        As in :func:`scalar_attention`.
    tolerance
        Bound on what the expansion adds to the attention of a row or of a column, and up to a
        small factor on what it adds to an entropy, as long as scores are not so large (above
        some ten thousand) that rounding adds more. The exact method ignores it.

    Returns
    -------
    AttentionStatistics
        In the inputs' type. A single gene attends to nothing and has zeros.

    Raises
    ------
    ValueError, TypeError
        As :func:`scalar_attention`.

    Examples
    --------
    Three genes of which each gives a third of its attention to the two others:

    >>> import torch
    >>> from tgem.nn import attention_statistics
    >>> statistics = attention_statistics(torch.zeros(3), torch.zeros(3))
    >>> statistics.entropy  # 2/3 log(3)
    tensor([0.7324, 0.7324, 0.7324])
    >>> statistics.entropy_renormalized  # log(2)
    tensor([0.6931, 0.6931, 0.6931])
    >>> statistics.received
    tensor([0.6667, 0.6667, 0.6667])
    """
    shape = checked_shape(method, tolerance, q=q, k=k)
    dtype = torch.promote_types(q.dtype, k.dtype)
    if 0 in shape:
        return AttentionStatistics(*q.new_zeros(3, *shape, dtype=dtype).unbind())
    with without_autocast(q.device):
        q, k, kernel = rows_and_kernel(
            shape, q, k, method=method, tolerance=tolerance, for_scores=True
        )
        found = _statistics(kernel, q, k)
        return AttentionStatistics(*(tensor.view(shape).to(dtype) for tensor in found))


def _statistics(kernel: Kernel, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entropy, renormalised entropy and attention received of ``(n_rows, n_genes)``."""
    if q.shape[-1] == 1:
        return torch.zeros_like(q), torch.zeros_like(q), torch.zeros_like(q)
    spread, below, above = _positions(q, k)
    others, to_below, to_above = kernel.over_keys(
        torch.stack([torch.ones_like(k), below, above], 1)
    ).unbind(1)
    denominator = others + kernel.diagonal()
    share = others / denominator
    distance = spread * (torch.where(q >= 0, to_below, to_above) / denominator)
    entropy = share * (denominator.log() + kernel.excess()) + distance
    renormalized = entropy / share + share.log()
    for gene in (k.argmax(-1, keepdim=True), k.argmin(-1, keepdim=True)):
        exact = _of_one_gene(gene, spread, torch.where(q.gather(-1, gene) >= 0, below, above))
        entropy.scatter_(-1, gene, exact[0])
        renormalized.scatter_(-1, gene, exact[1])
    received = kernel.over_queries(denominator.reciprocal().unsqueeze(1)).squeeze(1)
    return entropy.clamp_min_(0), renormalized.clamp_min_(0), received.clamp_min_(0)


def _positions(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r""":math:`|q_i|` times the range of keys, and where in the range keys lie, from either end.

    The product of the first with the second (where :math:`q_i \ge 0`) or third is
    :math:`M_i - q_i k_j`. Neither part overflows, nor does the product.
    """
    reach = centre_and_reach(k)[1].clamp_min(torch.finfo(k.dtype).tiny)
    low, high = torch.aminmax(k, dim=-1, keepdim=True)
    spread = (q.abs() * reach).clamp_max(torch.finfo(k.dtype).max / 2) * 2
    return spread, (high / 2 - k / 2) / reach, (k / 2 - low / 2) / reach


def _of_one_gene(gene: Tensor, spread: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy and renormalised entropy of one gene's row, ``(n_rows, 1)`` like its index."""
    away = position.scatter(-1, gene, torch.inf)
    nearest = away.amin(-1, keepdim=True)  # the others' largest score
    spread = spread.gather(-1, gene)
    distance = spread * (position - nearest).clamp_min(0)
    weights = distance.neg().exp_().scatter(-1, gene, 0)
    total = weights.sum(-1, keepdim=True)
    log_total = total.log()
    renormalized = log_total + (weights * distance).sum(-1, keepdim=True) / total
    # The odds of attending to others rather than to oneself.
    log_odds = log_total + spread * (position.gather(-1, gene) - nearest)
    share, log_share = log_odds.sigmoid(), torch.nn.functional.logsigmoid(log_odds)
    return share * (renormalized - log_share), renormalized
