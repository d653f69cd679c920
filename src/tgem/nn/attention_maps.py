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
queries and keys. :class:`MeanGeneMaps`, the mean over cells, has no such form and is added up in
tiles. :class:`DenseMaps` are small explicit maps, such as those of classes over genes.
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
from tgem.nn.averages import mean_attention_blocks
from tgem.nn.kernels import widened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.nn.kernels import Method

MOST_KEPT = 2**24  # weights of a mean map that is kept, 128 MB; beyond, tiles are made when needed
TILE = 512  # query genes


class Maps(Protocol):
    """Weights that average values over genes."""

    def average(self, values: Tensor) -> Tensor:
        """Weighted sums of `values` over their last dimension, the genes."""


class CellMaps(Maps, Protocol):
    """Maps of single cells, from which other maps can be made; the first dimension is cells."""

    def mean(self) -> Maps:
        """The mean map over the cells."""

    def shuffled(self, order: Tensor) -> Self:
        """The maps with the genes that are looked at permuted by ``(n_obs, n_genes)`` positions."""

    def uniform(self) -> Self:
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
    """

    given: Maps | None = None

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
    """The mean over cells of :class:`GeneMaps`, for each head; the diagonal is zero.

    A mean of rank-one softmaxes is none itself, so this is a matrix, made a tile of query genes
    at a time from the queries and keys of the cells. Up to :data:`MOST_KEPT` weights are kept;
    beyond, every call of :meth:`average` makes the tiles anew, which takes long: give it many
    cells at once. In double precision, as :func:`~tgem.nn.scalar_attention`: what is left of the
    attended values after a layer normalisation can be small differences.

    Parameters
    ----------
    q, k, method
        As in :class:`GeneMaps`.
    """

    q: Tensor
    k: Tensor
    method: Method = "auto"

    def average(self, values: Tensor) -> Tensor:
        """Attended values, ``(..., n_heads, n_genes)`` as `values`."""
        attended = torch.empty_like(values)
        (wide,) = widened(values)
        for genes, rows in self._kept if self.n_weights <= MOST_KEPT else self._tiles():
            attended[..., genes] = torch.einsum("hqg,...hg->...hq", rows, wide).to(values)
        return attended

    @property
    def n_weights(self) -> int:
        """Weights of the maps of all heads."""
        *_, n_heads, n_genes = self.q.shape
        return n_heads * n_genes**2

    @cached_property
    def _kept(self) -> list[tuple[slice, Tensor]]:
        return list(self._tiles())

    def _tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Query genes, and their rows in every head, ``(n_heads, n_queries, n_genes)``."""
        heads = [
            mean_attention_blocks(q, k, block=TILE, method=self.method)
            for q, k in zip(*(part.unbind(-2) for part in widened(self.q, self.k)), strict=True)
        ]
        for start in track(range(0, self.q.shape[-1], TILE), "Averaging attention maps"):
            rows = torch.stack([next(head)[1] for head in heads])
            yield slice(start, start + rows.shape[-2]), rows


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
