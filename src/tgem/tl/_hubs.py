"""Hub genes and hub factors of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.mudata_compat import copied
from tgem._core.networks import network_key, network_params, network_prefix, read_network
from tgem._core.validate import check_choice, check_count, check_data
from tgem.net import hub_significance, strength_significance
from tgem.net import hubs as count_hubs
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Data = TypeVar("Data", AnnData, MuData)

_COLUMNS = ["class", "gene", "degree", "strength", "rank", "p_value", "fdr"]


def hubs(
    adata: Data,
    *,
    direction: Literal["both", "out", "in"] | None = None,
    targets: Literal["target", "gene"] = "target",
    null: Sequence[pd.DataFrame] | Literal["degree"] | None = None,
    statistic: Literal["degree", "strength"] | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> Data | None:
    """Find the hubs of a network, and say which are larger than chance makes them.

    The hubs of a network of genes are the genes with the most edges. In the network of
    :class:`~tgem.model.DeepSF` they are the factors that regulate the most isoforms or genes, in
    that of :class:`~tgem.model.EpiAttention` those that change the most genes' prediction.
    A list cut to its strongest edges always has hubs, also when the labels mean nothing: without
    `null` they are ranked but not tested.

    Parameters
    ----------
    adata
        AnnData or MuData with a network in ``.uns``, such as :func:`tgem.tl.network`,
        :func:`tgem.tl.regulation` or :func:`tgem.tl.regulatory_network` writes.
    direction
        ``"out"`` counts the edges that leave a gene, ``"in"`` those that enter it, ``"both"`` their
        sum. By default ``"out"`` where the network goes from factors to isoforms or genes, else
        ``"both"``.
    targets
        ``"gene"`` counts isoforms of one gene as one target, by the network's column ``gene``; the
        absolute weights of the isoforms are added up.
    null
        Null networks, read in the same way from models trained on permuted labels (at least 20
        for a single hub to reach a false discovery rate of 0.05); or ``"degree"``: is a hub's
        strength larger than its degree explains? See :func:`tgem.net.hub_significance` and
        :func:`tgem.net.strength_significance`.
    statistic
        What is tested, ``"degree"`` by default; with ``null="degree"`` it is ``"strength"``.
    n_permutations, seed
        With ``null="degree"``: how often the weights are dealt anew, and the seed.
    key_added
        Prefix of the slots to read and write. By default that of the network that is there:
        ``"tgem"``, ``"deepsf"`` or ``"epi"``.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_hubs"]``
        long DataFrame: ``class`` (``"all"`` for a network without classes), ``gene`` (or factor),
        ``degree``, ``strength`` (sum of absolute weights), ``rank``, ``p_value`` and ``fdr``
        (Benjamini and Hochberg within a class), both missing without `null`;
    ``.uns["tgem_hubs_params"]``
        the settings, the number of null networks and tgem's version.

    Raises
    ------
    KeyError
        If there is no network.
    ValueError
        If there are several and `key_added` names none, for an unknown setting, a table that is no
        network, or a class without null networks; `adata` is then unchanged.

    Examples
    --------
    A network by hand, where a model's would come from a tool:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_network"] = pd.DataFrame(
    ...     {
    ...         "class": "B cell",
    ...         "layer": 1,
    ...         "source": ["MS4A1", "MS4A1", "CD74"],
    ...         "target": ["CD79A", "CD74", "CD79A"],
    ...         "weight": [0.9, -0.7, 0.2],
    ...     }
    ... )
    >>> tgem.tl.hubs(adata, direction="out")
    >>> adata.uns["tgem_hubs"][["gene", "degree"]].values.tolist()
    [['MS4A1', 2], ['CD74', 1]]
    """
    check_data(adata, AnnData | MuData)
    check_choice("targets", targets, ("target", "gene"))
    check_count("n_permutations", n_permutations)
    tested = _tested(null, statistic)
    prefix = network_prefix(adata, key_added)
    network = read_network(adata, prefix)
    if direction is None:
        of_factors = network_params(adata, prefix).get("sources") == "factors"
        direction = "out" if of_factors or "gene" in network else "both"
    counted = _between_genes(network, "network") if targets == "gene" else network
    params: dict[str, Any] = {"network": network_key(prefix), "targets": targets}
    params |= {"direction": direction, "statistic": tested}
    if null is None:
        table = count_hubs(counted, direction=direction).assign(p_value=np.nan, fdr=np.nan)
    elif isinstance(null, str):
        table = strength_significance(
            counted, direction=direction, n_permutations=n_permutations, seed=seed
        )
        params |= {"null": null, "n_permutations": int(n_permutations), "seed": int(seed)}
    else:
        nulls = list(null)
        if targets == "gene":
            nulls = [_between_genes(each, f"null[{at}]") for at, each in enumerate(nulls)]
        table = hub_significance(counted, nulls, direction=direction, statistic=tested or "degree")
        params |= {"null": "networks", "n_null": int(table["n_null"].min() if len(table) else 0)}
    target = copied(adata) if copy else adata
    keys.HUBS.write(target, table[_COLUMNS], prefix)
    record(target, keys.HUBS, prefix, params)
    return target if copy else None


def _tested(null: Any, statistic: str | None) -> Literal["degree", "strength"] | None:
    """Say which statistic the null is of, and refuse what cannot be tested."""
    if isinstance(null, str):
        check_choice("null", null, ("degree",))
    elif hasattr(null, "columns"):
        msg = "Expected `null` to be a list of networks, got one. Write it as `null=[network]`."
        raise TypeError(msg)
    if statistic is not None:
        check_choice("statistic", statistic, ("degree", "strength"))
    if null is None:
        if statistic is not None:
            msg = (
                f"Expected `null` beside statistic={statistic!r}, got None: there is nothing to "
                'test against. Give a list of null networks, or null="degree".'
            )
            raise ValueError(msg)
        return None
    if isinstance(null, str):
        if statistic == "degree":
            msg = (
                'Expected statistic="strength" with null="degree", which keeps every degree, got '
                "'degree'. To test degrees, give a list of null networks."
            )
            raise ValueError(msg)
        return "strength"
    return "strength" if statistic == "strength" else "degree"


def _between_genes(network: pd.DataFrame, called: str) -> pd.DataFrame:
    """Network with the targets' genes in place of the targets."""
    if "gene" not in network:
        msg = (
            f"Expected a column 'gene' in `{called}` for targets=\"gene\", found "
            f"{', '.join(repr(name) for name in network)}. Only networks of isoforms have one; "
            'use targets="target".'
        )
        raise ValueError(msg)
    columns = [name for name in ("class", "layer") if name in network]
    sizes = network.assign(weight=network["weight"].abs(), target=network["gene"])
    return sizes.groupby([*columns, "source", "target"], as_index=False, observed=True)[
        "weight"
    ].sum()
