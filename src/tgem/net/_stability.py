"""How often edges and hubs come back over seeds and bootstraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tgem._core.validate import check_count
from tgem.net._hubs import Direction, hubs
from tgem.net._table import checked_list, edge_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stability(NamedTuple):
    """Selection frequencies over a list of networks.

    Parameters
    ----------
    edges
        ``class``, ``layer`` (where there are layers), ``source``, ``target``, ``frequency`` (share
        of the networks with the edge), ``weight`` (mean, 0 where it is absent) and
        ``same_sign`` (share of its appearances with its more frequent sign).
    hubs
        ``class``, ``gene``, ``frequency`` (share of the networks with the gene among the hubs of
        the class) and ``mean_rank`` (over the networks in which it has an edge).
    """

    edges: pd.DataFrame
    hubs: pd.DataFrame


def stability(
    tables: Sequence[pd.DataFrame], *, n_hubs: int = 20, direction: Direction = "both"
) -> Stability:
    """Count in how many networks each edge and each hub is selected.

    Parameters
    ----------
    tables
        Networks of the same data from several seeds or bootstraps, each with ``source``,
        ``target``, ``weight`` and optionally ``class`` and ``layer``, and each cut to the same
        number of edges (see :func:`strongest`): a longer list selects more by itself.
    n_hubs
        Number of genes of a class that count as hubs, by rank; with equal ranks more.
    direction
        Edges to count, as in :func:`hubs`.

    Returns
    -------
    :class:`Stability`, a pair of tables, by class and falling frequency.

    Raises
    ------
    ValueError
        For fewer than two networks, or if one is no network.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> first = pd.DataFrame({"source": ["A", "A"], "target": ["B", "C"], "weight": [1.0, 0.5]})
    >>> found = net.stability([first, first.iloc[:1]], n_hubs=1)
    >>> found.edges[["target", "frequency"]].values.tolist()
    [['B', 1.0], ['C', 0.5]]
    """
    check_count("n_hubs", n_hubs)
    networks = checked_list(tables, least=2)
    columns = edge_columns(networks)
    edges = pd.concat(networks, ignore_index=True)
    edges["positive"] = edges["weight"] > 0
    found = edges.groupby(columns, as_index=False, sort=False).agg(
        frequency=("weight", "size"), weight=("weight", "sum"), same_sign=("positive", "mean")
    )
    found["frequency"] /= len(networks)
    found["weight"] /= len(networks)
    found["same_sign"] = found["same_sign"].where(found["same_sign"] >= 0.5, 1 - found["same_sign"])
    order = ["class", "frequency", *columns[1:]]
    found = found.sort_values(order, ascending=[name != "frequency" for name in order])
    ranked = pd.concat([hubs(table, direction=direction) for table in networks], ignore_index=True)
    ranked["frequency"] = ranked["rank"] <= n_hubs
    genes = ranked.groupby(["class", "gene"], as_index=False, sort=False).agg(
        frequency=("frequency", "sum"), mean_rank=("rank", "mean")
    )
    genes["frequency"] /= len(networks)
    order = ["class", "frequency", "mean_rank", "gene"]
    genes = genes.sort_values(order, ascending=[name != "frequency" for name in order])
    return Stability(found.reset_index(drop=True), genes.reset_index(drop=True))
