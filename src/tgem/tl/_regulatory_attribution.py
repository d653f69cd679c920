"""What each mark, CpG and factor contributed to each gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tgem._core import keys
from tgem.tl._expected_model import ATTRIBUTION, check_model
from tgem.tl._provenance import record
from tgem.tl._regulated_genes import Genes, as_text, genes_to_write

if TYPE_CHECKING:
    from tgem.model import EpiAttention


def regulatory_attribution(
    mdata: Genes,
    model: EpiAttention,
    *,
    method: str = "integrated_gradients",
    baseline: Literal["mean", "zero"] = "mean",
    n_steps: int = 50,
    key_added: str | None = None,
    copy: bool = False,
) -> Genes | None:
    """Say how much each mark in each bin, CpG and factor contributed to each gene's output.

    Parameters
    ----------
    mdata, model, key_added, copy
        As in :func:`tgem.tl.predict_expression`.
    method
        ``"integrated_gradients"``, ``"input_x_gradient"`` or ``"ablation"``.
    baseline
        What to compare a gene with: ``"mean"``, the mean training gene, or ``"zero"``, no signal.
    n_steps
        Steps of Integrated Gradients.

    Returns
    -------
    ``None``, or the changed copy. Writes, for the modalities of the model,

    ``.obsm["epi_histone_attribution"]`` and the same for ``methylation`` and ``tf``
        float32, genes x (marks x bins), (CpG slots x features), (factors x features), row by row
        of the grid; the names are in ``.uns["epi_histone_attribution"]`` as ``"rows"`` and
        ``"columns"``: ``values.reshape(n_obs, len(rows), len(columns))`` is the grid. 0 where a
        gene lacks the modality, missing where it lacks all;
    ``.uns["epi_histone_attribution_params"]``
        method, baseline, and how far the sums are from the change of the output.

    Raises
    ------
    RuntimeError, ValueError
        As :func:`tgem.tl.predict_expression`; also for an unknown method or baseline.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.regulatory_attribution(mdata, model, n_steps=5)
    >>> mdata.obsm["epi_histone_attribution"].shape
    (80, 280)
    """
    check_model(model, "EpiAttention", question=ATTRIBUTION)
    target = genes_to_write(mdata, copy=copy)
    found = model.get_attributions(mdata, method=method, baseline=baseline, n_steps=n_steps)
    params = {
        "model": type(model).__name__,
        "method": method,
        "baseline": baseline,
        "n_steps": n_steps,
        "largest_residual": float(np.nanmax(np.abs(found.residual), initial=0)),
    }
    for modality, values in found.values.items():
        slot = keys.REGULATORY_ATTRIBUTION[modality]
        rows, columns = model.feature_names(modality)
        rows = list(range(values.shape[1])) if modality == "methylation" else rows
        slot.write(target, values.reshape(len(values), -1), key_added)
        target.uns[slot.key(key_added)] = {"rows": as_text(rows), "columns": as_text(columns)}
        record(target, slot, key_added, params)
    return target if copy else None
