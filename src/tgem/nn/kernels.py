"""Which sums scalar attention is made of, and which of the two ways adds them up.

:mod:`tgem.nn.attention`, its statistics, its average and its attribution all read the same sums;
what they share before the first sum is here: checks, precision, choice of the method.
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
_SMALLEST_ERROR = 1e-14  # of the expansion per key; rounding is of that size


class Kernel(Protocol):
    r"""Sums over *other* genes with :math:`e^{q_i k_j - S_i}`, whose shift cancels in ratios."""

    def over_keys(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{j \ne i} e^{q_i k_j - S_i} w_j`."""

    def over_queries(self, weights: Tensor) -> Tensor:
        r""":math:`\sum_{i \ne j} w_i e^{q_i k_j - S_i}`."""

    def over_rows(self, queries: slice, left: Tensor, right: Tensor | None = None) -> Tensor:
        r""":math:`\sum_n l_{ni} e^{q_{ni} k_{nj} - S_{ni}} r_{nj}` for a block of queries."""

    def diagonal(self) -> Tensor:
        r""":math:`e^{q_i k_i - S_i}`."""

    def excess(self) -> Tensor:
        r""":math:`S_i - \max_l q_i k_l`."""


def checked_shape(method: str, tolerance: float, **tensors: Tensor) -> torch.Size:
    """Broadcast the shapes of the inputs, or say what does not fit."""
    if method not in get_args(Method):
        msg = f"method is {method!r}; choose one of {', '.join(map(repr, get_args(Method)))}"
        raise ValueError(msg)
    if not 0 < tolerance < 1:
        msg = f"tolerance is {tolerance}; expected a number between 0 and 1, such as 1e-8"
        raise ValueError(msg)
    names = ", ".join(tensors)
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        found = ", ".join(str(tensor.dtype) for tensor in tensors.values())
        msg = f"expected real floating-point {names}; found {found}"
        raise TypeError(msg)
    shapes = [tuple(tensor.shape) for tensor in tensors.values()]
    msg = (
        f"expected {names} of shape (..., n_genes) with equal n_genes and leading dimensions that "
        f"broadcast; found {', '.join(map(str, shapes[:-1]))} and {shapes[-1]}"
    )
    if len({shape[-1:] for shape in shapes} | {()}) != 2:
        raise ValueError(msg)
    try:
        return torch.Size(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ValueError(msg) from error


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keep autocast from lowering the precision of the sums."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def widened(*tensors: Tensor) -> list[Tensor]:
    """Convert to the precision of the sums: double, where the device has it."""
    working = torch.float32 if tensors[0].device.type == "mps" else torch.float64
    return [tensor.to(working) for tensor in tensors]


def as_rows(shape: torch.Size, *tensors: Tensor) -> list[Tensor]:
    """Broadcast to `shape` and flatten to ``(n_rows, n_genes)``; autograd adds gradients up."""
    return [tensor.expand(shape).reshape(-1, shape[-1]) for tensor in tensors]


@torch.no_grad()
def largest_c(q: Tensor, k: Tensor, v: Tensor | None = None) -> float:
    """Find the largest *c* of all rows. The only read from the device, so it sees NaN as well."""
    q_reach = q.abs().amax(-1, keepdim=True)
    k_centre, k_reach = centre_and_reach(k)
    extremes = [(q_reach * k_reach).amax(), q_reach.amax(), k_reach.amax(), k_centre.abs().amax()]
    if v is not None:
        extremes.append(v.abs().amax())
    largest_product, *others = torch.stack(extremes).tolist()
    if all(map(math.isfinite, others)):
        return float(largest_product)

    found = []
    named = {"q": q, "k": k} if v is None else {"q": q, "k": k, "v": v}
    for name, tensor in named.items():
        bad = ~tensor.isfinite()
        if bad.any():
            n_nan, n_bad = int(tensor.isnan().sum()), int(bad.sum())
            first = tuple(bad.nonzero()[0].tolist())
            found.append(
                f"{name} of shape {tuple(tensor.shape)} holds {n_nan} NaN and {n_bad - n_nan} "
                f"infinite values, the first at {first}"
            )
    msg = (
        f"attention needs finite numbers; {'; '.join(found)}. Either the expression values "
        "hold missing or infinite numbers (look with torch.isfinite(x).all()), or training has "
        "diverged (lower the learning rate or clip the gradients)."
    )
    raise ValueError(msg)


def choose_kernel(
    c: float,
    n_genes: int,
    method: Method,
    tolerance: float,
    *,
    in_double: bool,
    most_terms: float = math.inf,
) -> Callable[[Tensor, Tensor], Kernel]:
    """Choose the kernel for rows whose largest *c* is given; "auto" up to `most_terms` terms."""
    beyond = c > (LARGEST_C if in_double else _LARGEST_C_SINGLE)
    if method == "exact" or beyond or n_genes == 1:  # a single gene gives exactly 0
        return ExactKernel
    if not in_double:
        tolerance = max(tolerance, _SMALLEST_TOLERANCE_SINGLE)
    n_terms, sinh_width = expansion(c, tolerance / n_genes)
    # Up to a third of the genes the expansion is the faster of the two.
    if method == "auto" and n_terms > min(n_genes / 3, most_terms):
        return ExactKernel
    return partial(ChebyshevKernel, n_terms=n_terms, sinh_width=sinh_width)


@torch.no_grad()
def rows_and_kernel(
    shape: torch.Size,
    q: Tensor,
    k: Tensor,
    *,
    method: Method,
    tolerance: float,
    most_terms: float = math.inf,
    for_scores: bool = False,
) -> tuple[Tensor, Tensor, Kernel]:
    """Queries and keys as rows, without gradients, and the kernel that adds up over them.

    Where sums of scores are wanted, their size multiplies the error of the weights.
    """
    wide = widened(q, k)
    c, n_genes = largest_c(*wide), shape[-1]
    if for_scores:
        tolerance = max(tolerance / (1 + 2 * c), min(tolerance, _SMALLEST_ERROR * n_genes))
    in_double = wide[0].dtype == torch.float64
    kernel_of = choose_kernel(
        c, n_genes, method, tolerance, in_double=in_double, most_terms=most_terms
    )
    q, k = as_rows(shape, *wide)
    return q, k, kernel_of(q, k)


def denominators(kernel: Kernel, like: Tensor) -> Tensor:
    r""":math:`\sum_j e^{q_i k_j - S_i}` over all keys, ``(n_rows, n_genes)`` as `like`."""
    others = kernel.over_keys(torch.ones_like(like).unsqueeze(1)).squeeze(1)
    return others.add_(kernel.diagonal())
