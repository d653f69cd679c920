"""Sorted blood cells of five types, and two halves of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from cell_types.data import read_facs, select_genes

import tgem

LABELS = "type"
N_GENES = 1000
CELLS_READ = 200  # of each type
TYPES = {
    "CD19+ B": "B",
    "CD14+ Monocyte": "monocyte",
    "CD56+ NK": "NK",
    "CD4+ T Helper2": "CD4 T",
    "CD4+/CD45RO+ Memory": "CD4 T",
    "CD4+/CD25 T Reg": "CD4 T",
    "CD4+/CD45RA+/CD25- Naive T": "CD4 T",
    "CD8+ Cytotoxic T": "CD8 T",
    "CD8+/CD45RA+ Naive Cytotoxic": "CD8 T",
}


def sorted_cells() -> AnnData:
    """Log-normalised expression of the most variable genes; nothing but variance chooses them."""
    cells = read_facs()
    cells = cells[np.flatnonzero(np.isin(cells.labels, list(TYPES)))]
    cells = cells.of_genes(select_genes(cells, N_GENES))
    obs = pd.DataFrame(
        {LABELS: pd.Categorical([TYPES[name] for name in cells.labels])},
        index=[f"cell{i}" for i in range(len(cells.labels))],
    )
    return AnnData(cells.dense(), obs, pd.DataFrame(index=cells.genes))


def simulated_cells() -> AnnData:
    """A few simulated cells, to try the command."""
    adata = tgem.datasets.synthetic_expression(
        n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    )
    adata.obs[LABELS] = adata.obs["cell_type"].astype(str).astype("category")
    return adata


def cells_to_read(adata: AnnData, seed: int) -> list[int]:
    """As many cells of each type, drawn at random."""
    generator = np.random.default_rng(seed)
    labels = adata.obs[LABELS].to_numpy()
    drawn = [
        generator.permutation(np.flatnonzero(labels == name))[:CELLS_READ]
        for name in np.unique(labels)
    ]
    return sorted(np.concatenate(drawn).tolist())


def halves(adata: AnnData, seed: int) -> tuple[AnnData, AnnData]:
    """Two halves without a common cell, types in equal shares."""
    generator = np.random.default_rng([seed, 1])
    side = np.zeros(adata.n_obs, dtype=int)
    for name in adata.obs[LABELS].cat.categories:
        cells = generator.permutation(np.flatnonzero(adata.obs[LABELS] == name))
        side[cells[: len(cells) // 2]] = 1
    return adata[side == 0].copy(), adata[side == 1].copy()
