"""Sets of labels that hold the right one as often as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem.tl._expected_model import check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import ClassifierModel


def prediction_sets(
    adata: AnnData,
    model: ClassifierModel,
    *,
    alpha: float = 0.1,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Write for each cell a set of labels that holds the right one as often as promised.

    A cell whose set has one label is clear; one with three is between these three. The promise, a
    share of at least 1 - `alpha`, is for all cells together, and for cells that are like the
    validation cells of the training: see :meth:`tgem.model.TGEM.predict_sets`.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A model that was trained with validation cells.
    alpha
        Share of cells whose label may be missing from the set.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obsm["tgem_prediction_set"]``
        boolean DataFrame, cells x classes; a slash in a class name becomes a bar;
    ``.obs["tgem_prediction_set_size"]``
        number of labels in the set;
    ``.uns["tgem_prediction_set_params"]``
        `alpha` and the exact class names.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If there are too few validation cells for `alpha`, or the data do not fit the model;
        `adata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=300, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.prediction_sets(adata, model, alpha=0.1)
    >>> adata.obsm["tgem_prediction_set"].shape
    (300, 4)
    """
    check_model(model, "TGEM", base="ClassifierModel")
    target = target_of(adata, copy=copy)
    sets = model.predict_sets(adata, alpha=alpha)
    classes = [str(label) for label in model.classes]
    chosen = sets.to_numpy()
    keys.PREDICTION_SET.write(
        target,
        pd.DataFrame(chosen, index=target.obs_names, columns=keys.column_names(classes)),
        key_added,
    )
    keys.PREDICTION_SET_SIZE.write(target, chosen.sum(axis=1).astype(np.int64), key_added)
    record(
        target,
        keys.PREDICTION_SET,
        key_added,
        {
            "model": type(model).__name__,
            "alpha": float(alpha),
            "classes": np.array(classes, dtype=object),
        },
    )
    return target if copy else None
