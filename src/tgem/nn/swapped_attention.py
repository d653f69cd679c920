r"""Run a network with other attention maps: the rungs of a ladder from the cell's own to none.

For every :class:`~tgem.nn.attention_maps.AttentionSite` of a network, other maps are put in place
of the cell's own, at all sites together:

``own``
    the cell's own maps: the network as it is;
``mean``
    the mean map over reference cells (training cells);
``other``
    the maps of a reference cell chosen at random;
``shuffled``
    the cell's own maps with the genes that are looked at permuted;
``uniform``
    the same weight for all genes.

The maps always come from runs in which nothing was swapped: those of the second layer are those of
a whole, undisturbed network. The values are those of the cell in the swapped run.

*Own* less *mean* is what attention knows of the single cell. A network whose maps are the same for
all cells loses nothing on *mean*, however much it loses on *shuffled* or *uniform*: these two take
away what a linear classifier could hold too.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tgem.nn.attention_maps import AttentionSite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import nn

    from tgem.nn.attention_maps import CellMaps, Maps

OWN = "own"
MEAN = "mean"
OTHER = "other"
SHUFFLED = "shuffled"
UNIFORM = "uniform"
RUNGS = (OWN, MEAN, OTHER, SHUFFLED, UNIFORM)
FROM_REFERENCE = (MEAN, OTHER)

States = tuple[Tensor, ...]


def attention_sites(module: nn.Module) -> list[AttentionSite]:
    """All attention sites of a network, in the order in which they were registered."""
    return [part for part in module.modules() if isinstance(part, AttentionSite)]


def states_at_sites(module: nn.Module, *inputs: Tensor) -> list[States]:
    """Hidden states that each attention site reads in an undisturbed run of the network.

    Parameters
    ----------
    module
        A network in evaluation mode.
    *inputs
        Its inputs.

    Returns
    -------
    For each of :func:`attention_sites`, the tensors that it was called with.
    """
    sites = attention_sites(module)
    seen: dict[AttentionSite, States] = {}

    def remember(site: AttentionSite, states: States) -> None:
        seen[site] = states

    hooks = [site.register_forward_pre_hook(remember) for site in sites]
    try:
        for site in sites:
            site.recorded = True
        module(*inputs)
    finally:
        for site, hook in zip(sites, hooks, strict=True):
            site.recorded = False
            hook.remove()
    return [seen[site] for site in sites]


def own_maps(module: nn.Module, *inputs: Tensor) -> list[CellMaps]:
    """Maps of each attention site in an undisturbed run of the network."""
    return maps_from_states(module, states_at_sites(module, *inputs))


def maps_from_states(module: nn.Module, states: Iterable[States]) -> list[CellMaps]:
    """Maps that each attention site makes of the states given to it."""
    return [site.maps(*given) for site, given in zip(attention_sites(module), states, strict=True)]


@contextmanager
def swapped(module: nn.Module, maps: Sequence[Maps | None]) -> Iterator[None]:
    """Run the network with the given maps, one for each of :func:`attention_sites`.

    ``None`` leaves a site its own.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn.blocks import GeneAttention
    >>> from tgem.nn.swapped_attention import own_maps, swapped
    >>> attention, cells = GeneAttention(n_genes=6, n_heads=2), torch.rand(3, 6)
    >>> with swapped(attention, [maps.uniform() for maps in own_maps(attention, cells)]):
    ...     attention(cells).shape
    torch.Size([3, 6])
    """
    sites = attention_sites(module)
    for site, given in zip(sites, maps, strict=True):
        site.given = given
    try:
        yield
    finally:
        for site in sites:
            site.given = None


class MapSwapper:
    """The maps of each rung, for one batch of cells after the other.

    Parameters
    ----------
    module
        A network in evaluation mode.
    reference
        Hidden states of the reference cells at each site, as :func:`states_at_sites` gives them;
        needed by the rungs in :data:`FROM_REFERENCE`.
    seed
        Seed of the permutations and of the choice of other cells. Each rung draws for itself.
    """

    def __init__(
        self, module: nn.Module, reference: Sequence[States] | None = None, *, seed: int = 0
    ) -> None:
        self._module = module
        self._reference = reference
        self._generators = {
            rung: np.random.default_rng([seed, place]) for place, rung in enumerate(RUNGS)
        }

    @torch.inference_mode()
    def outputs(self, rung: str, *inputs: Tensor) -> Tensor:
        """Outputs of the network for `inputs` on one of :data:`RUNGS`."""
        with nullcontext() if rung == OWN else swapped(self._module, self._maps(rung, *inputs)):
            output: Tensor = self._module(*inputs)
        return output

    def _maps(self, rung: str, *inputs: Tensor) -> Sequence[Maps]:
        if rung == MEAN:
            return self.means
        generator, cells = self._generators[rung], inputs[0]
        if rung == OTHER:
            n_reference = len(self._checked_reference[0][0])
            others = torch.from_numpy(generator.integers(n_reference, size=len(cells)))
            others = others.to(cells.device)
            chosen = [tuple(part[others] for part in given) for given in self._checked_reference]
            return maps_from_states(self._module, chosen)
        own = own_maps(self._module, *inputs)
        if rung == UNIFORM:
            return [maps.uniform() for maps in own]
        places = np.tile(np.arange(cells.shape[-1]), (len(cells), 1))
        order = torch.from_numpy(generator.permuted(places, axis=1)).to(cells.device)
        return [maps.shuffled(order) for maps in own]

    @cached_property
    def means(self) -> list[Maps]:
        """Mean maps over the reference cells."""
        own = maps_from_states(self._module, self._checked_reference)
        return [maps.mean() for maps in own]

    @property
    def _checked_reference(self) -> Sequence[States]:
        if not self._reference:
            msg = f"Expected states of reference cells for {FROM_REFERENCE}, got none."
            raise ValueError(msg)
        return self._reference
