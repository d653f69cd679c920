"""T-GEM as published, and tgem's default."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cell_types.fitted import Fitted
from cell_types.splits import hold_out
from tgem.model import TGEM

if TYPE_CHECKING:
    from cell_types.data import Cells

LABELS, SPLIT = "label", "split"


def tgem_model(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    model = trained(training, settings, seed)
    return Fitted(lambda cells: model.predict(as_adata(cells)), {"epochs": len(model.history)})


def trained(training: Cells, settings: dict[str, Any], seed: int) -> TGEM:
    """Train a preset, on all training cells unless a validation share is set aside."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # notes on hardware
    adata = as_adata(training)
    adata.obs[LABELS] = pd.Categorical(training.labels)
    parts = np.full(adata.n_obs, "train", dtype=object)
    if settings["validation_share"]:
        _, held = hold_out(
            training.labels, training.groups, share=settings["validation_share"], seed=seed
        )
        parts[held] = "validation"
    adata.obs[SPLIT] = parts
    TGEM.setup_anndata(adata, labels_key=LABELS)
    preset = settings["preset"]
    model = TGEM(adata) if preset is None else TGEM(adata, preset=preset)
    model.train(
        max_epochs=settings["max_epochs"],
        split_key=SPLIT,
        seed=seed,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return model


def as_adata(cells: Cells) -> AnnData:
    """Expression and gene names; never the labels."""
    names = [f"cell{i}" for i in range(len(cells.labels))]
    return AnnData(
        cells.expression.copy(), pd.DataFrame(index=names), pd.DataFrame(index=cells.genes)
    )
