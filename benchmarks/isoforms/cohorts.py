"""The data of the benchmark of isoforms, as DeepSF reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import mudata
import numpy as np
import pandas as pd
from scipy import sparse

import tgem

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Array = np.ndarray[Any, Any]

SHARED = Path(os.environ.get("TGEM_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
LEAST_COUNTS = 100  # of isoforms in a cell that is kept
CELL_TOTAL = 1e4


def _read(name: str) -> MuData:
    if hasattr(mudata, "set_options"):  # later versions do so by themselves
        mudata.set_options(pull_on_update=False)
    return mudata.read_h5mu(SHARED / "isoform" / f"{name}.h5mu")


def _dense(values: Any) -> Array:
    return values.toarray() if sparse.issparse(values) else np.asarray(values)


def macrophages(*, cancer_genes: bool) -> MuData:
    """Samples of six lines; all their isoforms, or those of cancer genes."""
    mdata = _read("macrophage")
    if not cancer_genes:
        return mdata
    genes = mdata["gene"].var_names[mdata["gene"].var["cancer_gene"].to_numpy(dtype=bool)]
    chosen = mdata["isoform"].var["gene_id"].isin(genes).to_numpy()
    return mudata.MuData({"gene": mdata["gene"], "isoform": mdata["isoform"][:, chosen].copy()})


def with_read_genes(mdata: MuData) -> MuData:
    """The same isoforms, and of the genes only theirs and the factors: all that decoders read."""
    gene, isoform = mdata["gene"], mdata["isoform"]
    read = gene.var_names.isin(isoform.var["gene_id"]) | gene.var["splicing_factor"].to_numpy(bool)
    found = mudata.MuData({"gene": gene[:, read].copy(), "isoform": isoform.copy()})
    for table in found.mod.values():
        table.X = _dense(table.X)
    return found


def lymphoblasts(like: MuData) -> MuData:
    """Six lymphoblastoid lines with the genes and isoforms of the macrophages.

    Both files keep transcripts above 0.1 TPM in any of their samples, so that what is absent here
    is 0. Transcripts that only these lines express stay in the TPM of their gene.
    """
    found = _read("geuvadis")
    parts = {name: _aligned(found[name], table.var) for name, table in like.mod.items()}
    return mudata.MuData(parts)


def _aligned(table: AnnData, like: pd.DataFrame) -> AnnData:
    at = table.var_names.get_indexer(like.index)
    values = np.where(at >= 0, _dense(table.X)[:, at], 0).astype(np.float32)
    return ad.AnnData(values, obs=table.obs.copy(), var=like.copy())


def single_cells() -> MuData:
    """Long reads of isoforms in single cells, with factors from short reads of the same cells.

    Cells have at least 100 reads of isoforms. The short-read counts of a gene are not the sum of
    its long-read isoforms, so that genes of isoforms are these sums, and the RNA-binding proteins
    are read from short reads. Both are scaled to 10,000 per cell.
    """
    data = _read("scmixology_longread")
    gene, isoform = data["gene"], data["isoform"]
    counts, short = _dense(isoform.X), _dense(gene.X)
    cells = (counts.sum(axis=1) >= LEAST_COUNTS) & (short.sum(axis=1) >= LEAST_COUNTS)
    reads, short = (
        values[cells] / values[cells].sum(axis=1, keepdims=True) * CELL_TOTAL
        for values in (counts, short)
    )
    codes, names = pd.factorize(isoform.var["gene_id"].astype(str))
    hosts = np.zeros((len(reads), len(names)))
    np.add.at(hosts.T, codes, reads.T)
    is_factor = gene.var["rbp"].to_numpy(bool)
    factors = [f"{name} (short reads)" for name in gene.var_names[is_factor]]
    var = pd.DataFrame(
        {"splicing_factor": [False] * len(names) + [True] * len(factors)}, [*names, *factors]
    )
    obs = pd.DataFrame(index=isoform.obs_names[cells])
    values = np.hstack([hosts, short[:, is_factor]]).astype(np.float32)
    genes = ad.AnnData(values, obs=obs, var=var)
    table = ad.AnnData(reads.astype(np.float32), obs=obs, var=isoform.var[["gene_id"]])
    return mudata.MuData({"gene": genes, "isoform": table})


def tumours() -> MuData:
    """Breast tumours: shares of splicing events, and genes of which 17 bind RNA."""
    data = _read("tcga_brca_psi")
    gene, psi = data["gene"].copy(), data["psi"].copy()
    gene.X, psi.X = _dense(gene.X), _dense(psi.X)
    gene.var["splicing_factor"] = gene.var["rbp"].to_numpy(bool)
    return mudata.MuData({"gene": gene, "isoform": psi})


def simulated() -> MuData:
    """Samples of three simulated lines, to see that the benchmark runs."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=80)
    mdata["gene"].obs["line"] = [f"line {i % 3}" for i in range(24)]
    mdata["gene"].obs["condition"] = [f"condition {i // 3 % 4}" for i in range(24)]
    return mdata


def simulated_shares() -> MuData:
    """Simulated shares of isoforms, some missing."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=80)
    gene, isoform = mdata["gene"], mdata["isoform"].copy()
    hosts = _dense(gene[:, isoform.var["gene_id"]].X)
    shares = _dense(isoform.X) / np.maximum(hosts, 1e-6)
    shares[::7, ::5] = np.nan
    isoform.X = np.clip(shares, 0, 1).astype(np.float32)
    gene.obs["patient"] = [f"patient {i // 2}" for i in range(24)]
    return mudata.MuData({"gene": gene, "isoform": isoform})
