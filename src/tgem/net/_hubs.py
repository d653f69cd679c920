"""Hub genes: those with the most edges."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from tgem._core.validate import check_choice
from tgem.net._table import by_class, checked, merged_layers

Direction = Literal["both", "out", "in"]
DIRECTIONS = ("both", "out", "in")
COLUMNS = ("class", "gene", "degree", "strength", "rank")


def hubs(table: pd.DataFrame, *, direction: Direction = "both") -> pd.DataFrame:
    """Count the edges of each gene and add up their weights.

    An edge that several layers of a class share counts once in the degree, with the sum of its
    absolute weights in the strength.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    direction
        ``"out"`` counts the edges that leave a gene, ``"in"`` those that enter it, ``"both"``
        their sum (an edge of a gene to itself counts in both).

    Returns
    -------
    One row per class and gene with an edge in that direction, by class and rank:

    - ``class`` (``"all"`` for a network without classes), ``gene``;
    - ``degree``: number of edges;
    - ``strength``: sum of their absolute weights;
    - ``rank``: 1 for the largest degree, then the largest strength; equal genes share the rank.

    Raises
    ------
    ValueError
        If `table` is no network or `direction` is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame(
    ...     {"source": ["A", "A", "B"], "target": ["B", "C", "C"], "weight": [0.2, -0.9, 0.5]}
    ... )
    >>> net.hubs(table)[["gene", "degree", "strength", "rank"]].values.tolist()
    [['C', 2, 1.4, 1], ['A', 2, 1.1, 2], ['B', 2, 0.7, 3]]
    """
    check_choice("direction", direction, DIRECTIONS)
    tables = [_of_class(label, edges, direction) for label, edges in by_class(checked(table))]
    if not tables:
        return pd.DataFrame(
            {
                "class": pd.Series(dtype=object),
                "gene": pd.Series(dtype=object),
                "degree": pd.Series(dtype=np.int64),
                "strength": pd.Series(dtype=np.float64),
                "rank": pd.Series(dtype=np.int64),
            }
        )
    return pd.concat(tables, ignore_index=True)


def ends(edges: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """One row per edge and counted end: ``gene`` and ``weight``."""
    sides = {"out": ["source"], "in": ["target"], "both": ["source", "target"]}[direction]
    parts = [edges[[side, "weight"]].set_axis(["gene", "weight"], axis=1) for side in sides]
    return pd.concat(parts, ignore_index=True)


def _of_class(label: str, edges: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    counted = ends(merged_layers(edges), direction).sort_values("weight", kind="stable")
    found = counted.groupby("gene", as_index=False, sort=True)["weight"].agg(["size", "sum"])
    found = found.set_axis(["gene", "degree", "strength"], axis=1)
    found = found.sort_values(
        ["degree", "strength", "gene"], ascending=[False, False, True], ignore_index=True
    )
    equal = found[["degree", "strength"]].eq(found[["degree", "strength"]].shift()).all(axis=1)
    place = pd.Series(np.arange(1, len(found) + 1)).where(~equal).ffill()
    return found.assign(**{"class": label, "rank": place.astype(np.int64)})[list(COLUMNS)]
