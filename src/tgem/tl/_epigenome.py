"""What EpiAttention says about each gene, in the places where it is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.validate import check_data
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tgem.model import EpiAttention

Genes: TypeAlias = AnnData | MuData
Importance: TypeAlias = Literal["modality", "mark", "bin", "factor"]


def _target(mdata: Genes, *, copy: bool) -> Genes:
    check_data(mdata, AnnData | MuData)
    return mdata.copy() if copy else mdata


def _text(names: Iterable[Any]) -> np.ndarray[Any, Any]:
    return np.array([str(name) for name in names], dtype=object)


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
        probability of high expression, or predicted log expression, float32;
    ``.obsm["X_epi"]``
        regulatory latent space, float32, for ``sc.pp.neighbors(use_rep="X_epi")``;
    ``.uns["epi_prediction_params"]``
        task, modalities, version.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model; `mdata` is then unchanged.

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
    target = _target(mdata, copy=copy)
    prediction = model.predict(mdata, soft=True)
    latent = model.get_latent_representation(mdata)
    keys.EXPRESSION_PREDICTION.write(target, prediction.astype(np.float32), key_added)
    keys.REGULATORY_LATENT.write(target, latent, key_added)
    params = {
        "model": type(model).__name__,
        "task": model.task,
        "modalities": _text(model.modalities),
    }
    record(target, keys.EXPRESSION_PREDICTION, key_added, params)
    return target if copy else None


def regulatory_attention(
    mdata: Genes,
    model: EpiAttention,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> Genes | None:
    """Write where the network looked: at which bins, CpGs, factors and latent entries.

    Attention says where the network looked, not what decided:
    see :func:`tgem.tl.regulatory_importance`.

    Parameters
    ----------
    mdata, model, key_added, copy
        As in :func:`tgem.tl.predict_expression`.

    Returns
    -------
    ``None``, or the changed copy. Writes, for the modalities of the model,

    ``.obsm["epi_histone_attention"]``, ``["epi_methylation_attention"]``, ``["epi_tf_attention"]``
        float32, genes x bins, CpG slots and factors; each row adds up to 1, or is 0 where the gene
        lacks the modality; the columns' names are in ``.uns["epi_histone_attention"]["names"]``;
    ``.obsm["epi_fusion_attention"]``
        the same over the joint vector, mean over the attentions of the fusion; ``"names"`` holds
        the modality of each entry.

    Raises
    ------
    RuntimeError, ValueError
        As :func:`tgem.tl.predict_expression`.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.regulatory_attention(mdata, model)
    >>> mdata.obsm["epi_tf_attention"].shape
    (80, 12)
    """
    target = _target(mdata, copy=copy)
    names: dict[Any, Any] = {"fusion": np.repeat(model.modalities, model.module.fusion.sizes)}
    for modality in model.modalities:
        rows, columns = model.feature_names(modality)
        names[modality] = columns if modality == "histone" else rows
    found = {name: model.get_attention(mdata, modality=name) for name in names}
    for name, weights in found.items():
        slot = keys.REGULATORY_ATTENTION[name]
        slot.write(target, weights, key_added)
        # new data may have another number of CpG slots than the training data
        labels = range(weights.shape[1]) if name == "methylation" else names[name]
        target.uns[slot.key(key_added)] = {"names": _text(labels)}
        record(target, slot, key_added, {"model": type(model).__name__})
    return target if copy else None


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
        ``"columns"``: ``values.reshape(n_obs, len(rows), len(columns))`` is the grid;
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
    target = _target(mdata, copy=copy)
    found = model.get_attributions(mdata, method=method, baseline=baseline, n_steps=n_steps)
    params = {
        "model": type(model).__name__,
        "method": method,
        "baseline": baseline,
        "n_steps": n_steps,
        "largest_residual": float(np.abs(found.residual).max(initial=0)),
    }
    for modality, values in found.values.items():
        slot = keys.REGULATORY_ATTRIBUTION[modality]
        rows, columns = model.feature_names(modality)
        rows = list(range(values.shape[1])) if modality == "methylation" else rows
        slot.write(target, values.reshape(len(values), -1), key_added)
        target.uns[slot.key(key_added)] = {"rows": _text(rows), "columns": _text(columns)}
        record(target, slot, key_added, params)
    return target if copy else None


def regulatory_importance(
    mdata: Genes,
    model: EpiAttention,
    *,
    by: Sequence[Importance] | Importance = ("modality",),
    method: Literal["ablation", "integrated_gradients"] = "ablation",
    baseline: Literal["mean", "zero"] = "mean",
    n_steps: int = 50,
    key_added: str | None = None,
    copy: bool = False,
) -> Genes | None:
    """Say how much modalities, marks, bins or factors matter in each cell type.

    Parameters
    ----------
    mdata, model, key_added, copy
        As in :func:`tgem.tl.predict_expression`.
    by
        One or several of ``"modality"``, ``"mark"``, ``"bin"``, ``"factor"``.
    method
        ``"ablation"``: the change of the output when the thing is set to the baseline;
        ``"integrated_gradients"``: the sum of its attributions.
    baseline, n_steps
        As in :func:`tgem.tl.regulatory_attribution`.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["epi_importance"]``
        long DataFrame: ``by``, ``cell_type``, ``name``, ``importance`` (mean absolute change of
        the output), ``effect`` (mean change), ``n_genes``;
    ``.uns["epi_importance_params"]``
        method and baseline.

    Raises
    ------
    RuntimeError, ValueError
        As :func:`tgem.tl.predict_expression`; also for an unknown `by` or method.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.regulatory_importance(mdata, model, by=["modality", "mark"])
    >>> mdata.uns["epi_importance"]["by"].value_counts().to_dict()
    {'mark': 7, 'modality': 3}
    """
    target = _target(mdata, copy=copy)
    kinds = [by] if isinstance(by, str) else list(by)
    tables = []
    for kind in kinds:
        table = model.get_importance(
            mdata, by=kind, method=method, baseline=baseline, n_steps=n_steps
        )
        table["name"] = table["name"].astype(str)  # bins are numbers, marks are names
        tables.append(table.assign(by=kind))
    if not tables:
        msg = "Expected `by` to name something, got nothing."
        raise ValueError(msg)
    joined = pd.concat(tables, ignore_index=True)
    columns = ["by", *(column for column in joined.columns if column != "by")]
    keys.REGULATORY_IMPORTANCE.write(target, joined[columns], key_added)
    params = {"model": type(model).__name__, "method": method, "baseline": baseline}
    record(target, keys.REGULATORY_IMPORTANCE, key_added, params)
    return target if copy else None
