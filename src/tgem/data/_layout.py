"""How the columns of a matrix form a grid: marks x bins, CpGs x features, factors x features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.data._matrix import Array


class GridLayout(NamedTuple):
    """Names of the rows and columns of a grid, and where each entry is in the matrix.

    Attributes
    ----------
    rows, columns
        Names, in the grid's order.
    positions
        Column of the matrix for each entry, ``(n_rows, n_columns)``.
    """

    rows: list[Any]
    columns: list[Any]
    positions: Array


def read_layout(table: Any, keys: tuple[str, str], called: str) -> GridLayout:
    """Read a grid from two columns of ``.var``; raise unless every entry occurs exactly once.

    Rows and columns that are named by numbers are sorted, others keep their order.
    """
    for key in keys:
        check_key(table, "var", key, called)
        if table.var[key].isna().any():
            n_missing = int(table.var[key].isna().sum())
            msg = f"Expected a value for every variable in {called}.var[{key!r}], found "
            msg += f"{n_missing} missing ones."
            raise ValueError(msg)
    rows, columns = (_names(table.var[key]) for key in keys)
    codes = [
        pd.Index(names, dtype=object).get_indexer(pd.Index(_plain(table.var[key]), dtype=object))
        for key, names in zip(keys, (rows, columns), strict=True)
    ]
    positions = np.full((len(rows), len(columns)), -1, dtype=np.int64)
    positions[codes[0], codes[1]] = np.arange(table.n_vars)
    n_missing = int((positions < 0).sum())
    if n_missing or table.n_vars != positions.size:
        example = np.argwhere(positions < 0)[:1]
        shown = [(rows[i], columns[j]) for i, j in example]
        where = f", none for {keys} = {shown[0]}" if shown else ", some of them twice"
        msg = (
            f"Expected one variable for each of {len(rows)} values of {called}.var[{keys[0]!r}] x "
            f"{len(columns)} values of {called}.var[{keys[1]!r}], found {table.n_vars} variables"
            f"{where}."
        )
        raise ValueError(msg)
    return GridLayout(rows, columns, positions)


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Python scalars, which survive JSON."""
    return [value.item() if isinstance(value, np.generic) else value for value in column]


def _names(column: pd.Series[Any]) -> list[Any]:
    names = list(dict.fromkeys(_plain(column)))
    return sorted(names) if all(isinstance(name, int | float) for name in names) else names


def aligned_positions(
    layout: GridLayout, names: tuple[Sequence[Any] | None, Sequence[Any]], called: str
) -> Array:
    """Columns of the matrix in the order of remembered rows and columns.

    `names` holds the remembered rows (``None`` if the data's own rows are to be used) and columns.
    """
    axes = []
    for remembered, own in zip(names, (layout.rows, layout.columns), strict=True):
        if remembered is None:
            axes.append(np.arange(len(own)))
            continue
        found = pd.Index(own, dtype=object).get_indexer(pd.Index(remembered, dtype=object))
        absent = [name for name, place in zip(remembered, found, strict=True) if place < 0]
        if absent:
            msg = (
                f"Expected all {len(remembered)} of the model's {listed(remembered, 3)} in "
                f"{called}, {len(absent)} are missing: {listed(absent)}. The data hold "
                f"{listed(own, 3)}. Measure or quantify them as for the training data, or train a "
                "model on what both data sets hold."
            )
            if set(map(str, absent)) & set(map(str, own)):
                kinds = [type(each[0]).__name__ for each in (absent, own)]
                msg += f" Some differ in type only: {' and '.join(kinds)}."
            raise ValueError(msg)
        axes.append(found)
    aligned: Array = layout.positions[np.ix_(*axes)]
    return aligned
