"""Predicted expression and the regulatory latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgem._core import keys
from tgem.tl._expected_model import PREDICTION, check_model
from tgem.tl._provenance import record
from tgem.tl._regulated_genes import Genes, as_text, genes_to_write, said_once

if TYPE_CHECKING:
    from tgem.model import EpiAttention


def predict_expression(
    mdata: Genes,
    model: EpiAttention,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> Genes | None:
    """Predict every gene's expression, and write it with the regulatory latent space.

    Parameters
    ----------
    mdata
        Genes, or genes in cell types: MuData, or AnnData if the model was set up with one.
    model
        A trained :class:`~tgem.model.EpiAttention`.
    key_added
        Prefix of the slots, ``"epi"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["epi_prediction"]``
        probability of high expression, or predicted log expression, float32; missing, as all
        results of EpiAttention's tools, for genes that were measured in no modality;
    ``.obsm["X_epi"]``
        regulatory latent space, float32, for ``sc.pp.neighbors(use_rep="X_epi")``;
    ``.uns["epi_prediction_params"]``
        task, modalities, version.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model, or no gene was measured in any modality; `mdata` is then
        unchanged.

    Warns
    -----
    MeasurementWarning
        If some genes were measured in no modality.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.predict_expression(mdata, model)
    >>> mdata.obsm["X_epi"].shape
    (80, 105)
    """
    check_model(model, "EpiAttention", question=PREDICTION)
    target = genes_to_write(mdata, copy=copy)
    prediction = model.predict(mdata, soft=True)
    with said_once(already=True):
        latent = model.get_latent_representation(mdata)
    keys.EXPRESSION_PREDICTION.write(target, prediction.astype(np.float32), key_added)
    keys.REGULATORY_LATENT.write(target, latent, key_added)
    params = {
        "model": type(model).__name__,
        "task": model.task,
        "modalities": as_text(model.modalities),
    }
    record(target, keys.EXPRESSION_PREDICTION, key_added, params)
    return target if copy else None
