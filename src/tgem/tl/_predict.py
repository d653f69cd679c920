"""Predicted labels in the places where scanpy users look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import ClassifierModel


def predict(
    adata: AnnData,
    model: ClassifierModel,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Label every cell, and write label, confidence, probabilities and latent space.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A trained model.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["tgem_prediction"]``
        predicted label, categorical with the training categories;
    ``.obs["tgem_confidence"]``
        its probability, float32;
    ``.obsm["tgem_probability"]``
        DataFrame, cells x classes, float32; a slash in a class name becomes a bar, because h5ad
        and zarr refuse it in a column;
    ``.obsm["X_tgem"]``
        latent representation, float32;
    ``.uns["tgem_prediction_params"]``
        exact class names, genes found and missing, version;
    ``.uns["tgem_prediction_colors"]``
        the training labels' colours, if scanpy had assigned them.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model; `adata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict(adata, model)
    >>> adata.obsm["tgem_probability"].shape
    (200, 4)
    """
    target = target_of(adata, copy=copy)
    probability = model.predict(adata, soft=True)
    latent = model.get_latent_representation(adata)
    alignment = model.align_genes(adata)
    values = probability.to_numpy()
    categories = [str(label) for label in model.classes]
    prediction = pd.Categorical.from_codes(values.argmax(axis=1), categories=categories)
    keys.PREDICTION.write(target, prediction, key_added)
    keys.CONFIDENCE.write(target, values.max(axis=1).astype(np.float32), key_added)
    keys.PROBABILITY.write(
        target,
        pd.DataFrame(values, index=target.obs_names, columns=keys.column_names(categories)),
        key_added,
    )
    keys.LATENT.write(target, latent, key_added)
    if model.class_colors is not None:
        target.uns[f"{keys.PREDICTION.key(key_added)}_colors"] = model.class_colors
    record(
        target,
        keys.PREDICTION,
        key_added,
        {
            "model": type(model).__name__,
            "classes": np.array(categories, dtype=object),
            "n_genes_found": len(alignment.found),
            "n_genes_missing": len(alignment.missing),
            "n_genes_extra": len(alignment.extra),
        },
    )
    return target if copy else None
