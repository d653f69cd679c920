r"""Scalar attention term by term: every pair of genes, never all pairs at once.

The shift that keeps the softmax of gene *i* from overflowing is known without looking at its
scores: the largest belongs to the largest key where :math:`q_i \ge 0` and to the smallest where
:math:`q_i < 0`. The shifted scores are then a matrix product of inner size two,

.. math::

    q_i k_j - S_i = q_i^+ (k_j - k_{\max}) + q_i^- (k_j - k_{\min}) \le 0,
    \qquad S_i = \max_l q_i k_l,

in which one of the two terms is zero, so that no large numbers cancel. Nor is the own term of a
gene taken from a sum: it is left out, and a gene that attends to little but itself keeps all
digits of what it attends to in others. Sums over keys walk over
blocks of queries and sums over queries over blocks of keys: both hold ``n_genes x block`` numbers
and neither needs a running sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_SMALLEST_BLOCK = 16


def scratch_elements(device: torch.device) -> int:
    """Numbers that the work area of one step holds.

    On a CPU it should stay in cache and be used again (fresh pages cost more than the
    arithmetic); elsewhere few large steps are better than many small ones.
    """
    return 2**18 if device.type == "cpu" else 2**24


def steps(stop: int, step: int, start: int = 0) -> Iterator[slice]:
    """Cut ``range(start, stop)`` into slices of at most `step`."""
    for first in range(start, stop, step):
        yield slice(first, min(stop, first + step))


class ExactKernel:
    r"""The kernel :math:`e^{q_i k_j - S_i}` of several rows, each with its own queries and keys.

    Parameters
    ----------
    q, k
        Queries and keys, ``(n_rows, n_genes)``.

    Examples
    --------
    >>> import torch
    >>> kernel = ExactKernel(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 3.0]]))
    >>> kernel.over_keys(torch.ones(1, 1, 2)).log()  # scores 1 x 3 and 2 x 0, less 3 and 6
    tensor([[[ 0., -6.]]])
    """

    def __init__(self, q: Tensor, k: Tensor) -> None:
        k_min, k_max = torch.aminmax(k, dim=-1, keepdim=True)
        # A range that overflows would turn 0 * infinity into NaN.
        lowest = torch.finfo(k.dtype).min
        self._q = torch.stack([q.clamp_min(0), q.clamp_max(0)], -1)
        self._k = torch.stack([(k - k_max).clamp_min(lowest), (k - k_min).clamp_max(-lowest)], -2)

    def over_keys(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{j \ne i} e^{q_i k_j - S_i} w_j`, both ``(n_rows, n_sums, n_genes)``."""
        sums = torch.empty_like(weights)
        for rows, queries, scratch in self._blocks():
            kernel = torch.bmm(self._q[rows, queries], self._k[rows], out=scratch).exp_()
            kernel.diagonal(queries.start, -2, -1).zero_()
            sums[rows, :, queries] = weights[rows] @ kernel.mT
        return sums

    def over_queries(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{i \ne j} w_i e^{q_i k_j - S_i}`, both ``(n_rows, n_sums, n_genes)``."""
        sums = torch.empty_like(weights)
        for rows, keys, scratch in self._blocks():
            # The transposed kernel, keys first, lies in the same scratch.
            kernel = torch.bmm(self._k[rows, :, keys].mT, self._q[rows].mT, out=scratch).exp_()
            kernel.diagonal(keys.start, -2, -1).zero_()
            sums[rows, :, keys] = weights[rows] @ kernel.mT
        return sums

    def over_rows(self, queries: slice, left: Tensor, right: Tensor | None = None) -> Tensor:
        r""":math:`\sum_n l_{ni} e^{q_{ni} k_{nj} - S_{ni}} r_{nj}` for the rows *n*.

        `left` is ``(n_rows, n_queries)``, `right` is ``(n_rows, n_genes)``; the result is
        ``(n_queries, n_genes)`` with zeros on the diagonal.
        """
        total = left.new_zeros(left.shape[-1], self._k.shape[-1])
        for rows, block, scratch in self._blocks(queries.start, queries.stop):
            kernel = torch.bmm(self._q[rows, block], self._k[rows], out=scratch).exp_()
            here = slice(block.start - queries.start, block.stop - queries.start)
            kernel *= left[rows, here, None]
            if right is not None:
                kernel *= right[rows, None]
            total[here] += kernel.sum(0)
        total.diagonal(queries.start).zero_()
        return total

    def diagonal(self) -> Tensor:
        r""":math:`e^{q_i k_i - S_i}`, ``(n_rows, n_genes)``."""
        return (self._q * self._k.mT).sum(-1).exp_()

    def excess(self) -> Tensor:
        r""":math:`S_i - \max_l q_i k_l`, which is 0 here."""
        return self._q.new_zeros(self._q.shape[:2])

    def _blocks(
        self, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Rows, genes of the block, and a work area ``(rows, block, n_genes)`` for them."""
        n_rows, n_genes, _ = self._q.shape
        last = n_genes if last is None else last
        limit = scratch_elements(self._q.device)
        block = min(last - first, max(_SMALLEST_BLOCK, limit // n_genes))
        rows_at_once = min(n_rows, max(1, limit // (n_genes * block)))
        scratch = self._q.new_empty(rows_at_once * block * n_genes)
        for rows in steps(n_rows, rows_at_once):
            for genes in steps(last, block, first):
                shape = (rows.stop - rows.start, genes.stop - genes.start, n_genes)
                yield rows, genes, scratch[: shape[0] * shape[1] * shape[2]].view(shape)
