r"""Self-attention over genes whose tokens are scalars: the function and its gradients.

**The problem.** Each gene has a scalar query :math:`q_i`, key :math:`k_i` and value :math:`v_i`
and attends to every *other* gene,

.. math:: z_i = \sum_{j \ne i} A_{ij} v_j, \qquad A_{ij} = e^{q_i k_j} / \sum_l e^{q_i k_l}.

Its own weight is set to zero after the softmax, without renormalising. The row of gene *i*
depends on *i* only through the number :math:`q_i`:

.. math::

    z_i = \frac{N(q_i) - e^{q_i k_i} v_i}{D(q_i)}, \qquad
    D(q) = \sum_j e^{q k_j}, \qquad N(q) = \sum_j e^{q k_j} v_j .

So two smooth functions of one variable give all rows. :mod:`tgem.nn.linear_attention` expands
them in *r* Chebyshev polynomials of a mapped query, which costs :math:`O(G r)` for *G* genes;
:mod:`tgem.nn.exact_attention` adds all :math:`G^2` terms up, in blocks. Both work with a scaled
kernel :math:`e^{q_i k_j - S_i}`, whose shift :math:`S_i` keeps exponents from being positive and
cancels in every ratio. The rest, here, is the same for both.

**The gradients**, with :math:`g = \partial L / \partial z`:

.. math::

    \partial L / \partial q_i &= g_i \Big(
        \sum_{j \ne i} A_{ij} \kappa_j v_j - z_i \sum_j A_{ij} \kappa_j \Big) \\
    \partial L / \partial v_j &= \sum_{i \ne j} g_i A_{ij} \\
    \partial L / \partial k_j &= v_j \sum_{i \ne j} g_i q_i A_{ij} - \sum_i g_i q_i z_i A_{ij}

are sums over keys and over queries with the same kernel. Here :math:`\kappa` is the key less
any constant of the row, which cancels; the middle of the keys' range loses the fewest digits. The
points of the expansion count as constants: the function that it represents does not depend on
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tgem.nn.kernels import (
    as_rows,
    checked_shape,
    choose_kernel,
    largest_c,
    widened,
    without_autocast,
)
from tgem.nn.linear_attention import centre_and_reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tgem.nn.kernels import Kernel, Method


@torch.compiler.disable  # type: ignore[untyped-decorator]
def scalar_attention(
    q: Tensor, k: Tensor, v: Tensor, *, method: Method = "auto", tolerance: float = 1e-8
) -> Tensor:
    r"""Attend to all other genes: :math:`z_i = \sum_{j \ne i} \mathrm{softmax}_j(q_i k_j) v_j`.

    The weight of a gene on itself is set to zero after the softmax; the others are not scaled up.
    Computed in double precision whatever the input. Differentiable once. Reads one small tensor
    back from the device per call.

    Parameters
    ----------
    q, k, v
        Queries, keys and values, ``(..., n_genes)``. Leading dimensions are broadcast.
    method
        ``"exact"`` visits all pairs of genes in blocks. ``"linear"`` expands the sums in
        Chebyshev polynomials; where :math:`\max|q| (\max k - \min k)` exceeds its range, about
        8 million, it does as ``"exact"`` does. ``"auto"`` takes the faster one.
    tolerance
        Bound on the error that the expansion adds to the denominator of a row, and to its
        numerator per unit of value, both relative to the denominator: an output changes by at most
        about ``2 * tolerance * abs(v).max()``. The exact method ignores it.

    Returns
    -------
    Attended values of the broadcast shape, in the inputs' type.

    Raises
    ------
    ValueError
        If an input holds NaN or infinity, or shapes, method or tolerance do not fit.
    TypeError
        If an input is not real floating point.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import scalar_attention
    >>> expression = torch.tensor([[0.0, 1.0, 2.0]])
    >>> scalar_attention(expression, expression, expression)
    tensor([[1.0000, 1.3305, 0.1173]])

    Of three equal genes each gives the two others a third of its attention:

    >>> scalar_attention(torch.zeros(3), torch.zeros(3), torch.ones(3))
    tensor([0.6667, 0.6667, 0.6667])
    """
    shape = checked_shape(method, tolerance, q=q, k=k, v=v)
    dtype = torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)
    if 0 in shape:
        return (q * k * v).to(dtype)  # empty, and still part of the graph
    if not torch.is_grad_enabled():
        q, k, v = q.detach(), k.detach(), v.detach()
    with without_autocast(q.device):
        wide = widened(q, k, v)
        in_double = wide[0].dtype == torch.float64
        kernel_of = choose_kernel(
            largest_c(*wide), shape[-1], method, tolerance, in_double=in_double
        )
        rows = as_rows(shape, *wide)
        attended: Tensor = _ScalarAttention.apply(*rows, kernel_of)  # type: ignore[no-untyped-call]
        return attended.view(shape).to(dtype)


class _ScalarAttention(torch.autograd.Function):
    """The attention and its gradients from sums with a kernel, which the backward pass rebuilds."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, kernel_of: Callable[[Tensor, Tensor], Kernel]
    ) -> Tensor:
        kernel = kernel_of(q, k)
        kappa = k - centre_and_reach(k)[0]
        weights = [torch.ones_like(v), v]
        if ctx.needs_input_grad[0]:
            weights += [kappa, kappa * v]
        sums = kernel.over_keys(torch.stack(weights, 1)).unbind(1)
        own = kernel.diagonal()
        denominator = sums[0] + own
        z = sums[1] / denominator
        slope = None
        if ctx.needs_input_grad[0]:
            slope = (sums[3] - z * (sums[2] + own * kappa)) / denominator
        ctx.save_for_backward(q, k, v, z, denominator, slope)
        ctx.kernel_of = kernel_of
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
        return *gradients, None


def _gradients(ctx: Any, g: Tensor) -> list[Tensor | None]:
    """Gradients for q, k and v, as far as they are needed."""
    q, k, v, z, denominator, slope = ctx.saved_tensors
    needs_q, needs_k, needs_v, _ = ctx.needs_input_grad
    dq = g * slope if needs_q else None
    if not (needs_k or needs_v):
        return [dq, None, None]
    kernel = ctx.kernel_of(q, k)
    scaled = g / denominator
    weights = [scaled] if needs_v else []
    if needs_k:
        weights += [scaled * q, scaled * q * z]
    sums = kernel.over_queries(torch.stack(weights, 1)).unbind(1)
    dk = v * sums[-2] - sums[-1] - kernel.diagonal() * weights[-1] if needs_k else None
    return [dq, dk, sums[0] if needs_v else None]


class Once(torch.autograd.Function):
    """Passes a gradient on and refuses to differentiate it.

    torch's ``once_differentiable`` refuses only where the incoming gradient has a graph; a
    penalty on an input gradient would silently lack the part that runs through the attention.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *_sources: Tensor) -> Tensor:
        """The gradient as it is."""
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        """Refuse."""
        msg = (
            "scalar_attention is differentiable once; a loss cannot contain its gradient. Detach "
            "the gradient, or write the attention with torch.softmax, in quadratic time."
        )
        raise RuntimeError(msg)
