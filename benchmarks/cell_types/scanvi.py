"""scANVI from scvi-tools, inductive: it meets the test cells only when it predicts them."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
from anndata import AnnData
from scvi.model import SCANVI, SCVI

from cell_types.fitted import Fitted

if TYPE_CHECKING:
    from cell_types.data import Cells

LABELS, UNLABELLED = "label", "unlabelled"
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def scanvi(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """Pretrain scVI on the counts, then train scANVI from it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    scvi.settings.seed = seed
    scvi.settings.verbosity = logging.WARNING
    adata = as_counts(training)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning about loaders, scvi-tools about itself
        SCVI.setup_anndata(adata, labels_key=LABELS)
        unsupervised = SCVI(
            adata,
            n_layers=settings["n_layers"],
            n_latent=settings["n_latent"],
            gene_likelihood=settings["likelihood"],
        )
        unsupervised.train(max_epochs=settings["max_epochs"], train_size=1.0, **QUIET)
        model = SCANVI.from_scvi_model(unsupervised, UNLABELLED, labels_key=LABELS)
        model.train(
            max_epochs=settings["max_epochs_with_labels"],
            n_samples_per_label=settings["cells_per_class"],
            train_size=1.0,
            **QUIET,
        )

    def predict(cells: Cells) -> np.ndarray[Any, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(model.predict(as_counts(cells, hidden=True)), dtype=str)

    return Fitted(predict)


def as_counts(cells: Cells, *, hidden: bool = False) -> AnnData:
    """Counts, gene names, and the labels unless they are hidden."""
    labels = [UNLABELLED] * len(cells.labels) if hidden else cells.labels
    obs = pd.DataFrame(
        {LABELS: np.asarray(labels, dtype=object)}, index=[f"cell{i}" for i in range(len(labels))]
    )
    return AnnData(cells.counts.copy(), obs, pd.DataFrame(index=cells.genes))
