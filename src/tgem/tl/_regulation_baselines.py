"""What is known of a gene and a factor before any model: counts, expression, correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Array = np.ndarray[Any, Any]

N_ISOFORMS = "n_isoforms"
EXPRESSION = "gene_expression"
FACTOR_EXPRESSION = "factor_expression"
GENE_CORRELATION = "gene_correlation"
ISOFORM_CORRELATION = "isoform_correlation"

_FEWEST_SAMPLES = 3  # of a correlation
_AT_ONCE = 2_000  # isoforms


@dataclass(frozen=True)
class SplicingTables:
    """Where genes and isoforms are in a MuData."""

    gene: AnnData
    isoform: AnnData
    gene_layer: str | None
    isoform_layer: str | None
    gene_id_key: str


def splicing_tables(mdata: MuData, prefix: str | None) -> SplicingTables:
    """Modalities and layers as the regulation in the data was read, else the usual names."""
    params = mdata.uns.get(keys.REGULATION_NETWORK.params_key(prefix), {})
    names = {kind: str(params.get(f"{kind}_modality", kind)) for kind in ("gene", "isoform")}
    absent = [name for name in names.values() if name not in mdata.mod]
    if absent:
        msg = (
            f"Expected the modalities 'gene' and 'isoform' in mdata, absent: {listed(absent)}. "
            f"Available: {listed(mdata.mod)}. `tgem.tl.regulation(mdata, model)` records others."
        )
        raise KeyError(msg)
    gene_id_key = str(params.get("gene_id_key", "gene_id"))
    isoform = mdata[names["isoform"]]
    check_key(isoform, "var", gene_id_key, called=f"mdata[{names['isoform']!r}]")
    layers = {kind: params.get(f"{kind}_layer") for kind in ("gene", "isoform")}
    return SplicingTables(
        gene=mdata[names["gene"]],
        isoform=isoform,
        gene_layer=layers["gene"],
        isoform_layer=layers["isoform"],
        gene_id_key=gene_id_key,
    )


def gene_covariates(tables: SplicingTables, genes: pd.Index) -> pd.DataFrame:
    """Number of isoforms and mean log2(1 + TPM) of each gene."""
    hosts = _hosts(tables)
    counts = pd.Series(hosts).value_counts()
    levels = _levels(tables.gene, genes, tables.gene_layer)
    return pd.DataFrame(
        {
            N_ISOFORMS: counts.reindex(genes).fillna(0).to_numpy(dtype=float),
            EXPRESSION: levels.mean(axis=0),
        },
        index=genes,
    )


def pair_baselines(
    tables: SplicingTables, genes: pd.Index, factors: pd.Index
) -> dict[str, pd.DataFrame]:
    """Baselines of genes x factors; the correlations are left out with fewer than 3 samples.

    Correlations are Pearson's, absolute, of log2(1 + expression); of a gene's isoforms the
    largest, and 0 where one side does not vary.
    """
    of_factors = _levels(tables.gene, factors, tables.gene_layer)
    mean = np.repeat(of_factors.mean(axis=0)[None, :], len(genes), axis=0)
    found = {FACTOR_EXPRESSION: mean}
    if len(of_factors) >= _FEWEST_SAMPLES:
        known = _standardised(of_factors)
        of_genes = _standardised(_levels(tables.gene, genes, tables.gene_layer))
        found[GENE_CORRELATION] = np.abs(of_genes.T @ known)
        found[ISOFORM_CORRELATION] = _largest_by_gene(tables, genes, known)
    return {name: pd.DataFrame(values, genes, factors) for name, values in found.items()}


def _largest_by_gene(tables: SplicingTables, genes: pd.Index, factors: Array) -> Array:
    """Largest absolute correlation over the isoforms of each gene, ``(n_genes, n_factors)``."""
    gene_of = genes.get_indexer(pd.Index(_hosts(tables)))
    chosen = np.flatnonzero(gene_of >= 0)
    found = np.zeros((len(genes), factors.shape[1]))
    samples = tables.gene.obs_names
    for first in range(0, len(chosen), _AT_ONCE):
        columns = chosen[first : first + _AT_ONCE]
        names = tables.isoform.var_names[columns]
        levels = _levels(tables.isoform, names, tables.isoform_layer, samples=samples)
        correlation = np.abs(_standardised(levels).T @ factors)
        np.maximum.at(found, gene_of[columns], correlation)
    return found


def _hosts(tables: SplicingTables) -> Array:
    """Gene of each isoform, as the gene modality names it."""
    named = tables.isoform.var[tables.gene_id_key].astype(str)
    names = tables.gene.var_names
    known = named.isin(names)
    bare = dict(zip(names.str.replace(r"\.\d+$", "", regex=True), names, strict=True))
    stripped = named.str.replace(r"\.\d+$", "", regex=True)
    found: Array = named.where(known, stripped.map(bare)).to_numpy(dtype=object)
    return found


def _levels(
    table: AnnData, names: pd.Index, layer: str | None, *, samples: pd.Index | None = None
) -> Array:
    """log2(1 + value) of some columns, ``(n_obs, n_names)``; missing ones at the column's mean."""
    values = table.X if layer is None else table.layers[layer]
    block = values[:, table.var_names.get_indexer(names)]
    block = block.toarray() if sparse.issparse(block) else np.asarray(block)
    if samples is not None:
        block = block[table.obs_names.get_indexer(samples)]
    levels: Array = np.log2(1 + np.maximum(block.astype(float), 0))
    if np.isnan(levels).any():
        known = np.maximum((~np.isnan(levels)).sum(axis=0), 1)
        levels = np.where(np.isnan(levels), np.nansum(levels, axis=0) / known, levels)
    return levels


def _standardised(levels: Array) -> Array:
    """Columns of mean 0 and length 1, or 0 where nothing varies."""
    centred = levels - levels.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    found: Array = np.where(length > 1e-9, centred / np.maximum(length, 1e-9), 0.0)
    return found
