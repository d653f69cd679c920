"""Networks for Cytoscape and decoupler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgem._core.errors import listed
from tgem.net._graph import to_networkx
from tgem.net._table import checked

if TYPE_CHECKING:
    import pandas as pd


def write_cyjs(table: pd.DataFrame, path: str | Path, *, name: str = "tgem") -> None:
    """Write a network as Cytoscape's JSON (``.cyjs``), also read by Cytoscape.js.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class``, ``layer`` and
        more columns, which become columns of the edges; missing values are left out.
    path
        File to write.
    name
        Name of the network in Cytoscape.

    Returns
    -------
    ``None``.

    Raises
    ------
    ValueError
        If `table` is no network.

    Examples
    --------
    >>> import json, pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from tgem import net
    >>> table = pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "network.cyjs"
    ...     net.write_cyjs(table, path)
    ...     json.loads(path.read_text())["elements"]["edges"][0]["data"]["weight"]
    0.5
    """
    graph = to_networkx(table)
    numbers = {gene: str(at) for at, gene in enumerate(graph)}
    nodes = [{"data": {"id": numbers[gene], "name": gene, "shared_name": gene}} for gene in graph]
    edges = [
        {
            "data": attributes
            | {
                "id": f"e{at}",
                "source": numbers[source],
                "target": numbers[target],
                "interaction": _sign(attributes["weight"]),
            }
        }
        for at, (source, target, attributes) in enumerate(graph.edges(data=True))
    ]
    document = {
        "format_version": "1.0",
        "data": {"name": name, "shared_name": name},
        "elements": {"nodes": nodes, "edges": edges},
    }
    Path(path).write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


def write_sif(table: pd.DataFrame, path: str | Path) -> None:
    """Write a network as Cytoscape's simple interaction format: source, sign, target.

    The format has no place for weights, classes and layers: edges of several classes or layers
    would lie on each other, so choose one first, or use :func:`write_cyjs`.

    Parameters
    ----------
    table
        Network of one class and layer, with ``source``, ``target`` and ``weight``; the
        interaction is ``positive``, ``negative`` or, for a weight of 0, ``none``.
    path
        File to write, with tabs between the fields.

    Returns
    -------
    ``None``.

    Raises
    ------
    ValueError
        If `table` is no network, has the same pair twice, or has a name with a tab or line break.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from tgem import net
    >>> table = pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "network.sif"
    ...     net.write_sif(table, path)
    ...     path.read_text().split()
    ['A', 'positive', 'B']
    """
    plain = checked(table)
    repeated = plain.duplicated(["source", "target"])
    if repeated.any():
        msg = (
            f"Expected each pair of genes once, but {int(repeated.sum())} of {len(plain)} rows "
            "repeat a pair in another class or layer. Write one class and layer, such as "
            "`table[(table['class'] == label) & (table['layer'] == 1)]`, or use `write_cyjs`."
        )
        raise ValueError(msg)
    names = set(plain["source"]) | set(plain["target"])
    broken = sorted(name for name in names if len(name.splitlines()) != 1 or "\t" in name)
    if broken:
        msg = f"Expected names without tabs and line breaks, found {listed(broken)}."
        raise ValueError(msg)
    lines = [
        f"{source}\t{_sign(weight)}\t{target}\n"
        for source, target, weight in zip(
            plain["source"], plain["target"], plain["weight"], strict=True
        )
    ]
    Path(path).write_text("".join(lines), encoding="utf-8")


def _sign(weight: Any) -> str:
    if weight == 0:
        return "none"
    return "positive" if weight > 0 else "negative"


def to_decoupler(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the network of one class into decoupler's table of unique pairs.

    Parameters
    ----------
    table
        Network of one class, with ``source``, ``target``, ``weight`` and optionally ``layer``.

    Returns
    -------
    DataFrame with ``source``, ``target`` and ``weight``, each pair once, weights of its layers
    added up; ordered by name. For decoupler's ``net`` argument.

    Raises
    ------
    ValueError
        If `table` is no network or holds several classes.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame(
    ...     {"layer": [1, 2], "source": ["A", "A"], "target": ["B", "B"], "weight": [0.5, 0.25]}
    ... )
    >>> net.to_decoupler(table).values.tolist()
    [['A', 'B', 0.75]]
    """
    plain = checked(table)
    labels = plain["class"].unique()
    if len(labels) > 1:
        msg = (
            f"Expected the network of one class, found {len(labels)}: {listed(labels)}. "
            "Choose one with `table[table['class'] == label]`."
        )
        raise ValueError(msg)
    return plain.groupby(["source", "target"], as_index=False, sort=True)["weight"].sum()
