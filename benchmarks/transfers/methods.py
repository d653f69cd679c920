"""Every method that takes part: fitted to the training cells, asked for labels of the new ones."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from cell_types.celltypist import INSTALL, PYTHON
from cell_types.methods import methods as typing_methods
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell_types.data import Cells

Array = np.ndarray[Any, Any]

OURS, PLAIN = "tgem_transfer", "tgem"
TITLES = {
    "nearest_centroid": "Nearest centroid",
    "mahalanobis": "Mahalanobis (LDA, shrunk covariance)",
    "logistic_regression": "Logistic regression",
    "celltypist": "CellTypist (trained here)",
    "scanvi": "scANVI, inductive",
    "scanvi_batches": "scANVI, both data sets, a batch each",
    PLAIN: "tgem, predict",
    OURS: "tgem, transfer",
}
OF_TYPING = ("logistic_regression", "celltypist", "scanvi")


def predictor(name: str, training: Cells, seed: int) -> Callable[[Cells], dict[str, Array]]:
    """Fit, and return what gives labels by method: two of them for tgem."""
    if name in OF_TYPING:
        fitted = typing_methods()[name].fit(training, seed)
        return lambda new: {name: np.asarray(fitted.predict(new), dtype=str)}
    if name == "scanvi_batches":
        return lambda new: {name: _scanvi_batches(training, new, seed)}
    if name in (PLAIN, OURS):
        return _tgem(training, seed)
    return lambda new: {name: _on_levels(name, training, new)}


def unavailable(name: str) -> str | None:
    """Say why a method does not run here."""
    if name == "celltypist" and not PYTHON.exists():
        return f"needs an environment that is not installed here ({INSTALL})"
    return None


def settings_of(name: str) -> dict[str, Any]:
    """Everything that decides a method's result."""
    if name in OF_TYPING:
        return typing_methods()[name].settings
    if name == "scanvi_batches":
        return {**typing_methods()["scanvi"].settings, "batches": "data set"}
    if name in (PLAIN, OURS):
        return {"preset": "default", "training": "defaults, all cells", "batch_key": "sample"}
    return {"levels": "standardised by the training cells"}


def key_of(name: str) -> str:
    """Digest of the settings."""
    text = json.dumps(settings_of(name), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_anndata(cells: Cells, *, with_labels: bool) -> Any:
    """Cells with their sample, and their labels unless these are to be found."""
    from anndata import AnnData  # noqa: PLC0415

    obs = pd.DataFrame(
        {"sample": cells.groups}, index=[f"cell{i}" for i in range(len(cells.labels))]
    )
    if with_labels:
        obs["label"] = cells.labels
    return AnnData(cells.expression.copy(), obs, pd.DataFrame(index=cells.genes))


def _tgem(training: Cells, seed: int) -> Callable[[Cells], dict[str, Array]]:
    from tgem.model import TGEM  # noqa: PLC0415

    adata = as_anndata(training, with_labels=True)
    TGEM.setup_anndata(adata, labels_key="label")
    model = TGEM(adata)
    model.train(
        train_size=1.0,
        validation_size=0.0,
        seed=seed,
        accelerator="cpu",
        enable_progress_bar=False,
    )

    def predict(new: Cells) -> dict[str, Array]:
        theirs = as_anndata(new, with_labels=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing genes, which are meant to be
            plain = np.asarray(model.predict(theirs), dtype=str)
            # samples of a data set are its batches; a single cell of its own sample is none
            key = "sample" if len(set(new.groups)) < len(new.groups) / 2 else None
            moved = np.asarray(model.transfer(theirs, batch_key=key).labels, dtype=str)
        return {PLAIN: plain, OURS: moved}

    return predict


def _on_levels(name: str, training: Cells, new: Cells) -> Array:
    columns = pd.Index(training.genes).get_indexer(new.genes)
    ours, theirs = training.dense()[:, columns], new.dense()
    mean, scale = ours.mean(axis=0), ours.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    model = (
        NearestCentroid()
        if name == "nearest_centroid"
        else LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    )
    model.fit((ours - mean) / scale, training.labels)
    return np.asarray(model.predict((theirs - mean) / scale), dtype=str)


def _scanvi_batches(training: Cells, new: Cells, seed: int) -> Array:
    """ScANVI as its authors use it: trained on both, the new cells as unlabelled."""
    import anndata  # noqa: PLC0415
    import scvi  # noqa: PLC0415
    from cell_types.scanvi import LABELS, QUIET, UNLABELLED, as_counts  # noqa: PLC0415

    settings = typing_methods()["scanvi"].settings
    scvi.settings.seed = seed
    both = anndata.concat(
        {"training": as_counts(training), "new": as_counts(new, hidden=True)},
        label="batch",
        index_unique="-",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(both, batch_key="batch", labels_key=LABELS)
        first = scvi.model.SCVI(
            both,
            n_layers=settings["n_layers"],
            n_latent=settings["n_latent"],
            gene_likelihood=settings["likelihood"],
        )
        first.train(max_epochs=settings["max_epochs"], train_size=1.0, **QUIET)
        model = scvi.model.SCANVI.from_scvi_model(first, UNLABELLED, labels_key=LABELS)
        model.train(
            max_epochs=settings["max_epochs_with_labels"],
            n_samples_per_label=settings["cells_per_class"],
            train_size=1.0,
            **QUIET,
        )
        labels = np.asarray(model.predict(both), dtype=str)
    return labels[np.asarray(both.obs["batch"] == "new")]
