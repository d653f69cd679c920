"""Observations that are genes in cell types, and how a gene differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def observation_table(data: AnnData | MuData, *, gene_key: str, cell_type_key: str) -> pd.DataFrame:
    """Gene (text) and cell type (categorical, in the data's order) of each observation."""
    for key in (gene_key, cell_type_key):
        check_key(data, "obs", key)
    table = data.obs[[gene_key, cell_type_key]].set_axis(["gene", "cell_type"], axis="columns")
    unnamed = table.isna().any(axis=1)
    if unnamed.any():
        msg = (
            f"Expected every observation to have a gene and a cell type, but {unnamed.sum()} of "
            f"{len(table)} lack one: {listed(table.index[unnamed])}."
        )
        raise ValueError(msg)
    labels = pd.Categorical(table["cell_type"]).remove_unused_categories()
    labels = labels.rename_categories([str(label) for label in labels.categories])
    table = pd.DataFrame({"gene": table["gene"].astype(str), "cell_type": labels}, table.index)
    repeated = table.duplicated()
    if repeated.any():
        msg = (
            f"Expected each gene once in each cell type, but {repeated.sum()} of {len(table)} "
            f"observations repeat one: {listed(table.index[repeated])}. Name the columns with "
            "`gene_key` and `cell_type_key`."
        )
        raise ValueError(msg)
    return table


def numbers(data: AnnData | MuData, key: str) -> np.ndarray[Any, Any]:
    """Finite numbers of a column of `.obs`, missing where it has none."""
    check_key(data, "obs", key)
    column = data.obs[key]
    if not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numeric = [str(name) for name in data.obs.select_dtypes("number").columns]
        msg = (
            f"Expected numbers in adata.obs[{key!r}], such as probabilities, found "
            f"{column.dtype}: {listed(column.unique(), 3)}. Numeric columns: {listed(numeric)}."
        )
        raise ValueError(msg)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(values).any():
        msg = f"Expected finite numbers in adata.obs[{key!r}], found {np.isinf(values).sum()} inf."
        raise ValueError(msg)
    return values


def specificity(table: pd.DataFrame, column: str, against: str) -> np.ndarray[Any, Any]:
    """Value of each observation minus those of its gene in the other cell types."""
    wide = table.pivot(index="gene", columns="cell_type", values=column)  # noqa: PD010
    values = wide.to_numpy(dtype=float)
    others = np.full(values.shape, np.nan)
    for number in range(values.shape[1]):
        rest = pd.DataFrame(np.delete(values, number, axis=1))
        others[:, number] = rest.max(axis=1) if against == "max" else rest.mean(axis=1)
    rows = wide.index.get_indexer(table["gene"])
    columns = wide.columns.get_indexer(table["cell_type"])
    return (values - others)[rows, columns]
