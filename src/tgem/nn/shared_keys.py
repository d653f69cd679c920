r"""Attention with keys that all cells share: what is known of the keys is computed once.

:func:`~tgem.nn.scalar_attention` expands its two sums, for each cell and head, in Chebyshev
polynomials of the query (:mod:`tgem.nn.linear_attention`),

.. math:: \sum_j e^{q \kappa_j - S(q)} v_j = \sum_r T_r(u) \sum_j C_{rj} v_j .

The coefficients :math:`C_{rj}` depend on the keys alone. Where these are the same in all cells, the
sums over genes are one matrix product for the whole batch, and the exponentials are taken once per
gene instead of once per gene and cell. What remains for each cell are the polynomials at its
queries.

The coefficients are computed in double precision, the polynomials and sums in that of the values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from tgem.nn.attention import Once, scalar_attention
from tgem.nn.exact_attention import scratch_elements, steps
from tgem.nn.kernels import largest_c, widened, without_autocast
from tgem.nn.linear_attention import LARGEST_C, ChebyshevKernel, centre_and_reach, expansion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.nn.kernels import Method

# A head whose queries are all 0 has no range to expand over. The inverse of this one is finite in
# single precision too, and queries below it look at all genes alike in any precision.
SMALLEST_REACH = 1e-30


class Expansion(NamedTuple):
    r"""What is known of the keys, for each head.

    Attributes
    ----------
    coefficients
        :math:`C`, ``(n_heads, n_terms, n_genes)``.
    kappa
        Keys less the middle of their range, ``(n_heads, n_genes)``.
    position
        The same over half the range, from -1 to 1.
    size
        :math:`b`, ``(n_heads, 1)``.
    sinh_per_query
        What a query is multiplied by to give :math:`\sinh U u`, ``(n_heads, 1)``.
    width
        :math:`U`.
    """

    coefficients: Tensor
    kappa: Tensor
    position: Tensor
    size: Tensor
    sinh_per_query: Tensor
    width: float

    def at(self, dtype: torch.dtype) -> Expansion:
        """The same in another precision."""
        coefficients, kappa, position, size, sinh_per_query = (p.to(dtype) for p in self[:5])
        return Expansion(coefficients, kappa, position, size, sinh_per_query, self.width)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def shared_key_attention(
    q: Tensor, k: Tensor, v: Tensor, *, method: Method = "auto", tolerance: float = 1e-8
) -> Tensor:
    """Attend to all other genes, with keys that all cells share and values that all heads share.

    Equal to ``scalar_attention(q, k, v.unsqueeze(-2))``, with less to compute.

    Parameters
    ----------
    q
        Queries, ``(n_obs, n_heads, n_genes)``; of a single cell, they serve all values.
    k
        Keys, ``(n_heads, n_genes)``.
    v
        Values, ``(n_obs, n_genes)``.
    method, tolerance
        As in :func:`~tgem.nn.scalar_attention`. Single precision is limited to 1e-6.

    Returns
    -------
    Attended values, ``(n_obs, n_heads, n_genes)``. Differentiable once.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import shared_key_attention
    >>> levels = torch.tensor([[0.0, 1.0, 2.0]])
    >>> shared_key_attention(levels[:, None], levels, levels)
    tensor([[[1.0000, 1.3305, 0.1173]]])
    """
    n_genes = q.shape[-1]
    q = q.expand(torch.broadcast_shapes(q.shape, (len(v), 1, 1)))  # type: ignore[no-untyped-call]
    if method == "exact" or 0 in q.shape:
        return scalar_attention(q, k, v.unsqueeze(-2), method=method, tolerance=tolerance)
    with without_autocast(q.device):
        c = largest_c(q, k, v)
        if v.dtype != torch.float64:
            tolerance = max(tolerance, 1e-6)
        n_terms, sinh_width = expansion(c, tolerance / n_genes)
        if c > LARGEST_C or (method == "auto" and n_terms > n_genes / 2):
            return scalar_attention(q, k, v.unsqueeze(-2), method=method, tolerance=tolerance)
        if not torch.is_grad_enabled():
            q, k, v = q.detach(), k.detach(), v.detach()
        attended: Tensor = _SharedKeyAttention.apply(q, k, v, n_terms, sinh_width)  # type: ignore[no-untyped-call]
    return attended


def expand_keys(k: Tensor, q_reach: Tensor, n_terms: int, sinh_width: float) -> Expansion:
    """Chebyshev coefficients of the kernel of each key, for queries up to ``q_reach``."""
    tiny = torch.finfo(k.dtype).tiny  # equal keys divide by zero
    q_reach = q_reach.clamp_min(SMALLEST_REACH)
    centre, reach = centre_and_reach(k)
    width = math.asinh(sinh_width)
    size = q_reach * reach / sinh_width
    position = (k - centre) / reach.clamp_min(tiny)
    order = torch.arange(n_terms, dtype=k.dtype, device=k.device)
    angle = (order + 0.5) * (math.pi / n_terms)
    transform = torch.outer(order, angle).cos_().mul_(2 / n_terms)
    transform[0] /= 2
    point = angle.cos().mul_(width)
    exponent = position.unsqueeze(-2) * point.sinh().unsqueeze(-1) - point.cosh().unsqueeze(-1)
    coefficients = transform @ exponent.mul_(size.unsqueeze(-1)).exp_()
    return Expansion(coefficients, k - centre, position, size, sinh_width / q_reach, width)


class _SharedKeyAttention(torch.autograd.Function):
    """The attention and its gradients; the backward pass makes the polynomials again."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, n_terms: int, sinh_width: float
    ) -> Tensor:
        q_reach = q.abs().amax((0, 2)).unsqueeze(-1)
        wide_k, wide_reach = widened(k, q_reach)
        keys = expand_keys(wide_k, wide_reach, n_terms, sinh_width).at(v.dtype)
        needs_slope = ctx.needs_input_grad[0]
        constants = [keys.coefficients.sum(-1)]
        weights = [_over_genes(v, keys.coefficients)]
        if needs_slope:
            with_kappa = keys.coefficients * keys.kappa.unsqueeze(-2)
            constants.append(with_kappa.sum(-1))
            weights.append(_over_genes(v, with_kappa))
        per_cell = [constant.expand_as(weights[0]) for constant in constants]
        sums = q.new_empty(*q.shape[:2], 2 * len(weights), q.shape[-1])
        stacked = torch.stack([*per_cell, *weights], dim=-2)
        for rows, polynomials in _polynomials(q, keys):
            torch.bmm(stacked.flatten(0, 1)[rows], polynomials, out=sums.flatten(0, 1)[rows])
        own = _own(q, keys)
        value = v.unsqueeze(-2)
        denominator, numerator = sums[:, :, 0], sums[:, :, len(constants)]
        z = (numerator - own * value) / denominator
        slope = None
        if needs_slope:
            over_kappa = sums[:, :, 3] - own * keys.kappa * value
            slope = (over_kappa - z * sums[:, :, 1]) / denominator
        ctx.save_for_backward(q, k, v, z, denominator.clone(), slope)
        ctx.keys = keys
        return z

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *_ = ctx.saved_tensors
        with torch.no_grad(), without_autocast(g.device):
            gradients = _gradients(ctx, g)
        if torch.is_grad_enabled():
            gradients = [
                d if d is None else Once.apply(d, g, q, k, v)  # type: ignore[no-untyped-call]
                for d in gradients
            ]
        return *gradients, None, None


def _gradients(ctx: Any, g: Tensor) -> list[Tensor | None]:
    """Gradients for q, k and v, as far as they are needed."""
    q, k, v, z, denominator, slope = ctx.saved_tensors
    keys: Expansion = ctx.keys
    needs_q, needs_k, needs_v, *_ = ctx.needs_input_grad
    dq = g * slope if needs_q else None
    if not (needs_k or needs_v):
        return [dq, None, None]
    scaled = g / denominator
    with_query = scaled * q
    weights = torch.stack([scaled, with_query, with_query * z], dim=-2)
    n_terms = keys.coefficients.shape[-2]
    terms = weights.new_empty(*q.shape[:2], 3, n_terms)
    for rows, polynomials in _polynomials(q, keys):
        torch.bmm(weights.flatten(0, 1)[rows], polynomials.mT, out=terms.flatten(0, 1)[rows])
    own = _own(q, keys)
    dv = dk = None
    if needs_v:
        flat = keys.coefficients.flatten(0, 1)
        dv = terms[:, :, 0].flatten(1) @ flat - (own * scaled).sum(1)
    if needs_k:
        with_values = (terms[:, :, 1].flatten(1).mT @ v).view_as(keys.coefficients)
        constant = terms[:, :, 2].sum(0).unsqueeze(-1)
        dk = ((with_values - constant) * keys.coefficients).sum(-2)
        dk = dk - (own * with_query * v.unsqueeze(-2)).sum(0)
        dk = dk.to(k.dtype)
    return [dq, dk, dv]


def _over_genes(v: Tensor, coefficients: Tensor) -> Tensor:
    """Sums of the coefficients over genes, weighted by each cell's values."""
    n_heads, n_terms, _ = coefficients.shape
    return (v @ coefficients.flatten(0, 1).mT).view(len(v), n_heads, n_terms)


def _own(q: Tensor, keys: Expansion) -> Tensor:
    """The kernel of each gene with itself."""
    sinh = q * keys.sinh_per_query
    return (keys.position * sinh).sub_(sinh.square().add_(1).sqrt_()).mul_(keys.size).exp_()


def _polynomials(q: Tensor, keys: Expansion) -> Iterator[tuple[slice, Tensor]]:
    """Polynomials at the queries, ``(rows, n_terms, n_genes)``: cells and heads, some at a time."""
    n_terms, n_genes = keys.coefficients.shape[1:]
    mapped = torch.asinh(q * keys.sinh_per_query).div_(keys.width).flatten(0, 1)
    at_once = max(1, scratch_elements(q.device) // (n_terms * n_genes))
    scratch = mapped.new_empty(min(len(mapped), at_once), n_terms, n_genes)
    for rows in steps(len(mapped), at_once):
        out = scratch[: rows.stop - rows.start]
        yield rows, ChebyshevKernel.polynomials(mapped[rows], out)
