r"""The sums of scalar attention as Chebyshev series, in time linear in the number of genes.

**The expansion.** With the symbols of :mod:`tgem.nn.attention`, let
:math:`\kappa_j = k_j - (k_{\max} + k_{\min}) / 2`, let
:math:`R = (k_{\max} - k_{\min}) / 2` be half the range of the keys, :math:`s_j = \kappa_j / R`,
:math:`Q = \max_i |q_i|` and :math:`c = Q R`. Map the queries to :math:`u \in [-1, 1]` by

.. math:: q = \delta \sinh(U u), \qquad U = \operatorname{asinh}(c / d), \qquad
          \delta = Q / \sinh U, \qquad b = \delta R

with *d* = 8 up to *c* = 24 and 4 beyond, and divide by the soft maximum
:math:`S(q) = R \sqrt{q^2 + \delta^2} = b \cosh(U u)`. The scaled kernel

.. math:: e^{q \kappa_j - S(q)} = e^{b (s_j \sinh U u - \cosh U u)}

is entire in *u* and bounded by 1 where :math:`|\mathrm{Im}\, U u| < \pi / 2`, whatever the key.
Its Chebyshev series therefore converges geometrically at a rate that depends on *c* only through
its logarithm: :math:`r \sim \log c \, \log 1/\varepsilon`. No exponent is positive, so nothing
overflows, and one set of points serves queries of both signs. *N* and *D* are expanded
separately; their ratio has poles near the real axis and would not converge. One *U* serves all
rows of a batch, as a row with a smaller *c* only has a smaller *b*.

**The number of terms.** ``_TERMS`` holds, for :math:`c = 2^{-3}, 2^{-2}, \dots, 2^{22}`, the
smallest *r* whose error per key stays below :math:`\varepsilon`: the largest difference between
series and kernel over all queries and all positions of a key, relative to the term of the
extremal key, found on a fine grid in extended precision. The denominator holds the extremal key's
term, so the error of a sum over *G* keys, relative to the denominator, is at most
:math:`G \varepsilon`, and :math:`\varepsilon = \mathrm{tolerance} / G`. In between, *r* is
interpolated in :math:`\log c` and :math:`\log \varepsilon`; between the entries, and down to
:math:`\varepsilon = 10^{-14}`, the error found in the same way is below
:math:`0.8\, \varepsilon` wherever extended precision resolves it.

The cost is that of :math:`2 G r` kernel values and polynomials per pass, recomputed in the backward
pass, so that memory is linear in *G* too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tgem.nn.exact_attention import scratch_elements, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_TERMS = {
    1e-6: (4, 5, 6, 7, 9, 11, 16, 22, 29, 37, 43, 51, 59, 65, 73, 79, 87, 95, 103, 109, 117, 125,
           131, 139, 147, 153),
    1e-10: (6, 7, 8, 10, 12, 16, 22, 31, 43, 55, 65, 77, 88, 99, 111, 121, 133, 145, 157, 167, 179,
            189, 201, 211, 225, 235),
}  # fmt: skip
_SMALLEST_C = 2.0**-3
LARGEST_C = 2.0**22
_INNER_SIZE = 256  # of a matrix product: far less would only move the result to and fro


def expansion(c: float, error: float) -> tuple[int, float]:
    """Say how many terms keep the error per key below `error`, and with which sinh U."""
    c = max(c, _SMALLEST_C)
    error = min(error, 1e-6)
    (coarse_error, coarse), (fine_error, fine) = _TERMS.items()
    place = math.log2(c / _SMALLEST_C)
    left = min(int(place), len(coarse) - 2)
    at_coarse, at_fine = (
        row[left] + (row[left + 1] - row[left]) * (place - left) for row in (coarse, fine)
    )
    digits = math.log(coarse_error / error) / math.log(coarse_error / fine_error)
    # The number of terms is slightly concave in the digits: 2 % and one more cover that.
    n_terms = math.ceil(1.02 * (at_coarse + (at_fine - at_coarse) * digits)) + 1
    return max(n_terms, 4), c / (8.0 if c <= 24 else 4.0)


class ChebyshevKernel:
    """The kernel expanded in `n_terms` Chebyshev polynomials of the mapped query.

    Parameters
    ----------
    q, k
        Queries and keys, ``(n_rows, n_genes)``.
    n_terms
        Terms of the series, *r*.
    sinh_width
        sinh U, at least *c / d* of every row.
    """

    def __init__(self, q: Tensor, k: Tensor, *, n_terms: int, sinh_width: float) -> None:
        tiny = torch.finfo(q.dtype).tiny  # a row of equal keys or zero queries divides by zero
        k_centre, k_reach = centre_and_reach(k)
        q_reach = q.abs().amax(-1, keepdim=True)
        width = math.asinh(sinh_width)
        self._b = q_reach * k_reach / sinh_width
        self._s = (k - k_centre).div_(k_reach.clamp_min(tiny))
        self._sinh = q.div(q_reach.clamp_min(tiny)).mul_(sinh_width)
        self._u = torch.asinh(self._sinh).div_(width)

        # Chebyshev points, and the cosine transform from values there to coefficients.
        order = torch.arange(n_terms, dtype=q.dtype, device=q.device)
        angle = (order + 0.5) * (math.pi / n_terms)
        self._transform = torch.outer(order, angle).cos_().mul_(2 / n_terms)
        self._transform[0] /= 2
        point = angle.cos().mul_(width)
        self._slope = (self._b * point.sinh()).unsqueeze(-1)
        self._shift = (self._b * point.cosh()).neg_().unsqueeze(-1)

    def over_keys(self, weights: Tensor) -> Tensor:
        """Sum over other keys: at the points, transformed, evaluated at all queries."""
        sums = torch.empty_like(weights)
        for rows, scratch in self._chunks():
            at_points = weights[rows] @ self._kernel_at_points(rows, scratch).mT
            coefficients = at_points @ self._transform.mT
            torch.bmm(coefficients, self.polynomials(self._u[rows], scratch), out=sums[rows])
        return sums.sub_(self.diagonal().unsqueeze(1) * weights)

    def over_queries(self, weights: Tensor) -> Tensor:
        """Apply the transpose of :meth:`over_keys`."""
        sums = torch.empty_like(weights)
        for rows, scratch in self._chunks():
            coefficients = weights[rows] @ self.polynomials(self._u[rows], scratch).mT
            at_points = coefficients @ self._transform
            torch.bmm(at_points, self._kernel_at_points(rows, scratch), out=sums[rows])
        return sums.sub_(self.diagonal().unsqueeze(1) * weights)

    def over_rows(self, queries: slice, left: Tensor, right: Tensor | None = None) -> Tensor:
        r""":math:`\sum_n l_{ni} e^{q_{ni} k_{nj} - S_{ni}} r_{nj}`: a product of the factors.

        `left` is ``(n_rows, n_queries)``, `right` is ``(n_rows, n_genes)``; the result is
        ``(n_queries, n_genes)`` with zeros on the diagonal.
        """
        n_queries, n_terms = left.shape[-1], len(self._transform)
        total = left.new_zeros(n_queries, self._u.shape[-1])
        for rows, scratch in self._chunks(_INNER_SIZE):
            kernel = self._kernel_at_points(rows, scratch)
            if right is not None:
                kernel *= right[rows, None]
            basis = left.new_empty(len(kernel), n_terms, n_queries)
            basis = self._transform.mT @ self.polynomials(self._u[rows, queries], basis)
            basis *= left[rows, None]
            total.addmm_(basis.flatten(0, 1).mT, kernel.flatten(0, 1))
        total.diagonal(queries.start).zero_()
        return total

    def diagonal(self) -> Tensor:
        """Give the kernel of each gene with itself, not expanded."""
        soft_maximum = self._sinh.square().add_(1).sqrt_()
        return (self._s * self._sinh).sub_(soft_maximum).mul_(self._b).exp_()

    def excess(self) -> Tensor:
        r""":math:`S_i - \max_l q_i k_l = b e^{-|U u_i|}`, without the difference."""
        soft_maximum = self._sinh.square().add_(1).sqrt_()
        return self._b / soft_maximum.add_(self._sinh.abs())

    def _chunks(self, inner_size: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows, and a work area ``(rows, n_terms, n_genes)`` for each, used again.

        A product over rows and terms asks for an inner size, whatever that takes.
        """
        n_rows, n_genes = self._u.shape
        n_terms = len(self._transform)
        limit = max(scratch_elements(self._u.device), inner_size * n_genes)
        at_once = max(1, limit // (n_terms * n_genes))
        scratch = self._u.new_empty(min(n_rows, at_once), n_terms, n_genes)
        return ((rows, scratch[: rows.stop - rows.start]) for rows in steps(n_rows, at_once))

    def _kernel_at_points(self, rows: slice, out: Tensor) -> Tensor:
        keys = self._s[rows].unsqueeze(-2)
        return torch.addcmul(self._shift[rows], self._slope[rows], keys, out=out).exp_()

    @staticmethod
    def polynomials(u: Tensor, out: Tensor) -> Tensor:
        """T_0 ... T_(r-1) at the queries; each pass doubles how many are known."""
        out[:, 0] = 1
        out[:, 1] = u
        known, n_terms = 1, out.shape[1]
        while known < n_terms - 1:
            new = min(known, n_terms - 1 - known)
            target = out[:, known + 1 : known + new + 1]
            # T_(n+m) = 2 T_n T_m - T_(n-m)
            torch.mul(out[:, 1 : new + 1], 2 * out[:, known : known + 1], out=target)
            target -= out[:, known - new : known].flip(1)
            known += new
        return out


def centre_and_reach(values: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and half the range of each row; halved first, so that nothing overflows."""
    low, high = torch.aminmax(values, dim=-1, keepdim=True)
    return high / 2 + low / 2, high / 2 - low / 2
