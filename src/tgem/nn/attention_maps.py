r"""Attention maps as objects, so that a network can be run with maps that are not its own.

Whether attention matters is a question about *maps*: what happens if a cell's values are averaged
with another map than the one that the cell made itself? So a layer with attention is written as a
**site** (:class:`AttentionSite`) of two steps,

- ``maps(*states)``: from the hidden states to the maps, before any value is looked at;
- ``attend(maps, *states)``: average the values of the hidden states with maps, whosever they are;

and ``forward`` is ``attend(maps(*states), *states)`` unless maps were :attr:`~AttentionSite.given`
from outside. :mod:`tgem.nn.swapped_attention` gives them. A site thus needs no case for a mean,
shuffled or uniform map: these are other maps.

Maps need not exist as matrices. A site returns the smallest thing that can

- ``average(values)``: what :class:`Maps` promises;
- ``mean()``, ``shuffled(order)``, ``uniform()``, ``[cells]``: make other maps, if they are the maps
  of single cells (:class:`CellMaps`).

:class:`GeneMaps` are queries and keys, averaged in linear time: all but their mean are again
queries and keys. :class:`MeanGeneMaps`, the mean over cells, has no such form but is linear too.
:class:`DenseMaps` are small explicit maps, such as those of classes over genes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch import Tensor, nn

from tgem._core.progress import track
from tgem.nn.attention import scalar_attention
from tgem.nn.averages import mean_attention
from tgem.nn.exact_attention import steps
from tgem.nn.kernels import denominators, rows_and_kernel, widened, without_autocast

if TYPE_CHECKING:
    from tgem.nn.kernels import Method

MOST_KEPT = 2**24  # weights of a mean map that is kept as a matrix, 128 MB
AT_ONCE = 2**21  # values averaged in one product: work areas of this size are used again
TOLERANCE = 1e-8  # as scalar_attention's


class Maps(Protocol):
    """Weights that average values over genes."""

    def average(self, values: Tensor) -> Tensor:
        """Weighted sums of `values` over their last dimension, the genes."""


class CellMaps(Maps, Protocol):
    """Maps of single cells, from which other maps can be made; the first dimension is cells."""

    def mean(self) -> Maps:
        """The mean map over the cells."""

    def shuffled(self, order: Tensor) -> CellMaps:
        """The maps with the genes that are looked at permuted by ``(n_obs, n_genes)`` positions."""

    def uniform(self) -> CellMaps:
        """Maps of the same shape that look at all genes alike."""

    def __getitem__(self, cells: Tensor) -> Self:
        """The maps of some cells."""


class AttentionSite(nn.Module):
    """A layer that averages values with attention maps, its own or those it is given.

    Attributes
    ----------
    given
        Maps to use instead of the layer's own, or ``None``. See
        :func:`~tgem.nn.swapped_attention.swapped`.
    recorded
        Whether the states that it is called with are being recorded.
    """

    given: Maps | None = None
    recorded: bool = False

    @property
    def is_looked_at(self) -> bool:
        """Whether a network must run this layer even if its output does not depend on it."""
        return self.recorded or self.given is not None

    @abstractmethod
    def maps(self, *states: Tensor) -> CellMaps:
        """The layer's own maps of each cell."""

    @abstractmethod
    def attend(self, maps: Maps, *states: Tensor) -> Tensor:
        """The layer's output, its values averaged with any maps."""

    def forward(self, *states: Tensor) -> Tensor:
        """The layer's output with its own maps, or with the maps given."""
        return self.attend(self.maps(*states) if self.given is None else self.given, *states)


@dataclass(frozen=True)
class GeneMaps:
    r"""Maps of every gene over all others, :math:`\mathrm{softmax}_j(q_i k_j)`, diagonal zero.

    Whatever is done to queries and keys, the diagonal is set to zero after the softmax.

    Parameters
    ----------
    q, k
        Queries and keys, ``(n_obs, n_heads, n_genes)``.
    method
        As in :func:`~tgem.nn.scalar_attention`.
    """

    q: Tensor
    k: Tensor
    method: Method = "auto"

    def average(self, values: Tensor) -> Tensor:
        """Attended values, ``(n_obs, n_heads, n_genes)`` as `values`; in linear time."""
        return scalar_attention(self.q, self.k, values, method=self.method)

    def mean(self) -> MeanGeneMaps:
        """The mean over cells, head by head."""
        return MeanGeneMaps(self.q, self.k, self.method)

    def shuffled(self, order: Tensor) -> Self:
        """The keys permuted: gene *i* looks at *j* as it looked at ``order[j]``, unless it is *i*.

        All queries and heads of a cell share its permutation.
        """
        keys = self.k.gather(-1, order.unsqueeze(-2).expand(self.k.shape))
        return replace(self, k=keys)

    def uniform(self) -> Self:
        """Each gene gives every other gene the weight 1 / n_genes."""
        return replace(self, q=torch.zeros_like(self.q), k=torch.zeros_like(self.k))

    def __getitem__(self, cells: Tensor) -> Self:
        """The maps of some cells."""
        return replace(self, q=self.q[cells], k=self.k[cells])


@dataclass(frozen=True)
class MeanGeneMaps:
    r"""The mean over cells of :class:`GeneMaps`, for each head; the diagonal is zero.

    A mean of rank-one softmaxes is none itself. Up to :data:`MOST_KEPT` weights, it is made once,
    as a matrix. Beyond, it is never made: the mean of the averages is the average of the mean,

    .. math:: \sum_j \bar A_{ij} v_j = \frac 1 n \sum_c \sum_j A^c_{ij} v_j,

    and one cell's map averages the values of many others at the cost of a matrix product with
    few rows, so that time grows linearly with genes, with the cells of the mean and with the
    cells averaged.

    Computed in double precision, as :func:`~tgem.nn.scalar_attention`: a layer normalisation that
    follows can bring small differences between attended values to any size.

    Parameters
    ----------
    q, k, method
        As in :class:`GeneMaps`.
    """

    q: Tensor
    k: Tensor
    method: Method = "auto"

    @torch.no_grad()
    def average(self, values: Tensor) -> Tensor:
        """Attended values, ``(n_obs, n_heads, n_genes)`` as `values`; no gradients flow."""
        by_head = widened(values)[0].transpose(0, 1).contiguous()
        *_, n_heads, n_genes = self.q.shape
        with without_autocast(values.device):
            if n_heads * n_genes**2 <= MOST_KEPT:
                attended = by_head @ self._matrix.mT
            else:
                attended = self._mean_of_averages(by_head)
        return attended.transpose(0, 1).to(values)

    @cached_property
    def _matrix(self) -> Tensor:
        """The mean map of each head, ``(n_heads, n_genes, n_genes)``."""
        heads = zip(*(part.unbind(-2) for part in widened(self.q, self.k)), strict=True)
        return torch.stack([mean_attention(q, k, method=self.method) for q, k in heads])

    def _mean_of_averages(self, values: Tensor) -> Tensor:
        """Average ``(n_heads, n_obs, n_genes)`` with the map of one cell after the other."""
        total = torch.zeros_like(values)
        n_cells, n_heads, n_genes = self.q.shape
        blocks = list(steps(values.shape[1], max(1, AT_ONCE // n_genes)))
        for cell in track(range(n_cells), "Averaging with each attention map"):
            for head in range(n_heads):
                row = self.q[cell, head], self.k[cell, head]
                q, _, kernel = rows_and_kernel(
                    row[0].shape, *row, method=self.method, tolerance=TOLERANCE
                )
                share = denominators(kernel, q).mul_(n_cells).reciprocal_()
                for block in blocks:
                    sums = kernel.over_keys(values[head : head + 1, block])
                    total[head, block].addcmul_(sums[0], share)
        return total


@dataclass(frozen=True)
class DenseMaps:
    """Explicit maps over genes, such as one per class.

    Parameters
    ----------
    weights
        ``(n_obs, n_maps, n_genes)``, or ``(n_maps, n_genes)`` for all cells alike. They may have
        either sign.
    """

    weights: Tensor

    def average(self, values: Tensor) -> Tensor:
        """Weighted sums of ``(n_obs, n_genes)``: ``(n_obs, n_maps)``."""
        return torch.einsum("...mg,...g->...m", self.weights, values)

    def mean(self) -> Self:
        """The mean over cells."""
        return replace(self, weights=self.weights.mean(0))

    def shuffled(self, order: Tensor) -> Self:
        """The genes permuted, in the same way for all maps of a cell."""
        genes = order.unsqueeze(-2).expand(self.weights.shape)
        return replace(self, weights=self.weights.gather(-1, genes))

    def uniform(self) -> Self:
        """The same total weight, spread evenly: 1 / n_genes each for a softmax.

        A difference of two softmaxes becomes 0.
        """
        return replace(self, weights=self.weights.mean(-1, keepdim=True).expand_as(self.weights))

    def __getitem__(self, cells: Tensor) -> Self:
        """The maps of some cells."""
        return replace(self, weights=self.weights[cells])
