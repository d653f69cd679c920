"""Tables of factors and their targets, as databases hold them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

Edges: TypeAlias = pd.DataFrame | str | Path
WHAT = "a table of factors and their targets"
#: Names that databases give the two columns; the first that a table has is taken.
FACTOR_COLUMNS = ("factor", "tf", "source", "regulator")
TARGET_COLUMNS = ("target", "target_gene", "gene")


def read_edges(edges: Edges, weight_key: str | None, called: str) -> pd.DataFrame:
    """Edges as factor, target, weight: one row each, several of one pair averaged."""
    if isinstance(edges, pd.DataFrame):
        table, where = edges, called
    else:
        file = existing_file(edges, WHAT)
        # Commas or tabs; the first line says which.
        table, where = pd.read_csv(file, sep=None, engine="python"), str(file)
    columns = {str(name).lower(): name for name in table.columns}
    factor = next((columns[name] for name in FACTOR_COLUMNS if name in columns), None)
    target = next((columns[name] for name in TARGET_COLUMNS if name in columns), None)
    if factor is None or target is None or table.empty:
        msg = (
            f"Expected {WHAT} in {where}, with a column {listed(FACTOR_COLUMNS)} and a column "
            f"{listed(TARGET_COLUMNS)}, found {len(table)} rows and the columns "
            f"{listed(table.columns)}. Rename them with `edges.rename(columns=...)`."
        )
        raise ValueError(msg)
    if weight_key is not None and weight_key not in table:
        msg = f"Expected the column {weight_key!r} in {where}, found {listed(table.columns)}."
        raise KeyError(msg)
    weight = 1.0 if weight_key is None else pd.to_numeric(table[weight_key], errors="coerce")
    plain = pd.DataFrame({"factor": table[factor], "target": table[target], "weight": weight})
    wrong = plain.isna().any(axis=1) | ~np.isfinite(plain["weight"])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        msg = (
            f"Expected a factor, a target and a finite weight in every row of {where}, found "
            f"{wrong.sum()} rows without, the first is row {row}: {dict(table.iloc[row])}."
        )
        raise ValueError(msg)
    plain = plain.astype({"factor": str, "target": str})
    return plain.groupby(["factor", "target"], as_index=False, sort=False)["weight"].mean()


def edge_matrix(edges: pd.DataFrame, genes: pd.Index, factors: Sequence[str]) -> Array:
    """Weight of each factor's edge to each gene, float32, 0 without one."""
    rows = genes.get_indexer(edges["target"])
    columns = pd.Index(factors).get_indexer(edges["factor"])
    known = (rows >= 0) & (columns >= 0)
    matrix = np.zeros((len(genes), len(factors)), dtype=np.float32)
    matrix[rows[known], columns[known]] = edges["weight"][known]
    return matrix
