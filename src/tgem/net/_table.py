"""The long table of a network: what it must hold, and how it is taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUIRED = ("source", "target", "weight")
GROUPS = ("class", "layer")
ONE_CLASS = "all"  # the class of a network that has no column for it


def checked(table: pd.DataFrame, *, called: str = "table") -> pd.DataFrame:
    """Return the network with plain names, float64 weights and a ``class``, or say what is wrong.

    The rows keep their order, other columns their values; the caller's table stays as it is.
    """
    if not isinstance(table, pd.DataFrame):
        msg = f"Expected `{called}` to be a pandas DataFrame, got {type(table).__name__}."
        raise TypeError(msg)
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        msg = (
            f"Expected `{called}` to have the columns {listed(REQUIRED)}, but {listed(missing)} "
            f"is missing; it has {listed(table.columns, 12)}. "
            "Rename its columns with `table.rename(columns={...})`."
        )
        raise ValueError(msg)
    names = [name for name in ("class", "source", "target") if name in table]
    _check_complete(table, names, called)
    plain = table.reset_index(drop=True)
    plain = plain.assign(
        weight=plain["weight"].astype(np.float64),
        **{name: plain[name].astype(str).astype(object) for name in names},
    )
    if "class" not in plain:
        plain = plain.assign(**{"class": pd.Series(ONE_CLASS, plain.index, dtype=object)})
    if "layer" in plain:  # the categories of a stored column may be numbers
        plain["layer"] = plain["layer"].astype(object).infer_objects()
    _check_different(plain, called)
    return plain


def _check_complete(table: pd.DataFrame, names: list[str], called: str) -> None:
    absent = table[names].isna().any(axis=1)
    if absent.any():
        msg = (
            f"Expected a name in {listed(names)} of every row of `{called}`, but "
            f"{int(absent.sum())} of {len(table)} rows lack one, the first in row "
            f"{int(absent.to_numpy().argmax())}. Drop them with `table.dropna()`."
        )
        raise ValueError(msg)
    if not pd.api.types.is_numeric_dtype(table["weight"]) and len(table):
        msg = f"Expected numbers in `{called}['weight']`, found {table['weight'].dtype}."
        raise ValueError(msg)
    infinite = ~np.isfinite(table["weight"].to_numpy(dtype=np.float64))
    if infinite.any():
        msg = (
            f"Expected finite weights in `{called}`, but {int(infinite.sum())} of {len(table)} are "
            f"missing or infinite, the first in row {int(infinite.argmax())}. "
            "Drop these edges, or mend what computed them."
        )
        raise ValueError(msg)


def _check_different(table: pd.DataFrame, called: str) -> None:
    columns = [*group_columns(table), "source", "target"]
    repeated = table.duplicated(columns)
    if repeated.any():
        first = table.loc[repeated.to_numpy().argmax(), ["source", "target"]]
        msg = (
            f"Expected each edge once in `{called}`, but {int(repeated.sum())} of {len(table)} "
            f"rows repeat an earlier one, such as {first['source']!r} to {first['target']!r}. Add "
            f"them up with `table.groupby({columns}, as_index=False)['weight'].sum()`."
        )
        raise ValueError(msg)


def group_columns(table: pd.DataFrame) -> list[str]:
    """Columns that tell the networks of one table apart."""
    return [name for name in GROUPS if name in table]


def edge_columns(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Columns that tell an edge of several tables; all of them or none must have layers."""
    columns = {tuple(group_columns(table)) for table in tables}
    if len(columns) > 1:
        msg = (
            "Expected a column 'layer' in all networks or in none. "
            "Drop it, or add up the layers of those that have it."
        )
        raise ValueError(msg)
    return [*columns.pop(), "source", "target"]


def checked_list(tables: Any, *, called: str = "tables", least: int = 1) -> list[pd.DataFrame]:
    """Return a list of networks, each checked."""
    if isinstance(tables, pd.DataFrame) or not hasattr(tables, "__iter__"):
        msg = f"Expected `{called}` to be a list of networks, got {type(tables).__name__}."
        raise TypeError(msg)
    found = [checked(table, called=f"{called}[{at}]") for at, table in enumerate(tables)]
    if len(found) < least:
        msg = f"Expected at least {least} networks in `{called}`, got {len(found)}."
        raise ValueError(msg)
    return found


def by_class(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each class with its edges, in order of first appearance."""
    for label, rows in table.groupby("class", sort=False):
        yield str(label), rows


def merged_layers(edges: pd.DataFrame) -> pd.DataFrame:
    """Edges of one class with the absolute weights of the layers added up, order kept."""
    sizes = edges.assign(weight=edges["weight"].abs())
    # Added up from small to large: the sums do not depend on the order of the rows.
    sizes = sizes.sort_values("weight", kind="stable")
    return sizes.groupby(["source", "target"], as_index=False, sort=True)["weight"].sum()
