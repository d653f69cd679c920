r"""Average attributions of attention maps whose keys all cells share, a query gene at a time.

For a network that is linear in its attended values, Integrated Gradients of its maps are closed
(:mod:`tgem.nn.attribution`): the gradient is the same in all cells, and the mean over cells of

.. math:: \phi_{ij} = \sum_h g_{hi} (A_{hij} - A'_{hij})\, v_j

is exact without a step of integration. With shared keys (:mod:`tgem.nn.shared_keys`) the row of
gene *i* depends on the cell through its query alone. Two things follow.

All cells in which a gene has the query of a cell that expresses nothing share that row,
:math:`A^0_{hi}`, and with :math:`A' = A^0` their attributions are exactly 0. Only the cells that
express a gene are added up.

In the expansion :math:`A_{hij} = \sum_r T_r(u_{hi}) C_{hrj} / D_{hi}` the coefficients *C* know
nothing of the cell, so the sum over cells is one small matrix product for each query gene,

.. math::

    \sum_c A_{chij} v_{cj} = \sum_r C_{hrj} \Big[ \sum_c \frac{T_r(u_{chi})}{D_{chi}} v_{cj} \Big] .
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from tgem.nn.averages import MOST_TERMS, check_block
from tgem.nn.exact_attention import steps
from tgem.nn.kernels import largest_c, widened, without_autocast
from tgem.nn.linear_attention import LARGEST_C, ChebyshevKernel, expansion
from tgem.nn.shared_keys import expand_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

TOLERANCE = 1e-8


class SharedKeyAttribution(NamedTuple):
    """Cells that explain one output.

    Attributes
    ----------
    q
        Queries, ``(n_obs, n_heads, n_genes)``.
    v
        Values, ``(n_obs, n_genes)``, the same for all heads.
    gradient
        Gradient of the output with respect to the attended values, ``(n_heads, n_genes)``.
    """

    q: Tensor
    v: Tensor
    gradient: Tensor


def shared_key_attribution_blocks(
    parts: Sequence[SharedKeyAttribution],
    k: Tensor,
    *,
    q_of_nothing: Tensor,
    reference_q: Tensor | None = None,
    block: int = 512,
) -> Iterator[tuple[slice, Tensor]]:
    """Average attribution of attention maps, heads summed, a block of query genes at a time.

    Equal to :func:`~tgem.nn.mean_attribution_blocks` on the same cells, with less to compute.

    Parameters
    ----------
    parts
        Cells to average over.
    k
        Keys, ``(n_heads, n_genes)``.
    q_of_nothing
        Queries of a cell that expresses nothing, ``(n_heads, n_genes)``.
    reference_q
        Queries of reference cells, ``(n_reference, n_heads, n_genes)``, whose mean map is the
        baseline. By default the baseline is the map of the cell that expresses nothing.
    block
        Query genes per block.

    Returns
    -------
    Iterator of slices of query genes, and their rows ``(n_queries, n_genes)`` in double precision.
    The diagonal is zero.

    Raises
    ------
    ValueError
        If there are no cells, or `block` is below 1.
    """
    check_block(block)
    parts = [SharedKeyAttribution(*widened(*part)) for part in parts if len(part.q)]
    if not parts:
        msg = "expected attributions of at least one cell; found none"
        raise ValueError(msg)
    (k, nothing) = widened(k, q_of_nothing)
    reference = nothing[None, :, :0] if reference_q is None else widened(reference_q)[0]
    with torch.no_grad(), without_autocast(k.device):
        rows = _rows_of(k, [nothing[None], reference, *(part.q for part in parts)])
    baseline = _Baseline(nothing, None if reference_q is None else reference)
    return _blocks(parts, rows, baseline, block)


class _Rows(Protocol):
    """Rows of attention maps at any queries of one gene.

    Attributes
    ----------
    keys
        ``(n_heads, n_genes)``.
    """

    keys: Tensor

    def weighted_sum(self, q: Tensor, left: Tensor, right: Tensor) -> Tensor:
        r""":math:`\sum_{c, h} l_{ch} A_{chj} r_{cj}`, ``(n_genes,)``.

        `q` and `left` are ``(n_obs, n_heads)``; `right` is ``(n_obs, n_genes)``, or one row for
        all.
        """


def _rows_of(k: Tensor, queries: Sequence[Tensor]) -> _Rows:
    """Rows by the expansion, or term by term where that is cheaper."""
    reach = torch.stack([q.abs().amax((0, 2)) for q in queries if q.numel()]).amax(0)[:, None]
    c = largest_c(reach, k)
    n_terms, sinh_width = expansion(c, TOLERANCE / k.shape[-1])
    if c > LARGEST_C or n_terms > MOST_TERMS or k.dtype != torch.float64:
        return _Exact(k)
    return _Expanded(k, reach, n_terms, sinh_width)


class _Exact:
    def __init__(self, k: Tensor) -> None:
        self.keys = k
        low, high = torch.aminmax(k, dim=-1, keepdim=True)
        self._below, self._above = k - high, k - low

    def weighted_sum(self, q: Tensor, left: Tensor, right: Tensor) -> Tensor:
        total = torch.zeros_like(right[0])
        for head in range(len(self._below)):
            of_head = q[:, head, None]
            # No exponent is above 0.
            scores = of_head.clamp_min(0) * self._below[head]
            scores += of_head.clamp_max(0) * self._above[head]
            kernel = scores.exp_()
            kernel *= (left[:, head] / kernel.sum(-1))[:, None]
            if len(right) == 1:
                total += kernel.sum(0) * right[0]
            else:
                total += torch.einsum("cg,cg->g", kernel, right)
        return total


class _Expanded:
    def __init__(self, k: Tensor, reach: Tensor, n_terms: int, sinh_width: float) -> None:
        self.keys = k
        self._expansion = expand_keys(k, reach, n_terms, sinh_width)
        self._constant = self._expansion.coefficients.sum(-1)
        self._flat = self._expansion.coefficients.flatten(0, 1)

    def weighted_sum(self, q: Tensor, left: Tensor, right: Tensor) -> Tensor:
        basis = self._basis(q, left).flatten(0, 1)
        if len(right) == 1:
            product: Tensor = (basis.sum(-1) @ self._flat) * right[0]
            return product
        return (basis @ right).mul_(self._flat).sum(0)

    def _basis(self, q: Tensor, left: Tensor) -> Tensor:
        """Polynomials over denominators, times `left`: ``(n_heads, n_terms, n_obs)``."""
        mapped = torch.asinh(q.mT * self._expansion.sinh_per_query).div_(self._expansion.width)
        shape = (len(mapped), self._constant.shape[1], mapped.shape[1])
        basis = ChebyshevKernel.polynomials(mapped, mapped.new_empty(shape))
        denominator = (self._constant.unsqueeze(-2) @ basis).squeeze(-2)
        return basis.mul_((left.mT / denominator).unsqueeze(-2))


class _Baseline(NamedTuple):
    """Queries of the cell that expresses nothing, and of the cells of a mean map."""

    nothing: Tensor
    reference: Tensor | None


def _blocks(
    parts: Sequence[SharedKeyAttribution], rows: _Rows, baseline: _Baseline, block: int
) -> Iterator[tuple[slice, Tensor]]:
    nothing, reference = baseline
    n_obs, n_genes = sum(len(part.q) for part in parts), nothing.shape[-1]
    totals = [part.v.sum(0) for part in parts]
    for genes in steps(n_genes, block):
        # Not around the loop: what happens between two blocks is the caller's.
        with torch.no_grad(), without_autocast(nothing.device):
            found = nothing.new_zeros(genes.stop - genes.start, n_genes)
            for gene in range(genes.start, genes.stop):
                rest, row = nothing[:, gene], found[gene - genes.start]
                for part, total in zip(parts, totals, strict=True):
                    left = part.gradient[:, gene]
                    row += _away_from(rest, part.q[..., gene], rows, left=left, values=part.v)
                    if reference is not None:
                        row -= total * _mean_away_from(rest, reference[..., gene], rows, left=left)
                row[gene] = 0
            found /= n_obs
        yield genes, found


def _away_from(rest: Tensor, q: Tensor, rows: _Rows, *, left: Tensor, values: Tensor) -> Tensor:
    r""":math:`\sum_c \sum_h g_h (A_{chj} - A^0_{hj}) v_{cj}`, from the queries of one gene."""
    (moved,) = (q != rest).any(1).nonzero(as_tuple=True)
    if not len(moved):
        return torch.zeros_like(values[0])
    values = values if len(moved) == len(values) else values[moved]
    away = rows.weighted_sum(q[moved], left.expand(len(moved), -1), values)
    return away - rows.weighted_sum(rest[None], left[None], values.sum(0, keepdim=True))


def _mean_away_from(rest: Tensor, q: Tensor, rows: _Rows, *, left: Tensor) -> Tensor:
    r""":math:`\sum_h g_h (\bar A_{hj} - A^0_{hj})` of the mean over cells."""
    (moved,) = (q != rest).any(1).nonzero(as_tuple=True)
    ones = torch.ones_like(rows.keys[:1])
    if not len(moved):
        return torch.zeros_like(ones[0])
    of_each = (left / len(q)).expand(len(moved), -1)
    away = rows.weighted_sum(q[moved], of_each, ones)
    return away - rows.weighted_sum(rest[None], of_each.sum(0, keepdim=True), ones)
