"""Two laboratories' blood cells with the same labels, and cells held out with genes missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.data import COUNTS_PER_CELL, Cells, read_h5ad
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]

GATES = {
    "CD19": "B",
    "CD14": "monocyte",
    "FCGR3A": "monocyte",
    "B cell": "B",
    "CD8": "CD8 T",
    "CD4": "CD4 T",
    "CD56": "NK",
    "CD34": "CD34+",
}
SHARED = ("B", "monocyte", "CD4 T", "CD8 T")


@dataclass(frozen=True)
class Pair:
    """Cells to train on, cells to label, and what the latter's parts are called."""

    training: Cells
    new: Cells
    parts: dict[str, Array]


def coarse(label: str) -> str:
    """Type of a sort gate or of a published label, which begins with one of these."""
    for beginning, name in GATES.items():
        # of a gate a plus sign or a slash may follow, but not the 4 of CD34
        if re.match(re.escape(beginning) + r"(?!\d)", label):
            return name
    msg = f"Expected a label that begins with one of {sorted(GATES)}, found {label!r}."
    raise ValueError(msg)


def cells_of(counts: Any, labels: Array, groups: Array, genes: Array) -> Cells:
    """Normalise over the genes at hand: log1p of 10,000 counts per cell."""
    counts = sparse.csr_matrix(counts).astype(np.float32)
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    values = sparse.csr_matrix(sparse.diags(COUNTS_PER_CELL / totals) @ counts).log1p()
    return Cells(values.astype(np.float32), counts, labels, groups, genes)


def read_kang(*, shared_types_only: bool = False) -> Pair:
    """Sorted cells to train on; Kang's, of two donors at rest and stimulated, to label."""
    ours, theirs = read_h5ad("fasttopics_pbmc_facs.h5ad"), read_h5ad("muscat_kang.h5ad")
    genes = ours.var_names[ours.var_names.isin(theirs.var_names)]
    names = genes.to_numpy(dtype=str)
    training = cells_of(
        ours[:, genes].X,
        np.array([coarse(label) for label in ours.obs["cell_type"]]),
        np.array(ours.obs_names, dtype=str),
        names,
    )
    if shared_types_only:
        training = training[np.flatnonzero(np.isin(training.labels, SHARED))]
    samples = theirs.obs["sample_id"].astype(str).to_numpy()
    labels = np.array([coarse(label) for label in theirs.obs["cell_type"]])
    new = cells_of(theirs[:, genes].X, labels, samples, names)
    condition = theirs.obs["group_id"].astype(str).to_numpy()
    parts = {"all": np.arange(len(labels))}
    parts |= {name: np.flatnonzero(condition == name) for name in np.unique(condition)}
    parts |= {name: np.flatnonzero(samples == name) for name in np.unique(samples)}
    return Pair(training, new, parts)


def read_synthetic() -> Pair:
    """Simulated cells, the new ones with half of the genes measured twice as high."""
    from tgem.datasets import synthetic_expression  # noqa: PLC0415

    sides = []
    for seed in range(2):
        adata = synthetic_expression(n_obs=240, n_genes=60, effect=2.0, seed=0)
        rows = np.arange(seed, adata.n_obs, 2)
        values = np.rint(np.expm1(adata.X[rows].toarray().astype(np.float64)))
        values[:, : 30 * seed] *= 2
        labels = adata.obs["cell_type"].astype(str).to_numpy()[rows]
        names = adata.var_names.to_numpy(dtype=str)
        groups = np.array([f"sample{row % 12}" for row in rows])
        sides.append(cells_of(sparse.csr_matrix(values), labels, groups, names))
    return Pair(sides[0], sides[1], {"all": np.arange(len(sides[1].labels))})


PAIRS: dict[str, Callable[[], Pair]] = {
    "kang": read_kang,
    "kang_shared_types": partial(read_kang, shared_types_only=True),
    "synthetic": read_synthetic,
}
