"""MuData of isoforms and genes, as :meth:`tgem.model.DeepSF.setup_mudata` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.mudata_compat import columns_stay
from tgem.data import match_names, unversioned

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, Any]

_OF_GENES = ("gene_symbol", "biotype", "chrom")


def annotated(names: pd.Index, transcripts: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """Rows of the annotation for those names that are in it; the others are reported.

    Returns
    -------
    The annotation's columns and ``column``, the position of each row's name in `names`.
    """
    found = match_names(names, transcripts.index, "the annotation", kind="transcripts").columns
    missing = names[found < 0]
    if 2 * len(missing) > len(names):
        msg = (
            f"Expected the transcripts of {source} in the annotation, {len(missing)} of "
            f"{len(names)} are not: {listed(missing[:3])} against "
            f"{listed(transcripts.index[:3])}. Give the annotation of the release that the samples "
            "were quantified with."
        )
        raise ValueError(msg)
    if len(missing):
        msg = (
            f"{len(missing)} of {len(names)} transcripts of {source} are not in the annotation; "
            f"they are left out: {listed(missing)}."
        )
        warn(msg, GeneAlignmentWarning)
    table = transcripts.iloc[found[found >= 0]].set_axis(names[found >= 0], axis=0)
    return table.assign(column=np.flatnonzero(found >= 0))


def without_versions(isoforms: pd.DataFrame) -> pd.DataFrame:
    """Leave the versions of Ensembl identifiers away, of transcripts and of genes."""
    names = unversioned(isoforms.index)
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = (
            f"Expected transcripts that differ without their versions, found {len(twice)} that do "
            f"not: {listed(twice)}. Read with `remove_version=False`."
        )
        raise ValueError(msg)
    genes = unversioned(pd.Index(isoforms["gene_id"]))
    return isoforms.set_axis(names, axis=0).assign(gene_id=genes.to_numpy())


def gene_table(isoforms: pd.DataFrame) -> pd.DataFrame:
    """One row for each gene, by name, with what the annotation says of it."""
    known = [name for name in _OF_GENES if name in isoforms]
    groups = isoforms.groupby("gene_id", sort=True, observed=True)
    genes = groups[known].first() if known else pd.DataFrame(index=groups.size().index)
    genes.index = genes.index.astype(object)
    if "gene_symbol" in genes:
        symbols = genes["gene_symbol"]
        genes["gene_symbol"] = symbols.where(symbols.notna(), genes.index.to_series())
    if "biotype" in genes:
        genes["protein_coding"] = (genes["biotype"] == "protein_coding").to_numpy()
    genes["n_isoforms"] = groups.size().to_numpy()
    return genes


def sums_by_gene(values: Array, gene_of: Array, n_genes: int) -> Array:
    """Sum the isoforms of each gene, sample by sample, in double precision."""
    sums = np.empty((len(values), n_genes), dtype=np.float32)
    for row, target in zip(values, sums, strict=True):
        target[:] = np.bincount(gene_of, weights=row, minlength=n_genes)
    return sums


def isoforms_and_genes(
    isoforms: pd.DataFrame,
    values: Mapping[str, Array],
    obs: pd.DataFrame,
    *,
    gene_tpm: AnnData | None = None,
) -> MuData:
    """Put isoforms and genes together.

    Parameters
    ----------
    isoforms
        Table of the isoforms with ``gene_id``.
    values
        ``"tpm"``, samples x isoforms, and possibly ``"counts"``.
    obs
        Table of the samples.
    gene_tpm
        Measured expression of the genes; ``None`` to sum the isoforms.
    """
    isoforms = isoforms.drop(columns="column", errors="ignore")
    layers = {name: layer for name, layer in values.items() if name != "tpm"}
    isoform = AnnData(values["tpm"], obs=obs.copy(), var=storable(isoforms), layers=layers)
    if gene_tpm is None:
        genes = gene_table(isoforms)
        gene_of = genes.index.get_indexer(isoforms["gene_id"])
        sums = {name: sums_by_gene(layer, gene_of, len(genes)) for name, layer in values.items()}
        tpm = sums.pop("tpm")
        gene_tpm = AnnData(tpm, obs=obs.copy(), var=storable(genes), layers=sums)
    with columns_stay():
        mdata = MuData({"gene": gene_tpm, "isoform": isoform})
        for column in obs:
            mdata.obs[column] = obs[column]
    return mdata


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """Missing names as empty text: stores of AnnData do not mix text and numbers."""
    table = table.copy()
    for column in table.select_dtypes(["object", "string"]):
        table[column] = table[column].fillna("").astype(str).astype(object)
    table.index.name = None
    return table
