"""A matrix of one modality whose columns are found by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.validate import check_key
from tgem.data._field import Data, Field, RowReader, State
from tgem.data._matrix import Array, readable, take_rows
from tgem.data._names import check_unique_names, match_names

if TYPE_CHECKING:
    from tgem.data._names import Matched


class TableField(Field):
    """A matrix of one modality, its columns found by name; absent columns read as NaN."""

    _kind = "columns"

    def __init__(self, registry_key: str, *, modality: str | None, layer: str | None) -> None:
        attr_name = "X" if layer is None else "layers"
        super().__init__(registry_key, attr_name, layer, modality)

    def location(self, data: Data) -> str:
        """Name the matrix as the user would write it."""
        called = self.called(data)
        return f"{called}.X" if self.attr_key is None else f"{called}.layers[{self.attr_key!r}]"

    def matrix(self, data: Data) -> Any:
        """Return the matrix, or say what is missing."""
        table: Any = self.table(data)
        if self.attr_key is not None:
            check_key(table, "layers", self.attr_key, self.called(data))
            return readable(table.layers[self.attr_key], self.location(data))
        if table.X is None:
            msg = f"Expected values in {self.location(data)}, found none. Name a layer."
            raise ValueError(msg)
        return readable(table.X, self.location(data))

    def names(self, data: Data) -> pd.Index:
        """Names of the columns, each once."""
        names = pd.Index(self.table(data).var_names).astype(str)
        check_unique_names(names, f"{self.called(data)}.var_names", self._kind)
        return names

    def match(self, state: State, data: Data) -> Matched:
        """Find the remembered columns in the data."""
        wanted = pd.Index(state["column_names"], dtype=object)
        return match_names(wanted, self.names(data), self.called(data), kind=self._kind)

    def reader(self, data: Data, state: State) -> RowReader:
        """Rows as float32 in the remembered order; NaN where the data lack a column."""
        matrix, columns = self.matrix(data), self.match(state, data).columns
        found = columns >= 0
        if found.all() and np.array_equal(columns, np.arange(matrix.shape[1])):
            return self.paired(data, lambda rows: take_rows(matrix, rows))

        def aligned_rows(rows: Array) -> Array:
            values = np.full((len(rows), found.size), np.nan, dtype=np.float32)
            values[:, found] = take_rows(matrix, rows)[:, columns[found]]
            return values

        return self.paired(data, aligned_rows)

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of columns."""
        return {f"n_{self.registry_key}": len(state_registry["column_names"])}
