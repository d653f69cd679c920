"""Predicted labels in the places where scanpy users look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem.tl._expected_model import PREDICTION, check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base import ClassifierModel

UNKNOWN_COLOR = "#BBBBBB"


def predict(
    adata: AnnData,
    model: ClassifierModel,
    *,
    reject: float | Literal["auto"] | None = None,
    allowed: Sequence[Any] | str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Label every cell, and write label, confidence, probabilities, novelty and latent space.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A trained model.
    reject
        Cells whose novelty is above this are called ``"Unknown"``. ``"auto"``: above the
        novelty that 95 % of known cells stay below, which needs a model that was trained with
        validation cells. ``None``: every cell gets a label that the model knows.
    allowed
        Labels to choose from, where others cannot occur; ``None`` for all.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["tgem_prediction"]``
        predicted label, categorical with the training categories, and ``"Unknown"`` with
        `reject`;
    ``.obs["tgem_confidence"]``
        probability of the best label, float32; of rejected cells too;
    ``.obs["tgem_novelty"]``
        how unlike the training cells the cell is (:meth:`tgem.model.TGEM.get_novelty`), float32;
        not for models that an earlier version of tgem saved;
    ``.obsm["tgem_probability"]``
        DataFrame, cells x classes, float32; a slash in a class name becomes a bar, because h5ad
        and zarr refuse it in a column;
    ``.obsm["X_tgem"]``
        latent representation, float32;
    ``.uns["tgem_prediction_params"]``
        exact class names, genes found and missing, `allowed`, threshold of the novelty, version;
    ``.uns["tgem_prediction_colors"]``
        the training labels' colours, if scanpy had assigned them.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model, for unknown labels, or for ``"auto"`` without validation
        cells; `adata` is then unchanged.

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
    check_model(model, "TGEM", base="ClassifierModel", question=PREDICTION)
    target = target_of(adata, copy=copy)
    threshold = None if reject is None else model.get_rejection_threshold(reject)
    values = model.predict(adata, soft=True, allowed=allowed).to_numpy()
    novelty = model.get_novelty(adata) if model.has_novelty or reject is not None else None
    latent = model.get_latent_representation(adata)
    alignment = model.align_genes(adata)
    classes = [str(label) for label in model.classes]
    codes, categories, colors = values.argmax(axis=1), classes, model.class_colors
    if novelty is not None and threshold is not None:
        codes = np.where(novelty > threshold, len(classes), codes)
        categories = [*classes, keys.UNKNOWN]
        colors = None if colors is None else [*colors, UNKNOWN_COLOR]
    keys.PREDICTION.write(
        target, pd.Categorical.from_codes(codes, categories=categories), key_added
    )
    keys.CONFIDENCE.write(target, values.max(axis=1).astype(np.float32), key_added)
    keys.PROBABILITY.write(
        target,
        pd.DataFrame(values, index=target.obs_names, columns=keys.column_names(classes)),
        key_added,
    )
    keys.NOVELTY.remove(target, key_added)  # of an earlier call
    if novelty is not None:
        keys.NOVELTY.write(target, novelty, key_added)
    keys.LATENT.write(target, latent, key_added)
    write_colors(target, colors, key_added)
    record(
        target,
        keys.PREDICTION,
        key_added,
        {
            "model": type(model).__name__,
            "classes": np.array(classes, dtype=object),
            "allowed": None if allowed is None else np.array(_names(allowed), dtype=object),
            "novelty_threshold": threshold,
            "temperature": model.calibration.temperature,
            "n_genes_found": len(alignment.found),
            "n_genes_missing": len(alignment.missing),
            "n_genes_extra": len(alignment.extra),
        },
    )
    return target if copy else None


def write_colors(target: AnnData, colors: Sequence[str] | None, key_added: str | None) -> None:
    """Give the prediction the model's colours; without any, those of an earlier call go."""
    key = f"{keys.PREDICTION.key(key_added)}_colors"
    target.uns.pop(key, None)
    if colors is not None:
        target.uns[key] = colors


def _names(labels: Sequence[Any] | str) -> list[str]:
    return [labels] if isinstance(labels, str) else [str(label) for label in labels]
