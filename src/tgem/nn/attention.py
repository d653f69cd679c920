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

import math
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import torch

from tgem.nn.exact_attention import ExactKernel
from tgem.nn.linear_attention import LARGEST_C, ChebyshevKernel, centre_and_reach, expansion

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Method = Literal["auto", "linear", "exact"]

_LARGEST_C_SINGLE = 8.0  # beyond, rounding in single precision shows in the gradients
_SMALLEST_TOLERANCE_SINGLE = 1e-6


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
    shape = _checked_shape(q, k, v, method=method, tolerance=tolerance)
    dtype = torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)
    if 0 in shape:
        return (q * k * v).to(dtype)  # empty, and still part of the graph
    if not torch.is_grad_enabled():
        q, k, v = q.detach(), k.detach(), v.detach()
    working = torch.float32 if q.device.type == "mps" else torch.float64
    with _without_autocast(q.device):
        wide = [tensor.to(working) for tensor in (q, k, v)]
        c = _largest_product(*wide)
        kernel_of = _choose(c, shape[-1], method, tolerance, in_double=working == torch.float64)
        # Broadcasting happens here, so that autograd adds the gradients up.
        rows = [tensor.expand(shape).reshape(-1, shape[-1]) for tensor in wide]
        attended: Tensor = _ScalarAttention.apply(*rows, kernel_of)  # type: ignore[no-untyped-call]
        return attended.view(shape).to(dtype)


class Kernel(Protocol):
    r"""Sums over *other* genes with :math:`e^{q_i k_j - S_i}`, whose shift cancels in ratios."""

    def over_keys(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{j \ne i} e^{q_i k_j - S_i} w_j`."""

    def over_queries(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{i \ne j} w_i e^{q_i k_j - S_i}`."""

    def diagonal(self) -> Tensor:
        r""":math:`e^{q_i k_i - S_i}`."""


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
        with torch.no_grad(), _without_autocast(g.device):
            gradients = _gradients(ctx, g)
        if torch.is_grad_enabled():
            gradients = [
                d if d is None else _Once.apply(d, g, q, k, v)  # type: ignore[no-untyped-call]
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


class _Once(torch.autograd.Function):
    """Passes a gradient on and refuses to differentiate it.

    torch's ``once_differentiable`` refuses only where the incoming gradient has a graph; a
    penalty on an input gradient would silently lack the part that runs through the attention.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *_sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        msg = (
            "scalar_attention is differentiable once; a loss cannot contain its gradient. Detach "
            "the gradient, or write the attention with torch.softmax, in quadratic time."
        )
        raise RuntimeError(msg)


def _checked_shape(q: Tensor, k: Tensor, v: Tensor, *, method: str, tolerance: float) -> torch.Size:
    """Broadcast the shapes of the inputs, or say what does not fit."""
    if method not in get_args(Method):
        msg = f"method is {method!r}; choose one of {', '.join(map(repr, get_args(Method)))}"
        raise ValueError(msg)
    if not 0 < tolerance < 1:
        msg = f"tolerance is {tolerance}; expected a number between 0 and 1, such as 1e-8"
        raise ValueError(msg)
    if not (q.is_floating_point() and k.is_floating_point() and v.is_floating_point()):
        msg = f"expected real floating-point q, k, v; found {q.dtype}, {k.dtype}, {v.dtype}"
        raise TypeError(msg)
    shapes = [tuple(tensor.shape) for tensor in (q, k, v)]
    msg = (
        "expected q, k, v of shape (..., n_genes) with equal n_genes and leading dimensions that "
        f"broadcast; found {shapes[0]}, {shapes[1]} and {shapes[2]}"
    )
    if len({shape[-1:] for shape in shapes} | {()}) != 2:
        raise ValueError(msg)
    try:
        return torch.Size(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ValueError(msg) from error


@torch.no_grad()
def _largest_product(q: Tensor, k: Tensor, v: Tensor) -> float:
    """Find the largest *c* of all rows. The only read from the device, so it sees NaN as well."""
    q_reach = q.abs().amax(-1, keepdim=True)
    k_centre, k_reach = centre_and_reach(k)
    c = (q_reach * k_reach).amax()
    extremes = torch.stack(
        [c, q_reach.amax(), k_reach.amax(), k_centre.abs().amax(), v.abs().amax()]
    )
    largest_product, *others = extremes.tolist()
    if all(map(math.isfinite, others)):
        return float(largest_product)

    found = []
    for name, tensor in zip("qkv", (q, k, v), strict=True):
        bad = ~tensor.isfinite()
        if bad.any():
            n_nan, n_bad = int(tensor.isnan().sum()), int(bad.sum())
            first = tuple(bad.nonzero()[0].tolist())
            found.append(
                f"{name} of shape {tuple(tensor.shape)} holds {n_nan} NaN and {n_bad - n_nan} "
                f"infinite values, the first at {first}"
            )
    msg = (
        f"scalar_attention needs finite numbers; {'; '.join(found)}. Either the expression values "
        "hold missing or infinite numbers (look with torch.isfinite(x).all()), or training has "
        "diverged (lower the learning rate or clip the gradients)."
    )
    raise ValueError(msg)


def _choose(
    c: float, n_genes: int, method: Method, tolerance: float, *, in_double: bool
) -> Callable[[Tensor, Tensor], Kernel]:
    """Choose the kernel for rows whose largest *c* is given."""
    beyond = c > (LARGEST_C if in_double else _LARGEST_C_SINGLE)
    if method == "exact" or beyond or n_genes == 1:  # a single gene gives exactly 0
        return ExactKernel
    if not in_double:
        tolerance = max(tolerance, _SMALLEST_TOLERANCE_SINGLE)
    n_terms, sinh_width = expansion(c, tolerance / n_genes)
    if method == "auto" and 3 * n_terms > n_genes:  # where the two take about the same time
        return ExactKernel
    return partial(ChebyshevKernel, n_terms=n_terms, sinh_width=sinh_width)


def _without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
