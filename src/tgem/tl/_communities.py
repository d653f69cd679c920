"""Groups of genes of a network, and whether it is more modular than chance makes it."""

from __future__ import annotations

from typing import TypeVar

from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.mudata_compat import copied
from tgem._core.networks import network_key, network_prefix, read_network
from tgem._core.validate import check_count, check_data, check_positive
from tgem.net import communities as find_communities
from tgem.net import community_significance
from tgem.tl._provenance import record

Data = TypeVar("Data", AnnData, MuData)


def communities(
    adata: Data,
    *,
    resolution: float = 1.0,
    n_permutations: int = 20,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> Data | None:
    """Find groups of genes that are linked among themselves, and test whether there are any.

    Communities are found by the Louvain method, which finds some in any network. So each class's
    modularity is compared with that of networks in which every gene keeps its number of edges and
    the edges are rewired at random. Edges of a gene to itself are left out.

    Parameters
    ----------
    adata
        AnnData or MuData with a network in ``.uns``.
    resolution
        Above 1 for smaller communities, below for larger ones.
    n_permutations
        Number of rewired networks; the time grows with it and with the number of edges.
    seed
        Seed of the rewiring and of the order in which genes are visited.
    key_added
        Prefix of the slots to read and write. By default that of the network that is there.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_communities"]``
        long DataFrame: ``class``, ``gene``, ``community`` (1 is the largest), ``size``;
    ``.uns["tgem_communities_params"]``
        the settings, and ``classes``, a DataFrame with a row for each class: ``class``,
        ``n_communities``, ``modularity``, ``null_mean``, ``null_sd`` and ``p_value``, see
        :func:`tgem.net.community_significance`.

    Raises
    ------
    KeyError
        If there is no network.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = adata.var_names
    >>> groups = [genes[:5], genes[5:10], genes[10:15]]
    >>> pairs = [(a, b) for group in groups for a in group for b in group if a < b]
    >>> adata.uns["tgem_network"] = pd.DataFrame(pairs, columns=["source", "target"]).assign(
    ...     weight=1.0
    ... )
    >>> tgem.tl.communities(adata, n_permutations=19)
    >>> adata.uns["tgem_communities"]["community"].value_counts().to_dict()
    {1: 5, 2: 5, 3: 5}
    >>> adata.uns["tgem_communities_params"]["classes"]["p_value"].tolist()
    [0.05]
    """
    check_data(adata, AnnData | MuData)
    check_positive("resolution", resolution)
    check_count("n_permutations", n_permutations)
    prefix = network_prefix(adata, key_added)
    network = read_network(adata, prefix)
    names = network[["source", "target"]].astype(str)
    network = network[(names["source"] != names["target"]).to_numpy()]
    table = find_communities(network, resolution=resolution, seed=seed)
    tested = community_significance(
        network, n_permutations=n_permutations, resolution=resolution, seed=seed
    )
    target = copied(adata) if copy else adata
    keys.COMMUNITIES.write(target, table, prefix)
    params = {
        "network": network_key(prefix),
        "resolution": float(resolution),
        "n_permutations": int(n_permutations),
        "seed": int(seed),
        "classes": tested,
    }
    record(target, keys.COMMUNITIES, prefix, params)
    return target if copy else None
