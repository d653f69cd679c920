"""Predicted against given labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core import keys
from tgem.tl._expected_model import check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base import ClassifierModel

SCORES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "log_likelihood",
    "brier_score",
    "expected_calibration_error",
    "expected_calibration_error_floor",
    "n_cells",
    "cells",
)


def confusion(
    adata: AnnData,
    model: ClassifierModel,
    *,
    indices: Sequence[int] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Count how the cells of each label were typed, on cells held out of training.

    Parameters
    ----------
    adata
        Labelled cells.
    model
        A trained model.
    indices
        Positions of the cells, or a boolean mask. ``None`` means the test cells of the model's
        own training data, and all cells of other data.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_confusion"]``, a DataFrame with the columns
    ``true``, ``predicted`` and ``n_cells``, and the scores of
    :meth:`tgem.model.TGEM.evaluate` in ``.uns["tgem_confusion_params"]``.

    Raises
    ------
    ValueError
        If no cell has a label that the model knows.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.confusion(adata, model)
    >>> int(adata.uns["tgem_confusion"]["n_cells"].sum()) == len(model.test_indices)
    True
    """
    check_model(model, "TGEM", base="ClassifierModel")
    target = target_of(adata, copy=copy)
    scores = model.evaluate(adata, indices)
    counts = scores["confusion"].rename(index=str, columns=str)
    counts = counts.rename_axis(index="true", columns="predicted")
    keys.CONFUSION.write(target, counts.stack().rename("n_cells").reset_index(), key_added)
    record(target, keys.CONFUSION, key_added, {name: scores[name] for name in SCORES})
    return target if copy else None
