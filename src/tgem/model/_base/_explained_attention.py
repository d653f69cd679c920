"""From cells to a network of genes: which genes' attention to which decided."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tgem._core.progress import track
from tgem.nn.attribution_averages import mean_attribution_blocks
from tgem.nn.context import SharedKeyMaps
from tgem.nn.edges import strongest_edges
from tgem.nn.exact_attention import steps
from tgem.nn.shared_key_averages import SharedKeyAttribution, shared_key_attribution_blocks
from tgem.nn.site_attribution import between_genes, site_attribution
from tgem.nn.swapped_attention import attention_sites, maps_from_states, own_maps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from tgem.nn.attention_maps import MeanGeneMaps
    from tgem.nn.edges import Edges
    from tgem.nn.module import SupervisedModule
    from tgem.nn.swapped_attention import States

BLOCK = 512  # query genes whose rows are in memory
VALUES_AT_ONCE = 2**22  # attended values of a pass; a backward pass holds some thirty of that size
MOST_AT_ONCE = 512  # cells


class LayerNetwork(NamedTuple):
    """Strongest attributions of one layer's attention maps, mean over some cells, heads summed.

    Attributes
    ----------
    edges
        The strongest, not scaled.
    change
        Change of each cell's output from the baseline's maps to its own, ``(n_obs,)``.
    residual
        Sum of a cell's attributions less `change`, ``(n_obs,)``.
    """

    edges: Edges
    change: np.ndarray[Any, Any]
    residual: np.ndarray[Any, Any]


class AttentionExplainer:
    """A network in double precision, and the maps that its own are compared with.

    Parameters
    ----------
    module
        A network in evaluation mode.
    n_genes
        Number of its inputs.
    reference
        Hidden states of reference cells at each attention site, whose mean maps are the baseline.
        By default the baseline are the maps of a cell that expresses nothing, which behind the
        first layer are those that this cell has there.
    n_steps
        As in :func:`~tgem.nn.site_attribution.site_attribution`.
    batch_size
        Cells per pass; by default as many as fit into a gigabyte.
    """

    def __init__(
        self,
        module: SupervisedModule,
        n_genes: int,
        *,
        reference: Sequence[States] | None,
        n_steps: int,
        batch_size: int | None,
    ) -> None:
        # Attended values can be so alike that a layer normalisation divides by rounding errors.
        self._dtype = torch.float32 if module.device.type == "mps" else torch.float64
        self._module = deepcopy(module).to(self._dtype).eval().requires_grad_(requires_grad=False)
        self._n_steps = 1 if module.linear_in_attention else n_steps
        nothing = torch.zeros(1, n_genes, dtype=self._dtype, device=module.device)
        with torch.no_grad():
            maps = own_maps(self._module, nothing)
            self._nothing = [between_genes(each) for each in maps]
            if reference is not None:
                states = [tuple(part.to(self._dtype) for part in given) for given in reference]
                maps = maps_from_states(self._module, states)
            self._baselines: list[MeanGeneMaps] = [between_genes(each).mean() for each in maps]
        self._of_reference = reference is not None
        largest = max(each.q.numel() for each in self._nothing)  # of one cell
        self._batch_size = batch_size or max(1, min(MOST_AT_ONCE, VALUES_AT_ONCE // largest))

    @property
    def n_layers(self) -> int:
        """Number of attention sites."""
        return len(attention_sites(self._module))

    def network(
        self,
        read: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
        cells: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        *,
        layer: int,
        n_edges: int,
    ) -> LayerNetwork:
        """Strongest edges of the mean over cells, each of which explains its target.

        `read` returns the expression of cells, ``(n_obs, n_genes)``.
        """
        is_closed = self._module.linear_in_attention and isinstance(
            self._nothing[layer], SharedKeyMaps
        )
        parts: list[Any] = []
        change, residual = [], []
        # Cells of one target in one minibatch: they share the gradient of a linear network.
        for target in np.unique(targets):
            chosen = cells[targets == target]
            for batch in steps(len(chosen), self._batch_size):
                found = site_attribution(
                    self._module,
                    layer,
                    [self._inputs(read(chosen[batch]))],
                    torch.full((batch.stop - batch.start,), int(target), device=self._device),
                    baseline=self._baselines[layer],
                    n_steps=self._n_steps,
                )
                change.append(found.change.cpu().numpy())
                residual.append(found.residual.cpu().numpy())
                if is_closed:
                    parts.append(SharedKeyAttribution(found.q, found.v[:, 0], found.gradient[0]))
                else:
                    parts.append(found)
        blocks = self._closed(parts, layer) if is_closed else mean_attribution_blocks(parts)
        n_blocks = -(-self._nothing[layer].q.shape[-1] // BLOCK)
        counted = zip(track(range(n_blocks), f"Adding up layer {layer + 1}"), blocks, strict=True)
        edges = strongest_edges((block for _, block in counted), n_edges)
        return LayerNetwork(edges, np.concatenate(change), np.concatenate(residual))

    def _closed(
        self, parts: list[SharedKeyAttribution], layer: int
    ) -> Iterator[tuple[slice, Tensor]]:
        nothing, baseline = self._nothing[layer], self._baselines[layer]
        return shared_key_attribution_blocks(
            parts,
            nothing.k,
            q_of_nothing=nothing.q[0],
            reference_q=baseline.q if self._of_reference else None,
            block=BLOCK,
        )

    def _inputs(self, expression: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(expression).to(self._device, self._dtype)

    @property
    def _device(self) -> torch.device:
        return self._module.device


def edge_table(
    layers: Sequence[LayerNetwork], genes: pd.Index, *, label: Any, n_edges: int
) -> pd.DataFrame:
    """Strongest edges of the layers together, each layer scaled by its largest absolute value."""
    names = genes.to_numpy()
    tables = []
    for number, layer in enumerate(layers, 1):
        weights = layer.edges.weights.double().cpu().numpy()
        columns = {
            "class": np.full(len(weights), str(label), dtype=object),
            "layer": np.full(len(weights), number),
            "source": names[layer.edges.queries.cpu().numpy()],
            "target": names[layer.edges.keys.cpu().numpy()],
            "weight": weights / np.abs(weights).max(initial=0) if len(weights) else weights,
        }
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order[:n_edges]].reset_index(drop=True)


def layer_table(layers: Sequence[LayerNetwork], *, label: Any) -> pd.DataFrame:
    """Scale, change and residual of each layer."""
    rows = [
        {
            "class": str(label),
            "layer": number,
            "n_cells": len(layer.change),
            "largest": float(layer.edges.weights.abs().max()) if len(layer.edges.weights) else 0.0,
            "change": float(np.abs(layer.change).mean()),
            "residual": float(np.abs(layer.residual).max()),
        }
        for number, layer in enumerate(layers, 1)
    ]
    return pd.DataFrame(rows)
