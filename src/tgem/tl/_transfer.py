"""Labels for a new data set, and what was found there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem.tl._expected_model import PREDICTION, check_model
from tgem.tl._predict import write_colors
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model import TGEM


def transfer(
    adata: AnnData,
    model: TGEM,
    *,
    batch_key: str | None = None,
    labels_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Label the cells of another donor, chemistry or laboratory than the training cells'.

    Genes are found by name, the shift of each gene against the training cells is taken away batch
    by batch, and cells are labelled by the network and by their correlation with the classes;
    :meth:`tgem.model.TGEM.transfer` says how. For cells of the same experiment as the training
    cells :func:`tgem.tl.predict` is enough.

    Parameters
    ----------
    adata
        Cells, log1p-normalised as the training data were.
    model
        A trained model.
    batch_key
        Column of ``adata.obs`` with the sample or run of each cell; ``None`` if all are of one.
    labels_key
        Column of ``adata.obs`` with the model's labels for a few cells, and missing values for the
        others.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["tgem_prediction"]``
        label, categorical with the training categories;
    ``.obs["tgem_confidence"]``
        its probability, float32;
    ``.obsm["tgem_probability"]``
        DataFrame, cells x classes, float32; a slash in a class name becomes a bar;
    ``.obsm["X_tgem"]``
        latent representation after the shift, float32;
    ``.uns["tgem_transfer"]``
        DataFrame, a row for each batch: cells, labelled cells, mean confidence, genes detected,
        size of the shift (:class:`~tgem.model.TGEM` describes the columns in ``transfer``);
    ``.uns["tgem_transfer_composition"]``
        DataFrame, batches x classes: estimated share of each class;
    ``.uns["tgem_transfer_params"]``
        genes found and missing, how they were matched, the share of the model's weight on them;
    ``.uns["tgem_prediction_params"]``, ``.uns["tgem_prediction_colors"]``
        as :func:`tgem.tl.predict` writes them.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    KeyError
        If there is no such column.
    ValueError
        If the data do not fit the model; `adata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> other = tgem.datasets.synthetic_expression(n_obs=80, n_genes=60, seed=1)
    >>> tgem.tl.transfer(other, model)
    >>> other.uns["tgem_transfer_composition"].shape
    (1, 4)
    """
    check_model(model, "TGEM", question=PREDICTION)
    target = target_of(adata, copy=copy)
    found = model.transfer(adata, batch_key=batch_key, labels_key=labels_key)
    values = found.probabilities.to_numpy().astype(np.float32)
    classes = [str(label) for label in model.classes]
    columns = keys.column_names(classes)
    prediction = pd.Categorical.from_codes(values.argmax(axis=1), categories=classes)
    keys.PREDICTION.write(target, prediction, key_added)
    keys.CONFIDENCE.write(target, values.max(axis=1), key_added)
    probability = pd.DataFrame(values, index=target.obs_names, columns=columns)
    keys.PROBABILITY.write(target, probability, key_added)
    keys.LATENT.write(target, found.latent, key_added)
    keys.NOVELTY.remove(target, key_added)  # of an earlier `predict`, of cells before the shift
    write_colors(target, model.class_colors, key_added)
    keys.TRANSFER.write(target, found.report, key_added)
    keys.TRANSFER_COMPOSITION.write(target, found.composition.set_axis(columns, axis=1), key_added)
    genes = {
        "model": type(model).__name__,
        "n_genes_found": len(found.genes.found),
        "n_genes_missing": len(found.genes.missing),
        "n_genes_extra": len(found.genes.extra),
        "matched_by": found.genes.matched_by,
    }
    named = np.array(classes, dtype=object)
    record(target, keys.PREDICTION, key_added, {**genes, "classes": named, "transfer": True})
    missing = np.array(found.genes.missing, dtype=object)
    settings = {"batch_key": batch_key, "labels_key": labels_key}
    shares = {"weight_found": found.weight_found, "genes_missing": missing}
    record(target, keys.TRANSFER, key_added, {**genes, **shares, **settings})
    return target if copy else None
