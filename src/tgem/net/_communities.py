"""Groups of genes that are linked more among themselves than with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd

from tgem._core.progress import track
from tgem._core.validate import check_count, check_positive
from tgem.net._degree_preserving_null import degree_preserving_null
from tgem.net._table import by_class, checked

if TYPE_CHECKING:
    from collections.abc import Sequence


def communities(table: pd.DataFrame, *, resolution: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Find communities of genes by the Louvain method.

    Directions and signs are set aside: the weight between two genes is the sum of the absolute
    weights of their edges, over both directions and all layers.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    resolution
        Above 1 for smaller communities, below for larger ones.
    seed
        Seed of the order in which genes are visited.

    Returns
    -------
    One row per class and gene: ``class``, ``gene``, ``community`` (1 is the largest) and ``size``,
    its number of genes.

    Raises
    ------
    ValueError
        If `table` is no network or `resolution` is not above 0.

    References
    ----------
    Blondel et al. (2008), Fast unfolding of communities in large networks.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame(
    ...     {"source": list("AABDDE"), "target": list("BCCEFF"), "weight": 1.0}
    ... )
    >>> net.communities(table).groupby("community")["gene"].agg("".join).tolist()
    ['ABC', 'DEF']
    """
    check_positive("resolution", resolution)
    found = [
        {"class": label, "gene": gene, "community": number, "size": len(members)}
        for label, edges in by_class(checked(table))
        for number, members in enumerate(_louvain(_undirected(edges), resolution, seed), start=1)
        for gene in members
    ]
    return pd.DataFrame(found, columns=["class", "gene", "community", "size"])


def community_significance(
    table: pd.DataFrame, *, n_permutations: int = 100, resolution: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """Compare the modularity of the communities with that in networks of the same degrees.

    Louvain finds communities in random networks too. Here the network is rewired with its
    degrees kept (:func:`degree_preserving_null`), and its communities are found anew.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``, in
        which no gene points to itself.
    n_permutations
        Number of rewired networks.
    resolution
        As in :func:`communities`.
    seed
        Seed of the random numbers.

    Returns
    -------
    One row per class: ``class``, ``n_communities``, ``modularity``, ``null_mean`` and ``null_sd``
    of the rewired networks, and ``p_value``, ``(r + 1) / (n + 1)`` where ``r`` of ``n`` rewired
    networks reach the modularity.

    Raises
    ------
    ValueError
        If `table` is no network, a gene points to itself, or a number is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> cliques = [range(5), range(5, 10), range(10, 15)]
    >>> pairs = [(f"G{a}", f"G{b}") for genes in cliques for a in genes for b in genes if a < b]
    >>> table = pd.DataFrame(pairs, columns=["source", "target"]).assign(weight=1.0)
    >>> net.community_significance(table, n_permutations=19)["p_value"].tolist()
    [0.05]
    """
    check_count("n_permutations", n_permutations)
    check_positive("resolution", resolution)
    rows = []
    for label, edges in by_class(checked(table)):
        nulls = degree_preserving_null(edges, n=n_permutations, seed=seed)
        n_found, modularity = _modularity(edges, resolution, seed)
        reached = np.array(
            [
                _modularity(null, resolution, seed)[1]
                for null in track(nulls, f"Communities of {label}")
            ]
        )
        rows.append(
            {
                "class": label,
                "n_communities": n_found,
                "modularity": modularity,
                "null_mean": reached.mean(),
                "null_sd": reached.std(),
                "p_value": (np.sum(reached >= modularity - 1e-12) + 1) / (n_permutations + 1),
            }
        )
    columns = ["class", "n_communities", "modularity", "null_mean", "null_sd", "p_value"]
    return pd.DataFrame(rows, columns=columns)


def _undirected(edges: pd.DataFrame) -> nx.Graph:
    """Genes and edges are added by name: the result does not depend on the order of the rows."""
    pairs = edges[["source", "target"]].to_numpy(dtype=object)
    first, second = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
    sizes = pd.DataFrame({"first": first, "second": second, "weight": edges["weight"].abs()})
    sizes = sizes.sort_values("weight", kind="stable")
    sizes = sizes.groupby(["first", "second"], as_index=False, sort=True)["weight"].sum()
    graph = nx.Graph()
    graph.add_nodes_from(sorted(set(first) | set(second)))
    graph.add_weighted_edges_from(sizes.itertuples(index=False, name=None))
    return graph


def _louvain(graph: nx.Graph, resolution: float, seed: int) -> list[list[str]]:
    """Members of each community by name, the largest community first."""
    if not graph.size(weight="weight"):  # nothing links the genes
        return [[gene] for gene in graph]
    found = nx.community.louvain_communities(graph, resolution=resolution, seed=seed)
    return sorted((sorted(members) for members in found), key=lambda genes: (-len(genes), genes))


def _modularity(edges: pd.DataFrame, resolution: float, seed: int) -> tuple[int, float]:
    graph = _undirected(edges)
    found: Sequence[Sequence[str]] = _louvain(graph, resolution, seed)
    if not graph.size(weight="weight"):
        return len(found), 0.0
    score = nx.community.modularity(graph, map(set, found), resolution=resolution)
    return len(found), float(score)
