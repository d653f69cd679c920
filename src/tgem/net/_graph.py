"""Networks as networkx graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from tgem.net._table import checked

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def to_networkx(table: pd.DataFrame) -> nx.MultiDiGraph:
    """Turn a network into a directed graph of networkx.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class``, ``layer`` and
        more columns.

    Returns
    -------
    A graph with one edge per row, the other columns as its attributes. A pair of genes that is
    linked in several classes or layers has parallel edges; ``networkx.DiGraph(graph)`` keeps one.

    Raises
    ------
    ValueError
        If `table` is no network.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame({"source": ["A", "B"], "target": ["B", "C"], "weight": [0.5, -1.0]})
    >>> net.to_networkx(table).number_of_edges()
    2
    """
    plain = checked(table)[list(table.columns)]
    graph = nx.MultiDiGraph()
    others = [name for name in plain.columns if name not in ("source", "target")]
    values = [[_plain(value) for value in plain[name]] for name in others]
    for source, target, *rest in zip(plain["source"], plain["target"], *values, strict=True):
        attributes = {
            str(name): value for name, value in zip(others, rest, strict=True) if value is not None
        }
        # add_edge would take columns named u, v or key for its own parameters
        graph.add_edges_from([(source, target, attributes)])
    return graph


def write_graphml(table: pd.DataFrame, path: str | Path) -> None:
    """Write a network as GraphML, for networkx, igraph, Gephi and Cytoscape.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class``, ``layer`` and
        more columns, which become attributes of the edges.
    path
        File to write.

    Returns
    -------
    ``None``.

    Raises
    ------
    ValueError
        If `table` is no network.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from tgem import net
    >>> table = pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.write_graphml(table, Path(folder) / "network.graphml")
    """
    nx.write_graphml(to_networkx(table), path, named_key_ids=False)


def _plain(value: Any) -> Any:
    """A number or text of Python; ``None`` for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:  # noqa: PLR0124 - only what is missing differs from itself
        return None
    return value if isinstance(value, bool | int | float) else str(value)
