"""The strongest edges from factors to the genes whose prediction they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]


def check_gene_once(genes: Array, cell_types: Array) -> None:
    """Raise if two observations would be one node of the network."""
    table = pd.DataFrame({"gene": genes, "cell_type": cell_types})
    repeated = table.duplicated()
    if repeated.any():
        first = table[repeated].iloc[0]
        msg = (
            f"Expected each gene once in each cell type, found {int(repeated.sum())} of "
            f"{len(table)} observations that repeat one, such as gene {first['gene']!r} in "
            f"{first['cell_type']!r} (genes: {listed(table['gene'].unique(), 3)}). Set the model "
            "up with `cell_type_key` and `gene_key`, or choose one observation of each gene."
        )
        raise ValueError(msg)


def factor_network(
    weights: Array, factors: Sequence[Any], genes: Array, cell_types: Array, *, n_edges: int
) -> pd.DataFrame:
    """Strongest edges of each cell type, from a matrix of observations x factors.

    A weight of 0, that of a gene whose factors were not measured, is no edge. Equal weights are
    ordered by factor, then by gene, so that the order of the observations does not matter.
    """
    names = np.array([str(factor) for factor in factors], dtype=object)
    tables = []
    for label in dict.fromkeys(cell_types):
        rows = np.flatnonzero(cell_types == label)
        part = weights[rows]
        sizes = np.abs(part)
        # Everything at least as strong as the last edge to keep, so that ties are seen whole.
        place = max(sizes.size - n_edges, 0)
        least = np.partition(sizes, place, axis=None)[place] if sizes.size else 0.0
        at, factor = np.nonzero((sizes >= least) & (sizes > 0))
        edges = pd.DataFrame(
            {
                "class": str(label),
                "source": names[factor],
                "target": genes[rows][at].astype(object),
                "weight": part[at, factor],
            }
        )
        order = edges.assign(size=-edges["weight"].abs()).sort_values(["size", "source", "target"])
        tables.append(edges.loc[order.index[:n_edges]])
    columns = ["class", "source", "target", "weight"]
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=columns).astype({"weight": np.float64})
    return pd.concat(filled, ignore_index=True)[columns]
