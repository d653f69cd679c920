"""How much modalities, marks, bins and factors matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from tgem._core import keys
from tgem.tl._expected_model import IMPORTANCE, check_model
from tgem.tl._provenance import record
from tgem.tl._regulated_genes import Genes, genes_to_write, said_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.model import EpiAttention

Importance: TypeAlias = Literal["modality", "mark", "bin", "factor"]


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
        the output), ``effect`` (of marks and factors: slope of the change on the signal, per
        standard deviation of it, positive if more of it raises the output; NaN for modalities and
        bins), ``n_genes``;
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
    check_model(model, "EpiAttention", question=IMPORTANCE)
    target = genes_to_write(mdata, copy=copy)
    kinds = [by] if isinstance(by, str) else list(by)
    tables: list[pd.DataFrame] = []
    for kind in kinds:
        with said_once(already=bool(tables)):
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
