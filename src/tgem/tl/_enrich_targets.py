"""Which gene sets the genes that a factor regulates belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import READ_FROM
from tgem._core.errors import listed
from tgem._core.mudata_compat import copied
from tgem._core.networks import network_key, network_params, network_prefix, read_network
from tgem._core.validate import check_choice, check_count, check_data
from tgem.enrich import RESULT_COLUMNS, over_representation, read_gene_sets
from tgem.tl._gene_set_names import known_names, renamed
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def enrich_targets(
    adata: AnnData | MuData,
    gene_sets: Mapping[str, Sequence[str]] | str | Path,
    *,
    background: Iterable[str] | None = None,
    symbols: Mapping[str, str] | pd.Series[str] | None = None,
    n_sources: int = 10,
    min_targets: int = 5,
    of: Literal["network", "differential_regulation"] = "network",
    max_fdr: float = 0.05,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Say which gene sets the targets of a network's hubs belong to.

    For each of the factors (or genes) that look at most others in a network, the genes it is
    linked to are tested for holding more of a set than chance would.

    Parameters
    ----------
    adata
        AnnData or MuData with the network that :func:`tgem.tl.regulation` or
        :func:`tgem.tl.regulatory_network` wrote.
    gene_sets
        Dictionary from the name of a set to its genes, the path of a GMT file, or the name of an
        Enrichr library; see :func:`tgem.enrich.read_gene_sets`. Every set with a gene in the
        background is a test, however small: leave out beforehand those not worth one.
    background
        Every gene that could have been a target, named as in the network. By default those that
        the tool wrote beside the result: of DeepSF the genes with at least two isoforms, or, with
        ``reliable_only``, those that are reliable. Of other networks they must be given. More
        genes than that, such as the whole genome or all genes of the model, make what has several
        isoforms, or is expressed, look enriched.
    symbols
        Names under which the gene sets know the genes, by the network's names, such as
        ``mdata["gene"].var["gene_symbol"]``; ``None`` if they are the same. A gene without one
        keeps its own.
    n_sources
        Number of factors of each class, those with most targets first.
    min_targets
        Fewest targets of a factor that is tested.
    of
        ``"network"``, or ``"differential_regulation"`` for the genes on which a factor acts
        differently, as :func:`tgem.tl.differential_regulation` wrote them.
    max_fdr
        Largest false discovery rate of the pairs of differential regulation that are read.
    key_added
        Prefix of the slots to read and write. By default that of the network that is there.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["deepsf_enrichment"]``
        (or with the prefix of the network) DataFrame with ``class``, the factor (after the class,
        if the network has several: ``"K562: SRSF1"``), ``source`` (``"targets"``) and the columns
        of :func:`tgem.enrich.over_representation`. P-values are adjusted within a factor,
        over every set with a gene in the background.
        ``tgem.pl.enrich`` and ``gseapy.dotplot`` draw it.
    ``.uns["deepsf_enrichment_params"]``
        the settings and tgem's version.

    Raises
    ------
    KeyError
        If there is no network.
    ValueError
        If no factor has enough targets, no background is known, a target is not in it, or the
        gene sets share no gene with it; `adata` is then unchanged.

    Examples
    --------
    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = list(adata.var_names)
    >>> adata.uns["tgem_network"] = pd.DataFrame(
    ...     {"source": "SRSF1", "target": genes[:6], "weight": 1.0}
    ... )
    >>> sets = {"early": genes[:8], "late": genes[-8:]}
    >>> tgem.tl.enrich_targets(adata, sets, background=genes)
    >>> adata.uns["tgem_enrichment"][["class", "Term", "Overlap"]].values.tolist()
    [['SRSF1', 'early', '6/8']]
    """
    check_data(adata, AnnData | MuData)
    check_count("n_sources", n_sources)
    check_count("min_targets", min_targets)
    check_choice("of", of, ("network", "differential_regulation"))
    if of == "network":
        prefix = network_prefix(adata, key_added)
        read_from = network_key(prefix)
        network, params = read_network(adata, prefix), network_params(adata, prefix)
    else:
        prefix = key_added or keys.DIFFERENTIAL_REGULATION.prefix
        read_from = keys.DIFFERENTIAL_REGULATION.key(prefix)
        params = adata.uns.get(keys.DIFFERENTIAL_REGULATION.params_key(prefix), {})
        pairs = keys.DIFFERENTIAL_REGULATION.read(adata, prefix)
        network = pairs[pairs["fdr"] <= max_fdr].assign(target=pairs["gene"])
    rename = known_names(symbols) if symbols is not None else {}
    known = _background(background, params)
    targets = _targets(network, n_sources=n_sources, min_targets=min_targets)
    _check_background(targets, known)
    sets = read_gene_sets(gene_sets)
    universe = renamed(known, rename)
    if set(universe).isdisjoint(gene for genes in sets.values() for gene in genes):
        msg = (
            f"Expected gene sets that share genes with the {len(universe)} of the background "
            f"({listed(universe, 3)}), found none. Give the names that the sets use as `symbols`."
        )
        raise ValueError(msg)
    table = _tested(targets, sets, universe, rename)
    written = copied(adata) if copy else adata
    keys.ENRICHMENT.write(written, table, prefix)
    settings = {
        "method": "over_representation",
        "source": "targets",
        READ_FROM: read_from,
        "of": of,
        "n_sources": int(n_sources),
        "min_targets": int(min_targets),
        "n_background": len(universe),
        "classes": np.array(list(targets), dtype=object),
    }
    record(written, keys.ENRICHMENT, prefix, settings)
    return written if copy else None


def _targets(network: pd.DataFrame, *, n_sources: int, min_targets: int) -> dict[str, list[str]]:
    """Target genes of the factors with most of them, by the name that the table gives them."""
    table = network.assign(gene=network.get("gene", network["target"]).astype(str))
    by = "class" if "class" in table else None
    parts = table.groupby(by, observed=True) if by else [("", table)]
    found: dict[str, list[str]] = {}
    for label, part in parts:
        genes = part.groupby("source", observed=True)["gene"].unique()
        sizes = genes.map(len).sort_values(ascending=False, kind="stable")
        for source in sizes.index[sizes >= min_targets][:n_sources]:
            several = by is not None and len(parts) > 1
            found[f"{label}: {source}" if several else str(source)] = list(genes[source])
    if not found:
        msg = (
            f"Expected factors with at least {min_targets} target genes, found none in a network "
            f"of {len(network)} edges. Lower `min_targets`, or keep more edges (of differential "
            "regulation: raise `max_fdr`)."
        )
        raise ValueError(msg)
    return found


def _background(given: Iterable[str] | None, params: Mapping[str, Any]) -> pd.Index:
    """Genes that could have been targets, as named by the caller or beside the result."""
    genes = params.get("genes") if given is None else given
    if genes is None:
        msg = (
            "Expected the genes that could have been targets, but what wrote the result does not "
            "name them. Give them as `background`; of DeepSF they are "
            "`model.isoform_genes.unique()`."
        )
        raise ValueError(msg)
    return pd.Index(genes).astype(str)


def _check_background(targets: dict[str, list[str]], known: pd.Index) -> None:
    """Raise if a target could not have been one."""
    for name, genes in targets.items():
        absent = [gene for gene in genes if gene not in known]
        if absent:
            msg = (
                f"Expected every target in `background`, but {len(absent)} of the {len(genes)} "
                f"targets of {name} are not among its {len(known)} genes: {listed(absent)}."
            )
            raise ValueError(msg)


def _tested(
    targets: dict[str, list[str]],
    sets: Mapping[str, Sequence[str]],
    universe: list[str],
    names: dict[str, str],
) -> pd.DataFrame:
    """Over-representation of the sets among the targets of each factor."""
    tables = [
        over_representation(renamed(genes, names), sets, universe, min_size=1).assign(
            **{"class": name, "source": "targets"}
        )
        for name, genes in targets.items()
    ]
    columns = ["class", "source", *RESULT_COLUMNS]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else tables[0][columns]
