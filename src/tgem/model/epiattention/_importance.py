"""How much modalities, marks, bins and factors matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from tgem.model.epiattention._attribution import baselines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from tgem.model.epiattention._attribution import RegulatoryAttribution
    from tgem.model.epiattention._module import EpiAttentionModule

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
            starts = baselines_of(module, masked, baseline)
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


def importance_table(
    changes: Sequence[tuple[Any, np.ndarray[Any, Any], np.ndarray[Any, Any]]],
    cell_types: np.ndarray[Any, Any],
) -> pd.DataFrame:
    """Mean absolute and mean change over the genes that have the modality, per cell type.

    `changes` holds for each thing its name, which genes have its modality, and their changes.
    """
    tables = []
    for label in dict.fromkeys(cell_types):
        rows = []
        for name, has, change in changes:
            values = change[(cell_types == label) & has]
            found = (np.abs(values).mean(), values.mean()) if len(values) else (np.nan, np.nan)
            rows.append((label, name, *map(float, found), len(values)))
        columns = ["cell_type", "name", "importance", "effect", "n_genes"]
        table = pd.DataFrame(rows, columns=columns)
        tables.append(table.sort_values("importance", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True)
