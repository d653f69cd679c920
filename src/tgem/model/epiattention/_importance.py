"""How much modalities, marks, bins and factors matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import torch

from tgem.model.epiattention._attribution import baselines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from tgem.model.epiattention._attribution import RegulatoryAttribution
    from tgem.model.epiattention._module import EpiAttentionModule

Array: TypeAlias = np.ndarray[Any, Any]

SMALLEST_DEVIATION = 1e-6  # of standardised measurements

# Modality, name, and rows and columns of its grid.
Thing = tuple[str, Any, Any]


def importance_by_ablation(
    module: EpiAttentionModule,
    batches: Iterable[tuple[Tensor, ...]],
    things: Sequence[Thing],
    *,
    baseline: str,
) -> np.ndarray[Any, Any]:
    """Fall of each gene's output when a thing is set to its baseline, ``(n_obs, n_things)``."""
    blocks = [np.empty((0, len(things)))]
    with torch.inference_mode():
        for inputs in batches:
            masked = module.masked(*inputs)
            starts = baselines_of(module, masked, baseline=baseline)
            whole = module.outputs(*masked)[:, 0]
            falls = [
                (whole - _without(module, masked, starts, thing)).double().cpu().numpy()
                for thing in things
            ]
            blocks.append(np.stack(falls, 1))
    return np.concatenate(blocks)


def _without(
    module: EpiAttentionModule,
    masked: tuple[Tensor, ...],
    starts: tuple[Tensor, ...],
    thing: Thing,
) -> Tensor:
    modality, _, (rows, columns) = thing
    place = 2 * module.names.index(modality)
    values = masked[place].clone()
    values[:, rows, columns] = starts[place][:, rows, columns]
    return module.outputs(*masked[:place], values, *masked[place + 1 :])[:, 0]


def importance_by_attribution(
    found: RegulatoryAttribution, things: Sequence[Thing]
) -> np.ndarray[Any, Any]:
    """Sum of each gene's attributions over each thing, ``(n_obs, n_things)``."""
    sums = []
    for modality, _, (rows, columns) in things:
        part = found.values[modality][:, rows, columns]
        sums.append(part.reshape(len(part), -1).sum(1, dtype=np.float64))
    return np.stack(sums, 1)


def signals_of(
    module: EpiAttentionModule, batches: Iterable[tuple[Tensor, ...]], things: Sequence[Thing]
) -> np.ndarray[Any, Any]:
    """Mean standardised measurement of each thing at each gene, ``(n_obs, n_things)``."""
    blocks = [np.empty((0, len(things)))]
    with torch.inference_mode():
        for inputs in batches:
            masked = module.masked(*inputs)
            means = []
            for modality, _, (rows, columns) in things:
                values = masked[2 * module.names.index(modality)]
                scaled = module.scales[modality].standardized(values)  # type: ignore[operator]
                means.append(scaled[:, rows, columns].flatten(1).double().mean(1).cpu().numpy())
            blocks.append(np.stack(means, 1))
    return np.concatenate(blocks)


def importance_table(
    changes: Sequence[tuple[Any, Array, Array, Array]], cell_types: Array
) -> pd.DataFrame:
    """Mean absolute change over the genes that have the modality, and its slope, per cell type.

    `changes` holds for each thing its name, which genes have its modality, their changes, and the
    thing's signal at them.
    """
    tables = []
    for label in dict.fromkeys(cell_types):
        rows = []
        for name, has, change, signal in changes:
            genes = (cell_types == label) & has
            values = change[genes]
            size = float(np.abs(values).mean()) if len(values) else np.nan
            rows.append((label, name, size, _slope(values, signal[genes]), len(values)))
        columns = ["cell_type", "name", "importance", "effect", "n_genes"]
        table = pd.DataFrame(rows, columns=columns)
        tables.append(table.sort_values("importance", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True)


def _slope(change: Array, signal: Array) -> float:
    """Rise of the change per standard deviation of the signal; NaN if that is the same everywhere.

    The mean change would not do: against the mean gene it is the curvature of the output, and has
    the sign of a mark's direction only by chance.
    """
    if len(signal) < 2:
        return float("nan")
    deviation = float(signal.std())
    if not deviation > SMALLEST_DEVIATION:
        return float("nan")
    return float(np.mean((change - change.mean()) * (signal - signal.mean())) / deviation)
