"""Measured expression as the target, and cell types that a model must know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._field import Data, Field, RowReader, State
from tgem.data._labels import LabelField, codes_of


class CellTypeField(LabelField):
    """The cell type of each observation, an input: each must be one the model knows.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    cell_type_key
        Column of ``.obs``; ``None`` for data of one cell type.
    """

    def __init__(self, registry_key: str, cell_type_key: str | None) -> None:
        super().__init__(registry_key, labels_key=cell_type_key, unlabeled_category=None)

    def register_field(self, adata: Data) -> State:
        """Remember the cell types."""
        check_key(adata, "obs", str(self.attr_key))
        missing = int(adata.obs[self.attr_key].isna().sum())
        if missing:
            msg = (
                f"Expected a cell type for every observation in .obs[{self.attr_key!r}], found "
                f"{missing} without."
            )
            raise ValueError(msg)
        return super().register_field(adata)

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Raise for cell types that the model has not seen."""
        check_key(adata_target, "obs", str(self.attr_key))
        column = adata_target.obs[self.attr_key]
        unknown = codes_of(column, state_registry["categories"]) < 0
        if unknown.any():
            found = column[unknown].astype(object).unique()
            msg = (
                f"Expected cell types that the model knows "
                f"({listed(state_registry['categories'], 12)}) in .obs[{self.attr_key!r}], found "
                f"{int(unknown.sum())} observations of {listed(found)}. Keep the others, or train "
                "a model without `cell_type_key`."
            )
            raise ValueError(msg)
        return dict(state_registry)


class ExpressionTargetField(Field):
    """Measured expression of each gene, with the code of its cell type beside it.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    expression_key
        Column of ``.obs`` with numbers or with 0 and 1; ``None`` if nothing was measured.
    cell_type_key
        Column of ``.obs`` with cell types.
    """

    def __init__(
        self, registry_key: str, *, expression_key: str | None, cell_type_key: str | None
    ) -> None:
        super().__init__(registry_key, "obs", expression_key)
        self._cell_type_key = cell_type_key

    @property
    def is_empty(self) -> bool:
        """Whether no expression was named."""
        return self.attr_key is None

    def values(self, data: Data, key: str | None = None) -> np.ndarray[Any, Any]:
        """Return measured expression, NaN where there is none."""
        key = str(self.attr_key) if key is None else key
        check_key(data, "obs", key)
        column = data.obs[key]
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == object:
            column = column.astype(object)
        numbers = pd.to_numeric(column, errors="coerce")
        unread = column[numbers.isna() & column.notna()]
        if len(unread):
            msg = (
                f"Expected numbers, or 0 and 1, in .obs[{key!r}], found {len(unread)} other "
                f"values: {listed(unread.astype(object).unique())}."
            )
            raise ValueError(msg)
        values: np.ndarray[Any, Any] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(values).any():
            msg = (
                f"Expected finite expression in .obs[{key!r}], found "
                f"{int(np.isinf(values).sum())} infinite values. Add an offset before the "
                "logarithm, for example `np.log2(fpkm + 0.1)`."
            )
            raise ValueError(msg)
        return values

    def validate_field(self, adata: Data) -> None:
        """Raise unless the column holds numbers."""
        self.register_field(adata)

    def register_field(self, adata: Data) -> State:
        """Remember whether expression is 0 and 1, its range, and the cell types."""
        categories: list[Any] = []
        if self._cell_type_key is not None:
            field = CellTypeField("cell_type", self._cell_type_key)
            categories = field.register_field(adata)["categories"]
        values = self.values(adata)
        measured = values[~np.isnan(values)]
        if measured.size == 0:
            msg = f"Expected measured expression in .obs[{self.attr_key!r}], found only NaN."
            raise ValueError(msg)
        if measured.size < values.size:
            msg = (
                f"{values.size - measured.size} of {values.size} observations have no expression "
                f"in .obs[{self.attr_key!r}]; they are left out of training."
            )
            warn(msg, TrainingWarning)
        return {
            "categories": categories,
            "is_binary": bool(np.isin(measured, (0, 1)).all()),
            "minimum": float(measured.min()),
            "maximum": float(measured.max()),
        }

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Keep what was remembered: new data may have no measured expression."""
        return dict(state_registry)

    def reader(self, data: Data, state: State) -> RowReader:
        """Expression and code of the cell type, float32 ``(n_obs, 2)``; NaN if not measured."""
        values = np.full((data.n_obs, 2), np.nan, dtype=np.float32)
        if self.attr_key in data.obs:
            values[:, 0] = self.values(data)
        values[:, 1] = 0
        if self._cell_type_key is not None and self._cell_type_key in data.obs:
            values[:, 1] = codes_of(data.obs[self._cell_type_key], state["categories"])
        return lambda rows: values[rows]

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return nothing: expression has no size of its own."""
        return {}
