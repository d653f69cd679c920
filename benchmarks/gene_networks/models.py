"""Cells, and models trained briefly on them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

SEED = 0
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
GROUP = "one class"


def blood_cells(n_genes: int | None, n_obs: int) -> Any:
    """Real cells in random order, of which the first are explained."""
    import scanpy as sc  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is older than what reads it
        adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    order = np.random.default_rng(SEED).permutation(adata.n_obs)
    adata = adata[order, :n_genes].copy()
    adata.obs["group"] = np.where(np.arange(adata.n_obs) < n_obs, GROUP, "others")
    return adata


def trained(adata: Any, preset: str, max_epochs: int, labels_key: str) -> Any:
    import tgem  # noqa: PLC0415

    tgem.model.TGEM.setup_anndata(adata, labels_key=labels_key)
    model = tgem.model.TGEM(adata, preset=preset)
    model.train(max_epochs=max_epochs, seed=SEED, **QUIET)
    model.module.requires_grad_(requires_grad=False)
    return model
