r"""Average attributions of attention weights over cells, a block of query genes at a time.

The network of a class of cells is the mean over its cells, and the sum over heads, of
:math:`w_h v_{hj} \bar g_i (A_{hij} - A'_{hij})` (see :mod:`tgem.nn.attribution`). The
first part is a weighted sum of attention matrices, as in :mod:`tgem.nn.averages`. The
baseline's weights are the same for all cells, so the second part is, for each head, :math:`A'_h`
times the product :math:`\bar g^\top v_h` over cells.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from tgem.nn.attribution import AttentionAttribution
from tgem.nn.averages import MOST_TERMS, check_block
from tgem.nn.exact_attention import steps
from tgem.nn.kernels import checked_shape, denominators, rows_and_kernel, widened, without_autocast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from tgem.nn.kernels import Kernel, Method


def mean_attribution_blocks(
    attributions: AttentionAttribution | Sequence[AttentionAttribution],
    *,
    block: int = 512,
    method: Method = "auto",
    tolerance: float = 1e-8,
) -> Iterator[tuple[slice, Tensor]]:
    """Average attribution of the attention weights, a block of query genes at a time.

    Memory holds one ``(block, n_genes)`` matrix and what is linear in `n_genes`.

    Parameters
    ----------
    attributions
        Of cells to average over, heads summed: one, or a list of minibatches of the same layer
        and baseline.
    block
        Query genes per block.
    method, tolerance
        As in :func:`mean_attention_blocks`.

    Returns
    -------
    Iterator of slices of query genes, and their rows ``(n_queries, n_genes)``. The diagonal is
    zero. Pass it to :func:`strongest_edges` for a network.

    Raises
    ------
    ValueError
        If there are no cells, minibatches do not match, or `block` is below 1.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import attention_attribution, mean_attribution_blocks
    >>> x = torch.tensor([[[1.0, 2.0, 0.5]]])
    >>> found = attention_attribution(
    ...     lambda attended: attended.square().sum(1),
    ...     *(x, x, x),
    ...     head_weight=torch.ones(1),
    ...     base_q=torch.zeros(1, 3),
    ...     base_k=torch.zeros(1, 3),
    ... )
    >>> total = sum(rows.sum() for genes, rows in mean_attribution_blocks(found, block=2))
    >>> bool((total - found.change).abs() < 1e-5)
    True
    """
    if isinstance(attributions, AttentionAttribution):
        attributions = [attributions]
    attributions = [part for part in attributions if len(part.q)]
    _check(attributions, block)
    checked_shape(method, tolerance, q=attributions[0].q, k=attributions[0].k)
    attention_of = partial(_Attention, method=method, tolerance=tolerance)
    cells = [attention_of(part.q, part.k) for part in attributions]
    # Of each head, one row for each reference cell.
    heads = zip(
        *(part.unbind(-2) for part in (attributions[0].base_q, attributions[0].base_k)), strict=True
    )
    n_genes = attributions[0].q.shape[-1]
    baseline = [attention_of(q.reshape(-1, n_genes), k.reshape(-1, n_genes)) for q, k in heads]
    return _blocks(attributions, cells, baseline, block)


class _Attention:
    """Weighted sums of attention matrices. Keeps denominators, makes kernels anew when asked."""

    def __init__(self, q: Tensor, k: Tensor, *, method: Method, tolerance: float) -> None:
        self._rows_and_kernel = partial(
            rows_and_kernel,
            *(q.shape, q, k),
            method=method,
            tolerance=tolerance,
            most_terms=MOST_TERMS,
        )
        with torch.no_grad(), without_autocast(q.device):
            rows, _, kernel = self._rows_and_kernel()
            self._denominators = denominators(kernel, rows)

    def mean(self, genes: slice) -> Tensor:
        """Mean attention matrix, the rows of a block of query genes."""
        n_rows = len(self._denominators)
        ones = self._denominators.new_ones(n_rows, genes.stop - genes.start)
        return self.weighted_sum(genes, ones).div_(n_rows)

    def weighted_sum(self, genes: slice, left: Tensor, right: Tensor | None = None) -> Tensor:
        r""":math:`\sum_n l_{ni} A_{nij} r_{nj}` for a block of query genes *i*."""
        kernel: Kernel = self._rows_and_kernel()[2]
        return kernel.over_rows(genes, left / self._denominators[:, genes], right)


def _blocks(
    attributions: Sequence[AttentionAttribution],
    cells: list[_Attention],
    baseline: list[_Attention],
    block: int,
) -> Iterator[tuple[slice, Tensor]]:
    first = attributions[0].q
    n_obs, n_genes = sum(len(part.q) for part in attributions), first.shape[-1]
    for genes in steps(n_genes, block):
        # Not around the loop: what happens between two blocks is the caller's.
        with torch.no_grad(), without_autocast(first.device):
            shape = (genes.stop - genes.start, n_genes)
            total = widened(first.new_zeros(shape))[0]
            for part, attention in zip(attributions, cells, strict=True):
                total += _of_cells(part, attention, genes)
            for head, attention in enumerate(baseline):
                total -= _of_baseline(attributions, attention, head, genes)
            rows = total.div_(n_obs).to(first.dtype)
        yield genes, rows


def _of_cells(part: AttentionAttribution, attention: _Attention, genes: slice) -> Tensor:
    r""":math:`\sum_{c, h} w_h \bar g_{ci} A_{chij} v_{chj}` for a block of query genes *i*."""
    gradient, head_weight, v = widened(part.gradient[..., genes], part.head_weight, part.v)
    left = head_weight[:, None] * (gradient if gradient.ndim == 3 else gradient[:, None])
    return attention.weighted_sum(genes, left.flatten(0, 1), v.flatten(0, 1))


def _of_baseline(
    attributions: Sequence[AttentionAttribution], attention: _Attention, head: int, genes: slice
) -> Tensor:
    r""":math:`w_h A'_{hij} \sum_c \bar g_{ci} v_{chj}` for a block of query genes *i*."""
    total = attributions[0].q.new_zeros(())
    for part in attributions:
        of_head = part.gradient[:, head] if part.gradient.ndim == 3 else part.gradient
        gradient, head_weight, v = widened(
            of_head[:, genes], part.head_weight[head], part.v[:, head]
        )
        total = total + head_weight * (gradient.mT @ v)
    return attention.mean(genes).mul_(total)


def _check(attributions: Sequence[AttentionAttribution], block: int) -> None:
    check_block(block)
    if not attributions:
        msg = "expected attributions of at least one cell; found none"
        raise ValueError(msg)
    for part in attributions[1:]:
        for name in ("head_weight", "base_q", "base_k"):
            if not torch.equal(getattr(part, name), getattr(attributions[0], name)):
                msg = f"expected attributions of one layer and baseline; found different {name}"
                raise ValueError(msg)
