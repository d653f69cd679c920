"""Hub genes and hub factors of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import remove_derived
from tgem._core.mudata_compat import copied
from tgem._core.networks import (
    network_key,
    network_params,
    network_prefix,
    read_network,
    reliability_of,
)
from tgem._core.validate import check_choice, check_count, check_data
from tgem.tl._hubs_null import (
    against_retrainings,
    is_not_tested,
    is_of_retrainings,
    null_of_retrainings,
)
from tgem.tl._hubs_reliability import counted_edges, reliable_counts, share_of_reliable
from tgem.tl._hubs_significance import against_given, between_genes, statistic_of_null, untested
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tgem.model._base import RetrainedClassifier

Data = TypeVar("Data", AnnData, MuData)

_COLUMNS = ["class", "gene", "degree", "strength", "rank", "p_value", "fdr"]


def hubs(
    adata: Data,
    model: RetrainedClassifier | None = None,
    *,
    direction: Literal["both", "out", "in"] | None = None,
    targets: Literal["target", "gene"] = "target",
    null: Sequence[pd.DataFrame] | Literal["degree"] | None = None,
    statistic: Literal["degree", "strength"] | None = None,
    n_permutations: int | None = None,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> Data | None:
    """Find the hubs of a network, and say which are larger than chance makes them.

    The hubs of a network of genes are the genes with the most edges. In the network of
    :class:`~tgem.model.DeepSF` they are the factors that regulate the most isoforms or genes, in
    that of :class:`~tgem.model.EpiAttention` those that change the most genes' prediction.
    A list cut to its strongest edges always has hubs, also when the labels mean nothing: without
    `model` or `null` they are ranked but not tested.

    With `model`, they are tested: **the model is trained again on permuted labels**, by default 20
    times, which takes 20 times as long as its training did and shows its progress. Labels are
    permuted within training, validation and test cells, everything else is the same, and the
    network is read from the same cells in the same way. A gene's share of the strength of all
    genes is compared with its own share in these networks: some genes, highly expressed ones for
    the most part, are hubs whatever the labels are. What was trained is kept in the data: a
    call that was interrupted goes on where it ended, one with more permutations trains only the
    rest, and one without `model` trains none.

    The p-value answers whether a gene's edges are heavier than if cells had any other labels. It
    asks no more than that: a gene may be a significant hub because it varies together with a gene
    that decides. Genes are not tested where the cells' own attention decides next to nothing, as
    :func:`tgem.tl.network` says; a network of attention that decides nothing depends on the labels
    all the same, by the weights behind the attention.

    Parameters
    ----------
    adata
        AnnData or MuData with a network in ``.uns``, such as :func:`tgem.tl.network`,
        :func:`tgem.tl.regulation` or :func:`tgem.tl.regulatory_network` writes.
    model
        The model whose network :func:`tgem.tl.network` wrote, with its training cells: tests the
        hubs against models trained on permuted labels.
    direction
        ``"out"`` counts the edges that leave a gene, ``"in"`` those that enter it, ``"both"`` their
        sum. By default ``"out"`` where the network goes from factors to isoforms or genes, else
        ``"both"``.
    targets
        ``"gene"`` counts isoforms of one gene as one target, by the network's column ``gene``; the
        absolute weights of the isoforms are added up.
    null
        Instead of `model`: null networks, read in the same way from models trained on permuted
        labels (at least 20 for a single hub to reach a false discovery rate of 0.05); or
        ``"degree"``: is a hub's strength larger than its degree explains? See
        :func:`tgem.net.hub_significance` and :func:`tgem.net.strength_significance`.
    statistic
        What is tested: ``"strength"``, of which the degree is a coarser count and where a network
        has most pairs of genes none at all, or ``"degree"``. With null networks in `null`,
        ``"degree"`` by default.
    n_permutations, seed
        Trainings on permuted labels, 20 by default; or, with ``null="degree"``, how often the
        weights are dealt anew, 1,000 by default. And the seed of the permutations.
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
        (Benjamini and Hochberg within a class), both missing without `null`; of a network that
        says which edges are reliable, ``reliable``, the share of what was counted that is;
    ``.uns["tgem_hubs_params"]``
        the settings, the number of null networks and tgem's version;
    ``.uns["tgem_hubs_null"]``
        with `model`: long DataFrame with a row for each permutation, class and gene:
        ``permutation``, ``class``, ``gene``, ``out_degree``, ``in_degree``, ``out_strength``,
        ``in_strength``.

    Gene sets of earlier hubs are removed.

    Raises
    ------
    KeyError
        If there is no network.
    ValueError
        If there are several and `key_added` names none, for an unknown setting, a table that is no
        network, a class without null networks, or a model that is not the network's or holds no
        training cells; `adata` is then unchanged.
    RuntimeError
        If the model is not trained.
    KeyboardInterrupt
        If the trainings are interrupted; those that are finished are then in the data, unless a
        copy was asked for.

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
    if n_permutations is not None:
        check_count("n_permutations", n_permutations)
    prefix = network_prefix(adata, key_added)
    network = read_network(adata, prefix)
    retrained = is_of_retrainings(adata, model, prefix, null=null, targets=targets)
    tested = statistic_of_null(null, statistic, retrained=retrained)
    if direction is None:
        of_factors = network_params(adata, prefix).get("sources") == "factors"
        direction = "out" if of_factors or "gene" in network else "both"
    counted = between_genes(network, "network") if targets == "gene" else network
    params: dict[str, Any] = {"network": network_key(prefix), "targets": targets}
    params |= {"direction": direction, "statistic": tested}
    trained: tuple[pd.DataFrame, dict[str, Any]] | None = None
    target = adata
    if retrained and is_not_tested(adata, prefix):
        table = untested(counted, direction)
        params |= {"null": "not tested: attention decides next to nothing"}
    elif retrained:
        target = copied(adata) if copy else adata
        trained = null_of_retrainings(
            target, model, prefix, n_permutations=n_permutations, seed=seed
        )
        table = against_retrainings(counted, trained, params, network_params(adata, prefix))
        params |= {"null": "permuted labels"}
        params |= {name: trained[1][name] for name in ("n_permutations", "seed")}
    else:
        table, of_null = against_given(
            counted, null, params, n_permutations=n_permutations, seed=seed
        )
        params |= of_null
    target = copied(adata) if copy and target is adata else target
    if trained is not None:
        keys.HUBS_NULL.write(target, trained[0], prefix)
        record(target, keys.HUBS_NULL, prefix, trained[1])
    found = table[_COLUMNS]
    if "reliable" in network:
        edges = counted_edges(network, targets)
        of_network = reliability_of(network_params(adata, prefix))
        params |= of_network | (reliable_counts(edges) if of_network else {})
        found = found.assign(reliable=share_of_reliable(found, edges, direction))
    remove_derived(target, keys.HUBS, prefix)
    keys.HUBS.write(target, found, prefix)
    record(target, keys.HUBS, prefix, params)
    return target if copy else None
