"""Confidence against accuracy, in cells held out of training."""

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
    "expected_calibration_error",
    "expected_calibration_error_floor",
    "brier_score",
    "log_likelihood",
    "n_cells",
    "cells",
)


def calibration(
    adata: AnnData,
    model: ClassifierModel,
    *,
    indices: Sequence[int] | None = None,
    n_bins: int = 10,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Compare the model's confidence with its accuracy, on cells held out of training.

    Of cells that are given their label with a probability of 0.8, four fifths should have it.
    Cells are sorted into bins by the probability of their predicted label, all together and those
    of each predicted label apart.

    Parameters
    ----------
    adata
        Labelled cells.
    model
        A trained model.
    indices
        Positions of the cells, or a boolean mask. ``None`` means the test cells of the model's
        own training data, and all cells of other data.
    n_bins
        Number of bins, of equal width, between 0 and 1. The errors beside the table are those of
        :meth:`tgem.model.TGEM.evaluate`, which has 15.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_calibration"]``, a DataFrame with a row for
    each bin that holds cells: ``class`` (the predicted label; ``"(all)"`` for all cells),
    ``bin``, mean ``confidence``, ``accuracy`` with its 95 % interval (Wilson's) ``low`` and
    ``high``, ``n_cells``. In ``.uns["tgem_calibration_params"]`` are the expected calibration
    error, the error that perfect probabilities would show in as many cells, the Brier score, the
    log-likelihood, and the temperature.

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
    >>> tgem.tl.calibration(adata, model)
    >>> table = adata.uns["tgem_calibration"]
    >>> int(table.loc[table["class"] == "(all)", "n_cells"].sum()) == len(model.test_indices)
    True
    """
    check_model(model, "TGEM", base="ClassifierModel")
    target = target_of(adata, copy=copy)
    table = model.get_calibration_curve(adata, indices, n_bins=n_bins)
    scores = model.evaluate(adata, indices)
    keys.CALIBRATION.write(target, table, key_added)
    record(
        target,
        keys.CALIBRATION,
        key_added,
        {name: scores[name] for name in SCORES}
        | {"n_bins": n_bins, "temperature": model.calibration.temperature},
    )
    return target if copy else None
