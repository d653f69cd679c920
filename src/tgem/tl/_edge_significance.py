"""Which edges of a network are heavier than their genes explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.mudata_compat import copied
from tgem._core.networks import network_key, network_prefix, read_network
from tgem._core.validate import check_count, check_data
from tgem.net import edge_significance as significance
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from typing import Any

Data = TypeVar("Data", AnnData, MuData)


def edge_significance(
    adata: Data,
    *,
    n_permutations: int = 100,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> Data | None:
    """Test which edges hold more of their genes' strength than chance would give them.

    The null keeps every gene's number of edges and deals the weights anew over the edges of a
    class and layer. An edge is significant if it is heavy for the two genes that it links, not
    because one of them has heavy edges in general; see :func:`tgem.net.edge_significance`. The test
    is about the edges that are in the network, and says nothing of the labels.

    Parameters
    ----------
    adata
        AnnData or MuData with a network in ``.uns``.
    n_permutations
        How often the weights are dealt anew.
    seed
        Seed of the deals.
    key_added
        Prefix of the slots to read and write. By default that of the network that is there.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_edge_significance"]``, the network with
    ``p_value`` and ``fdr`` (Benjamini and Hochberg, over the edges of a class and layer), and its
    ``_params``.

    Raises
    ------
    KeyError
        If there is no network.
    ValueError
        If `n_permutations` is below 1.

    Examples
    --------
    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = adata.var_names[:8]
    >>> pairs = [(a, b) for a in genes for b in genes if a < b]
    >>> network = pd.DataFrame(pairs, columns=["source", "target"]).assign(weight=0.1)
    >>> network.loc[9, "weight"] = 1.0
    >>> adata.uns["tgem_network"] = network
    >>> tgem.tl.edge_significance(adata)
    >>> adata.uns["tgem_edge_significance"]["p_value"].idxmin()
    9
    """
    check_data(adata, AnnData | MuData)
    check_count("n_permutations", n_permutations)
    prefix = network_prefix(adata, key_added)
    table = significance(read_network(adata, prefix), n_permutations=n_permutations, seed=seed)
    target = copied(adata) if copy else adata
    keys.EDGE_SIGNIFICANCE.write(target, table, prefix)
    params: dict[str, Any] = {"network": network_key(prefix), "seed": int(seed)}
    record(target, keys.EDGE_SIGNIFICANCE, prefix, params | {"n_permutations": int(n_permutations)})
    return target if copy else None
