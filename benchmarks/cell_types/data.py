"""The data sets, each prepared once and without looking at any label."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

TCGA_FLOOR = -2.0  # below it, only two of the cohorts have values: they would name the cohort
SMALLEST_CLASS = 5
COUNTS_PER_CELL = 1e4
GENE_CHOICE = "variance of log-normalised expression"


@dataclass(frozen=True)
class Cells:
    """Some cells, or tumours, of a data set.

    Attributes
    ----------
    expression
        Logarithms, at least 0, ``(n_obs, n_genes)``, float32.
    counts
        Raw counts of the same genes where the source has them.
    labels, groups
        Class of each cell, and the patient (or the cell itself) that may not be divided.
    genes
        Gene names.
    """

    expression: Any
    counts: Any | None
    labels: np.ndarray[Any, Any]
    groups: np.ndarray[Any, Any]
    genes: np.ndarray[Any, Any]

    def __getitem__(self, rows: np.ndarray[Any, Any]) -> Cells:
        counts = None if self.counts is None else self.counts[rows]
        return Cells(
            self.expression[rows], counts, self.labels[rows], self.groups[rows], self.genes
        )

    def of_genes(self, columns: np.ndarray[Any, Any]) -> Cells:
        counts = None if self.counts is None else self.counts[:, columns]
        return Cells(
            self.expression[:, columns], counts, self.labels, self.groups, self.genes[columns]
        )

    def dense(self) -> np.ndarray[Any, Any]:
        """Expression as an array."""
        found = self.expression
        return found.toarray() if sparse.issparse(found) else np.asarray(found)

    def checksum(self) -> str:
        """Short digest of expression, labels and groups."""
        digest = hashlib.sha256(f"{self.expression.shape}".encode())
        values = self.expression.data if sparse.issparse(self.expression) else self.expression
        digest.update(np.ascontiguousarray(values))
        if sparse.issparse(self.expression):
            digest.update(self.expression.indices)
        for names in (self.labels, self.groups, self.genes):
            digest.update("\n".join(map(str, names)).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class DataSet:
    """How a data set is named, read, and shown.

    Attributes
    ----------
    title
        For figures and tables.
    read
        Reads and prepares it.
    n_selected
        Number of genes chosen anew on the training cells of each split; ``None`` for all.
    in_mean
        Whether it counts in the mean over data sets: the same cells count once.
    """

    title: str
    read: Callable[[], Cells]
    n_selected: int | None = None
    in_mean: bool = True

    def checksum(self, cells: Cells) -> str:
        """Digest of the cells and of the choice of genes."""
        choice = f"{GENE_CHOICE} {self.n_selected}" if self.n_selected else ""
        return hashlib.sha256(f"{cells.checksum()} {choice}".encode()).hexdigest()[:16]


def shared_folder() -> Path:
    """Folder of the data that lie beside the project."""
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("TGEM_SHARED_DATA", default)) / "expression"
    if not folder.is_dir():
        msg = (
            f"Expected data in {folder}, found no such folder. Name the folder that holds "
            "`expression` in TGEM_SHARED_DATA, or measure on `--data pbmc68k` alone."
        )
        raise FileNotFoundError(msg)
    return folder


def prepared(
    adata: AnnData, labels: Any, *, groups: Any | None = None, counts: Any | None = None
) -> Cells:
    """Cells of an AnnData whose ``X`` is ready; very small classes are left out."""
    labels = np.asarray(labels, dtype=str)
    names, sizes = np.unique(labels, return_counts=True)
    kept = np.flatnonzero(np.isin(labels, names[sizes >= SMALLEST_CLASS]))
    groups = adata.obs_names if groups is None else groups
    cells = Cells(
        adata.X.astype(np.float32),
        counts,
        labels,
        np.asarray(groups, dtype=str),
        np.asarray(adata.var_names, dtype=str),
    )
    return cells if kept.size == labels.size else cells[kept]


def read_pbmc68k() -> Cells:
    """scanpy's blood cells; the counts follow from the normalised values and cell totals."""
    import scanpy as sc  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is older than what reads it
        adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    totals = adata.obs["n_counts"].to_numpy() / COUNTS_PER_CELL
    counts = sparse.csr_matrix(adata.X).copy()
    counts.data = np.rint(np.expm1(counts.data) * np.repeat(totals, np.diff(counts.indptr)))
    return prepared(adata, adata.obs["bulk_labels"], counts=counts.astype(np.float32))


def read_facs() -> Cells:
    """Sorted blood cells: ten populations."""
    adata = read_h5ad("fasttopics_pbmc_facs.h5ad")
    counts = sparse.csr_matrix(adata.X).astype(np.float32)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    values = sparse.diags(COUNTS_PER_CELL / totals) @ counts
    adata.X = sparse.csr_matrix(values).log1p()
    return prepared(adata, adata.obs["cell_type"], counts=counts)


def read_tcga11() -> Cells:
    """Eleven tumour types and normal tissue; the floor of the logarithms is set to 0."""
    adata = read_h5ad("tcga_metagsca_11cancers.h5ad")
    adata.X = np.maximum(adata.X.toarray(), TCGA_FLOOR) - TCGA_FLOOR
    types = adata.obs["cancer_type"].astype(str)
    labels = types.where(adata.obs["sample_type"] == "tumor", "normal")
    return prepared(adata, labels, groups=adata.obs["patient"])


def read_tcga33() -> Cells:
    """Thirty-three tumour types, 198 genes; the first twelve letters of a sample: its patient."""
    adata = read_h5ad("tcga_greenelab_33cancers_198genes.h5ad")
    adata.X = np.log1p(np.maximum(adata.X.toarray(), 0.0))
    patients = [name[:12] for name in adata.obs_names]
    return prepared(adata, adata.obs["cancer_type"], groups=patients)


def read_synthetic() -> Cells:
    """A few simulated cells, to try the command."""
    from tgem.datasets import synthetic_expression  # noqa: PLC0415

    adata = synthetic_expression(n_obs=160, n_genes=40, effect=2.0, seed=0)
    return prepared(adata, adata.obs["cell_type"])


def read_h5ad(name: str) -> AnnData:
    import anndata  # noqa: PLC0415

    return anndata.read_h5ad(shared_folder() / name)


def select_genes(training: Cells, n_genes: int) -> np.ndarray[Any, Any]:
    """Positions of the genes whose log-normalised expression varies most in the training cells."""
    values = sparse.csr_matrix(training.expression).astype(np.float64)
    mean = np.asarray(values.mean(axis=0)).ravel()
    variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    return np.sort(np.argsort(-variance, kind="stable")[:n_genes])


DATA: dict[str, DataSet] = {
    "pbmc68k": DataSet("Blood cells (pbmc68k_reduced)", read_pbmc68k),
    "facs1000": DataSet("Sorted blood cells, 1,000 genes", read_facs, n_selected=1000),
    "facs_all": DataSet("Sorted blood cells, all genes", read_facs, in_mean=False),
    "tcga11": DataSet("Tumours, 11 types and normal", read_tcga11),
    "tcga33": DataSet("Tumours, 33 types, 198 genes", read_tcga33),
    "synthetic": DataSet("Simulated cells", read_synthetic, in_mean=False),
}
