r"""Integrated Gradients of the attention maps of one site of any network.

:mod:`tgem.nn.attribution` needs the rest of the network as a function of the attended values. An
:class:`~tgem.nn.attention_maps.AttentionSite` gives it: whatever maps a site is given, it asks them
to average its values. Maps that answer with values chosen beforehand turn the network into that
function. Sites that come before are given their own averages, so that nothing of them is computed
again; sites that come after make their own maps of what they then read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tgem.nn.attention_maps import GeneMaps
from tgem.nn.attribution import AttentionAttribution, mean_gradient, value_of
from tgem.nn.context import SharedKeyMaps
from tgem.nn.swapped_attention import own_maps, swapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from tgem.nn.attention_maps import CellMaps, Maps, MeanGeneMaps

# Cells whose attributions miss the change of the output by more than this share of it are walked
# again in more steps.
SMALL_RESIDUAL = 0.01
REFINEMENTS = (4,)
# A cell whose output hardly changes is not walked again for a share of next to nothing.
SMALLEST_CHANGE = 1e-6

GeneToGeneMaps = GeneMaps | SharedKeyMaps


def between_genes(maps: CellMaps) -> GeneToGeneMaps:
    """The maps, if genes look at genes in them."""
    if not isinstance(maps, GeneToGeneMaps):
        msg = (
            "Expected attention of genes to genes, with queries and keys of every gene, got "
            f"{type(maps).__name__}."
        )
        raise TypeError(msg)
    return maps


@dataclass
class _Recorder:
    """Maps that remember what they averaged, and when."""

    maps: Maps
    site: int
    called: list[int]
    values: Tensor | None = None
    attended: Tensor | None = None

    def average(self, values: Tensor) -> Tensor:
        self.values, self.attended = values, self.maps.average(values)
        self.called.append(self.site)
        return self.attended


@dataclass(frozen=True)
class _Answer:
    """Maps whose average is known."""

    attended: Tensor

    def average(self, values: Tensor) -> Tensor:
        return self.attended.to(values)


def site_attribution(
    module: nn.Module,
    site: int,
    inputs: Sequence[Tensor],
    targets: Tensor,
    *,
    baseline: MeanGeneMaps,
    n_steps: int,
) -> AttentionAttribution:
    """Attribute an output to the attention maps of one site, as factors of linear size.

    Parameters
    ----------
    module
        A network in evaluation mode, in the precision wanted (double, where there is one).
    site
        Position among :func:`~tgem.nn.swapped_attention.attention_sites`.
    inputs
        Its inputs.
    targets
        The output explained in each cell, ``(n_obs,)``.
    baseline
        Maps to come from, such as those of an input of zeros.
    n_steps
        Points of the Gauss-Legendre sum. Cells in which the attributions miss the change of the
        output by more than a hundredth get 4 times as many. A network that is linear in
        its attention needs 1.

    Returns
    -------
    Attributions of the cells, heads apart; for :func:`~tgem.nn.mean_attribution_blocks`.
    """
    with torch.no_grad():
        maps = [between_genes(each) for each in own_maps(module, *inputs)]
        called: list[int] = []
        recorders = [_Recorder(each, number, called) for number, each in enumerate(maps)]
        with swapped(module, recorders):
            module(*inputs)
        values, end = recorders[site].values, recorders[site].attended
        if values is None or end is None:
            msg = f"attention site {site} of {type(module).__name__} averaged nothing"
            raise RuntimeError(msg)
        start = baseline.average(values)
    before = set(called[: called.index(site)])
    fixed: list[Tensor | None] = [
        recorder.attended if number in before else None for number, recorder in enumerate(recorders)
    ]
    walk = _Walk(module, site, inputs, targets, fixed)
    gradient, change, residual = walk.between(start, end, n_steps)
    is_closed = getattr(module, "linear_in_attention", False)
    for factor in () if is_closed else REFINEMENTS:
        scale = change.abs().clamp_min(SMALLEST_CHANGE)
        (rough,) = (residual.abs() > SMALL_RESIDUAL * scale).nonzero(as_tuple=True)
        if not len(rough):
            break
        again = walk.of(rough).between(start[rough], end[rough], factor * n_steps)
        gradient[rough], change[rough], residual[rough] = again
    q, k = maps[site].q, maps[site].k
    ones = q.new_ones(q.shape[-2])
    return AttentionAttribution(
        *(q, k.expand_as(q), values, ones, baseline.q, baseline.k),
        *(gradient, change, residual),
    )


Found = tuple["Tensor", "Tensor", "Tensor"]  # gradient, change, residual


@dataclass(frozen=True)
class _Walk:
    """The way from the baseline's attended values to a cell's own."""

    module: nn.Module
    site: int
    inputs: Sequence[Tensor]
    targets: Tensor
    fixed: Sequence[Tensor | None]

    def between(self, start: Tensor, end: Tensor, n_steps: int) -> Found:
        """Mean gradient, change of the output, and how far the attributions are from it."""
        with torch.no_grad():
            change = value_of(self._output, end) - value_of(self._output, start)
        gradient = mean_gradient(self._output, start, end, n_steps=n_steps, dtype=end.dtype)
        residual = (gradient * (end - start)).flatten(1).sum(1) - change
        return gradient, change, residual

    def of(self, cells: Tensor) -> _Walk:
        """The ways of some cells."""
        inputs = [each[cells] for each in self.inputs]
        fixed = [each if each is None else each[cells] for each in self.fixed]
        return _Walk(self.module, self.site, inputs, self.targets[cells], fixed)

    def _output(self, attended: Tensor) -> Tensor:
        given = [each if each is None else _Answer(each) for each in self.fixed]
        given[self.site] = _Answer(attended)
        with swapped(self.module, given):
            outputs = self.module(*self.inputs)
        return outputs.gather(1, self.targets[:, None])[:, 0]
