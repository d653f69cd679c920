"""Which gene sets the hubs of a network, or the genes of its layers, belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.derived import READ_FROM
from tgem._core.networks import network_key, network_params, network_prefix, read_network
from tgem._core.validate import check_count, chosen_classes
from tgem.enrich import RESULT_COLUMNS, over_representation, read_gene_sets
from tgem.net import hubs as count_hubs
from tgem.tl._gene_set_names import check_shared, names_in_sets, renamed
from tgem.tl._provenance import record, target_of
from tgem.tl._set_sizes import count_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData

Group = tuple[str, str, list[str]]  # class, layer, genes


def enrich_hubs(
    adata: AnnData,
    gene_sets: Mapping[str, Sequence[str]] | str | Path,
    *,
    n_genes: int = 50,
    min_size: int = 5,
    max_fdr: float | None = None,
    by_layer: bool = False,
    background: Iterable[str] | None = None,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which gene sets the hubs of each class belong to.

    The largest hubs of each class are tested for holding more of a set than chance would, as
    :func:`tgem.tl.enrich` tests the genes with the largest attributions. The background is every
    gene that the model knows.

    Parameters
    ----------
    adata
        Data with the hubs that :func:`tgem.tl.hubs` wrote, or, with `by_layer`, the network.
    gene_sets
        Dictionary from the name of a set to its genes, the path of a GMT file, or the name of an
        Enrichr library; see :func:`tgem.enrich.read_gene_sets`. Genes are matched by name or, as
        by :func:`tgem.tl.enrich`, by a column of ``adata.var``.
    n_genes
        Number of hubs of each class, largest strength first; fewer if there are fewer.
    min_size
        Smallest number of a set's genes in the background for it to be tested.
    max_fdr
        Largest false discovery rate of a hub; ``None`` takes hubs that were not tested as well.
    by_layer
        Whether to test instead, for each class and layer, the genes with the largest strength in
        the network of the layer.
    background
        Genes that could have been hubs, if the network does not say which the model knew.
    classes
        Classes to test; all by default.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_hubs_enrichment"]``
        DataFrame with ``class``, ``layer`` (``"all"`` unless `by_layer`), ``source``
        (``"hubs"`` or ``"layers"``) and the columns of :func:`tgem.enrich.over_representation`.
        P-values are adjusted within a class and layer, over all tested sets.
        ``tgem.pl.enrich(adata, key_added="tgem_hubs")`` draws it;
    ``.uns["tgem_hubs_enrichment_params"]``
        the settings, ``n_sets`` (the tested ones), ``n_sets_too_small``, the number of hubs that
        were tested, and tgem's version.

    Warns
    -----
    GeneSetWarning
        If sets were not tested because too few of their genes are in the background, or genes were
        matched by a column of ``.var``.

    Raises
    ------
    KeyError
        If there are no hubs, or no network.
    ValueError
        If no hub is left to test, a gene is not in the background, the gene sets share no gene
        with it or too few each, or a setting is out of range; `adata` is then unchanged.

    Examples
    --------
    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = list(adata.var_names)
    >>> adata.uns["tgem_network"] = pd.DataFrame(
    ...     {"class": "B cell", "layer": 1, "source": genes[:6], "target": genes[6], "weight": 1.0}
    ... )
    >>> tgem.tl.hubs(adata, direction="out")
    >>> sets = {"early": genes[:8], "late": genes[-8:]}
    >>> tgem.tl.enrich_hubs(adata, sets, background=genes)
    >>> adata.uns["tgem_hubs_enrichment"][["class", "Term", "Overlap"]].values.tolist()
    [['B cell', 'early', '6/8']]
    """
    check_count("n_genes", n_genes)
    check_count("min_size", min_size)
    if max_fdr is not None and not 0 < max_fdr <= 1:
        msg = f"Expected `max_fdr` in (0, 1], got {max_fdr!r}."
        raise ValueError(msg)
    if by_layer and max_fdr is not None:
        msg = "Expected `max_fdr` for hubs only: the genes of single layers are not tested."
        raise ValueError(msg)
    prefix = network_prefix(adata, key_added)
    groups = _of_layers(adata, prefix) if by_layer else _of_hubs(adata, prefix, max_fdr)
    chosen = chosen_classes(classes, list(dict.fromkeys(label for label, _, _ in groups)))
    groups = [(label, layer, genes[:n_genes]) for label, layer, genes in groups if label in chosen]
    given = _background(adata, prefix, background, groups)
    sets = read_gene_sets(gene_sets)
    names, matched_by = names_in_sets(sets, given, adata)
    known = renamed(given, names)
    check_shared(sets, known, adata)
    counts = count_sets(sets, known, min_size=min_size)
    source = "layers" if by_layer else "hubs"
    tables = [
        over_representation(renamed(genes, names), sets, known, min_size=min_size).assign(
            **{"class": label, "layer": layer, "source": source}
        )
        for label, layer, genes in groups
    ]
    columns = ["class", "layer", "source", *RESULT_COLUMNS]
    filled = [table for table in tables if len(table)] or tables[:1]
    target = target_of(adata, copy=copy)
    table = pd.concat(filled, ignore_index=True)[columns]
    keys.HUBS_ENRICHMENT.write(target, table, prefix)
    params = {
        "method": "over_representation",
        "source": source,
        "network": network_key(prefix),
        READ_FROM: network_key(prefix) if by_layer else keys.HUBS.key(prefix),
        "n_genes": int(n_genes),
        "max_fdr": max_fdr,
        "min_size": int(min_size),
        **counts,
        "n_background": len(known),
        "matched_by": matched_by,
        "n_hubs": sum(len(genes) for _, _, genes in groups),
        "classes": np.array(chosen, dtype=object),
    }
    record(target, keys.HUBS_ENRICHMENT, prefix, params)
    return target if copy else None


def _of_hubs(adata: AnnData, prefix: str, max_fdr: float | None) -> list[Group]:
    """Hubs of each class, largest first."""
    table: pd.DataFrame = keys.HUBS.read(adata, prefix)
    kept = table if max_fdr is None else table[table["fdr"] <= max_fdr]
    if not len(kept):
        tested = int(table["fdr"].notna().sum())
        msg = (
            f"Expected hubs with a false discovery rate of at most {max_fdr}, found none among "
            f"{len(table)} hubs, of which {tested} were tested. "
            "`tgem.tl.hubs(adata, model)` tests them; leave `max_fdr` out to take the largest."
        )
        if max_fdr is None:
            msg = "Expected hubs, but the network has no edges."
        raise ValueError(msg)
    return [(label, "all", genes) for label, genes in _by_strength(kept)]


def _of_layers(adata: AnnData, prefix: str) -> list[Group]:
    """Genes of each class and layer, largest strength first."""
    network = read_network(adata, prefix)
    if not len(network):
        msg = "Expected a network with edges, found none: attention decides nothing."
        raise ValueError(msg)
    layers = network["layer"] if "layer" in network else pd.Series("all", network.index)
    return [
        (label, str(layer), genes)
        for layer in pd.unique(layers.sort_values())
        for label, genes in _by_strength(count_hubs(network[layers == layer]))
    ]


def _by_strength(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    ordered = table.sort_values("strength", ascending=False, kind="stable")
    labels = table["class"].astype(str)
    return [
        (label, ordered.loc[labels.loc[ordered.index] == label, "gene"].astype(str).tolist())
        for label in dict.fromkeys(labels)
    ]


def _background(
    adata: AnnData, prefix: str, given: Iterable[str] | None, groups: Sequence[Group]
) -> list[str]:
    """Genes that the model knew, as named by the caller or the network."""
    genes = network_params(adata, prefix).get("genes") if given is None else given
    if genes is None:
        msg = (
            "Expected the genes that the model knew, but the network does not name them. Pass "
            "them as `background`, such as `background=model.gene_names`."
        )
        raise ValueError(msg)
    known = list(dict.fromkeys(str(gene) for gene in genes))
    outside = sorted({gene for _, _, hubs in groups for gene in hubs} - set(known))
    if outside:
        msg = (
            f"Expected every hub in the background of {len(known)} genes, but {len(outside)} are "
            f"not, such as {outside[0]!r}. Pass all genes of the model as `background`."
        )
        raise ValueError(msg)
    return known
