"""Predicted isoforms, and the cell's context, in the places where they are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mudata import MuData

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_data
from tgem.tl._expected_model import PREDICTION, check_model
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from tgem.model import DeepSF


def predict_isoforms(
    mdata: MuData,
    model: DeepSF,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> MuData | None:
    """Predict every isoform, and write the predictions and the cell's context.

    Parameters
    ----------
    mdata
        Genes and isoforms in TPM; matched by name.
    model
        A trained :class:`~tgem.model.DeepSF`.
    key_added
        Prefix of the slots, ``"deepsf"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``mdata["isoform"].layers["deepsf_prediction"]``
        predicted TPM (PSI for the ``"psi"`` decoder), float32; missing for isoforms that the
        model set aside or whose gene is not in the data;
    ``mdata["isoform"].uns["deepsf_prediction_params"]``
        decoder, numbers of isoforms found and missing, version;
    ``mdata.obsm["X_deepsf_context"]``
        if the model has a context: its features, float32.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model, or hold no isoforms to write beside; `mdata` is then
        unchanged.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=60, n_factors=8, n_isoforms=80)
    >>> tgem.model.DeepSF.setup_mudata(mdata)
    >>> model = tgem.model.DeepSF(mdata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict_isoforms(mdata, model)
    >>> mdata["isoform"].layers["deepsf_prediction"].shape
    (60, 80)
    """
    check_model(model, "DeepSF", question=PREDICTION)
    check_data(mdata, MuData)
    if (name := model.modalities["isoform"]) not in mdata.mod:
        msg = (
            f"Expected the modality {name!r} in `mdata` to write into, found "
            f"{listed(list(mdata.mod))}. Where only genes were measured, `model.predict(mdata)` "
            "returns the predicted isoforms."
        )
        raise ValueError(msg)
    prediction = model.predict(mdata)
    context = model.get_context(mdata) if model.has_context else None
    columns = model.positions(mdata, "isoform")
    target = copied(mdata) if copy else mdata
    isoforms = target[model.modalities["isoform"]]
    found = columns >= 0
    values = np.full(isoforms.shape, np.nan, dtype=np.float32)
    rows = mdata.obs_names.get_indexer(isoforms.obs_names)
    values[:, columns[found]] = prediction[rows][:, found]
    keys.ISOFORM_PREDICTION.write(isoforms, values, key_added)
    record(
        isoforms,
        keys.ISOFORM_PREDICTION,
        key_added,
        {
            "model": type(model).__name__,
            "decoder": model.decoder,
            "n_isoforms_found": int(found.sum()),
            "n_isoforms_missing": int((~found).sum()),
            "n_isoforms_extra": isoforms.n_vars - int(found.sum()),
        },
    )
    if context is not None:
        keys.CONTEXT.write(target, context, key_added)
    return target if copy else None
