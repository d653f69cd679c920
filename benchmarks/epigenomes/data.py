"""Real epigenomes around genes, in the direction of transcription, with groups of neighbours."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from sklearn.model_selection import StratifiedGroupKFold

import tgem

SHARED = Path(os.environ.get("TGEM_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
N_FOLDS = 5
NEIGHBOURS = 20  # genes of a group where whole chromosomes are too few
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Genes:
    """Genes, or genes in cell types.

    Attributes
    ----------
    values
        Marks x bins, or CpG slots x features, ``(n_obs, rows, columns)``, as measured.
    var
        What the columns of the flattened values are.
    gene, group, cell_type
        Of each observation; a group is on one side of every split.
    target
        0 and 1, or log expression.
    task
        ``"binary"`` or ``"regression"``.
    """

    values: Array
    var: pd.DataFrame
    gene: Array
    group: Array
    cell_type: Array
    target: Array
    task: str

    def __getitem__(self, cells: Array) -> Genes:
        names = ("values", "gene", "group", "cell_type", "target")
        return replace(self, **{name: getattr(self, name)[cells] for name in names})

    @property
    def levels(self) -> Array:
        """What folds keep balanced."""
        target = self.target
        if self.task == "regression":
            target = np.searchsorted(np.quantile(target, (0.25, 0.5, 0.75)), target)
        return np.asarray(
            2 * target.astype(int) + (self.cell_type == np.unique(self.cell_type)[-1])
        )

    def adata(self, *, logarithm: bool = False) -> AnnData:
        """The genes as EpiAttention reads them."""
        values = self.values.reshape(len(self.values), -1).astype(np.float32)
        obs = pd.DataFrame(
            {
                "gene_id": self.gene,
                "group": self.group,
                "cell_type": self.cell_type,
                "target": self.target.astype(float),
            },
            index=[
                f"{gene}_{label}" for gene, label in zip(self.gene, self.cell_type, strict=True)
            ],
        )
        return AnnData(np.log1p(values) if logarithm else values, obs, self.var.copy())

    def checksum(self) -> str:
        """Short digest of the values and targets."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values, "<f4").tobytes())
        digest.update(np.ascontiguousarray(self.target, "<f4").tobytes())
        return digest.hexdigest()[:16]


def folds(genes: Genes, n_folds: int = N_FOLDS, seed: int = 0) -> list[tuple[Array, Array]]:
    """Training and test positions; whole groups, classes and cell types balanced."""
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(genes.values, genes.levels, genes.group))


def validation_of(genes: Genes, seed: int) -> Array:
    """Positions of about a sixth of the training genes, whole groups, to stop by."""
    return folds(genes, min(6, len(np.unique(genes.group))), seed)[0][1]


def _tracks(name: str, *, flip: bool) -> Genes:
    adata = read_h5ad(SHARED / "epigenome" / name)
    shape = (adata.n_obs, adata.var["mark"].nunique(), adata.var["bin"].nunique())
    values = np.asarray(adata.X).reshape(shape).copy()
    if flip:
        minus = (adata.obs["strand"] == "-").to_numpy()
        values[minus] = values[minus][:, :, ::-1]
    return Genes(
        values,
        adata.var[["mark", "bin"]],
        adata.obs["gene_id"].astype(str).to_numpy(),
        adata.obs["chrom"].astype(str).to_numpy(),
        adata.obs["cell_type"].astype(str).to_numpy(),
        adata.obs["high"].to_numpy(dtype=float),
        "binary",
    )


def deepdiff() -> Genes:
    """Five marks around 600 genes in two cell types; minus strands are flipped here."""
    return _tracks("deepdiff.h5ad", flip=True)


def chromoformer() -> Genes:
    """Seven marks around 100 genes of one cell type, already in direction of transcription."""
    return _tracks("chromoformer_demo.h5ad", flip=False)


def bprmeth() -> Genes:
    """CpGs around 339 genes of two chromosomes: groups are runs of genes as they lie there."""
    adata = read_h5ad(SHARED / "epigenome" / "bprmeth.h5ad")
    run = adata.obs.groupby("chrom", observed=True).cumcount() // NEIGHBOURS
    values = np.asarray(adata.X).reshape(adata.n_obs, -1, 2)
    return Genes(
        values,
        adata.var[["slot", "feature"]],
        adata.obs_names.to_numpy(dtype=str),
        (adata.obs["chrom"].astype(str) + ":" + run.astype(str)).to_numpy(dtype=str),
        np.full(adata.n_obs, "K562"),
        adata.obs["expression"].to_numpy(dtype=float),
        "regression",
    )


def synthetic(task: str = "binary") -> Genes:
    """Simulated marks, or CpGs, to see that the benchmark runs."""
    mdata = tgem.datasets.synthetic_epigenome(n_genes=160, n_marks=2, n_bins=40, n_factors=5)
    name = "histone" if task == "binary" else "methylation"
    rows = {"histone": ["mark", "bin"], "methylation": ["slot", "feature"]}[name]
    table, obs = mdata[name], mdata.obs
    n_rows = table.var[rows[0]].nunique()
    gene = obs["gene_id"].astype(str).to_numpy()
    target = obs["high"] if task == "binary" else obs["expression"]
    values = np.asarray(table.X).reshape(len(obs), n_rows, -1)
    genes = Genes(
        values,
        table.var[rows],
        gene,
        gene,
        obs["cell_type"].astype(str).to_numpy(),
        target.to_numpy(dtype=float),
        task,
    )
    return genes[~np.isnan(values).all((1, 2))]  # some have no CpG


DATA = {
    "deepdiff": deepdiff,
    "chromoformer": chromoformer,
    "bprmeth": bprmeth,
    "synthetic": synthetic,
    "synthetic_methylation": lambda: synthetic("regression"),
}
TITLES = {
    "deepdiff": "DeepDiff: 600 genes in H1 and K562, 5 marks",
    "chromoformer": "Chromoformer's demonstration: 100 genes in H1, 7 marks",
    "bprmeth": "BPRMeth: methylation of 339 promoters in K562",
    "synthetic": "simulated marks",
    "synthetic_methylation": "simulated methylation",
}
