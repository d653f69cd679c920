"""Which cells a class's network is the mean of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from anndata import AnnData


class NoCellsError(ValueError):
    """No cell is typed correctly."""


def column_of_groups(adata: AnnData, cells: np.ndarray[Any, Any], groupby: str) -> pd.Series[Any]:
    """A column of ``adata.obs`` that holds groups of cells, for some cells."""
    check_key(adata, "obs", groupby)
    given = adata.obs[groupby].iloc[cells].reset_index(drop=True)
    if is_numeric_dtype(given) and given.nunique() > len(given) / 2:
        msg = (
            f"Expected groups of cells in adata.obs[{groupby!r}], found {given.nunique()} "
            f"different numbers in {len(given)} cells. Choose a column of labels."
        )
        raise ValueError(msg)
    return given


def groups_of_cells(
    given: pd.Series[Any], predicted: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]
) -> dict[Any, np.ndarray[Any, Any]]:
    """Positions of the cells of each group; of a class, of those that are typed correctly."""
    groups, empty = {}, []
    order = [label for label in classes if (given == label).any()]
    order += [label for label in pd.unique(given.dropna()) if label not in order]
    for label in order:
        chosen = np.flatnonzero(given == label)
        if label in classes:
            chosen = chosen[predicted[chosen] == label]
        if len(chosen):
            groups[label] = chosen
        else:
            empty.append(label)
    if not groups:
        msg = (
            f"Expected cells that the model types correctly, found none among {len(given)}. "
            "Train the model longer, or name other cells with `indices` or `groupby`."
        )
        raise NoCellsError(msg)
    if empty:
        msg = f"No cell of {listed(empty)} is typed correctly: these classes have no network."
        warn(msg, TrainingWarning)
    return groups
