"""Simulated counts of isoforms as MuData."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem.datasets._splicing_counts import sums_by_gene

if TYPE_CHECKING:
    from tgem.datasets._splicing_settings import SplicingSettings

    Array = np.ndarray[Any, Any]

_MEAN_TPM = 7.0  # a million shared among some 140,000 isoforms


def assemble(
    settings: SplicingSettings,
    gene_of: Array,
    edges: pd.DataFrame,
    *,
    counts: Array,
    length: Array,
    condition: Array,
) -> MuData:
    """Genes and isoforms in TPM, with their counts and the planted edges."""
    # the simulated isoforms are a part of the transcriptome and have that part of the million
    tpm = counts / length
    tpm *= _MEAN_TPM * settings.n_isoforms / np.maximum(tpm.sum(axis=1, keepdims=True), 1e-12)
    n_genes = int(gene_of.max()) + 1
    samples = _names("sample", settings.n_obs)
    genes, isoforms = _names("GENE", n_genes), _names("ISO", settings.n_isoforms)
    obs = pd.DataFrame(
        {"condition": pd.Categorical.from_codes(condition, categories=["control", "treated"])},
        index=samples,
    )
    gene_table = pd.DataFrame(
        {
            "splicing_factor": np.arange(n_genes) < settings.n_factors,
            "protein_coding": np.ones(n_genes, dtype=bool),
            "n_isoforms": np.bincount(gene_of),
        },
        index=genes,
    )
    isoform_table = pd.DataFrame(
        {"gene_id": np.asarray(genes)[gene_of], "length": length.astype(int)}, index=isoforms
    )
    tables = {
        "gene": (gene_table, sums_by_gene(tpm, gene_of), sums_by_gene(counts, gene_of)),
        "isoform": (isoform_table, tpm, counts),
    }
    modalities = {
        name: AnnData(
            values.astype(np.float32),
            obs=obs.copy(),
            var=var,
            layers={"counts": numbers.astype(np.float32)},
        )
        for name, (var, values, numbers) in tables.items()
    }
    with warnings.catch_warnings():
        # mudata announces a change of its own
        warnings.simplefilter("ignore", FutureWarning)
        mdata = MuData(modalities)
    mdata.obs["condition"] = obs["condition"]
    mdata.uns["synthetic_splicing"] = asdict(settings)
    mdata.uns["synthetic_splicing_truth"] = pd.DataFrame(
        {
            "source": np.asarray(genes, dtype=object)[edges["source"].to_numpy(int)],
            "target": np.asarray(isoforms, dtype=object)[edges["target"].to_numpy(int)],
            "weight": edges["weight"].to_numpy(float),
            "gene": np.asarray(genes, dtype=object)[edges["gene"].to_numpy(int)],
        }
    )
    return mdata


def _names(stem: str, count: int) -> list[str]:
    """Numbered names whose alphabetical order is the numerical one."""
    width = len(str(count))
    return [f"{stem}{number:0{width}d}" for number in range(1, count + 1)]
