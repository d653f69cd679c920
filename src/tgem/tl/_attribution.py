"""Which genes decided each cell's label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from tgem._core import keys
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import AttributionResult, ClassifierModel


def attribution(
    adata: AnnData,
    model: ClassifierModel,
    *,
    method: str = "integrated_gradients",
    target: Any = "predicted",
    baseline: str = "zero",
    n_steps: int = 50,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say how much each gene contributed to each cell's label.

    A cell's attributions add up to the difference between the class's logit in the cell and at
    the baseline: a positive gene speaks for the label, a negative one against it.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A trained model.
    method
        A name in :data:`tgem.attr.METHODS`.
    target
        ``"predicted"``: each cell explains its own predicted label. Or one label: every cell
        explains that one.
    baseline
        What to compare a cell with: ``"zero"``, nothing expressed, or ``"mean"``, the mean cell.
    n_steps
        Steps from the baseline to the cell; more if the completeness residual is large.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obsm["tgem_attribution"]``
        cells x model genes, float32, CSR for the zero baseline; the genes' names are in
        ``.uns["tgem_attribution"]["genes"]``;
    ``.varm["tgem_attribution"]``, ``.varm["tgem_attribution_median"]``
        DataFrame, genes x classes: mean and median over the cells that were given the label;
        missing for genes that the model does not know and classes that no cell was given;
    ``.uns["tgem_attribution_params"]``
        method, baseline, exact class names, and the residual of completeness.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        For an unknown method, baseline or label; `adata` is then unchanged.

    References
    ----------
    Integrated Gradients: :cite:t:`sundararajan2017`; reading T-GEM with them:
    :cite:t:`zhang2022`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attribution(adata, model, n_steps=10)
    >>> adata.obsm["tgem_attribution"].shape
    (200, 60)
    """
    written = target_of(adata, copy=copy)
    result = model.get_attributions(
        adata, method=method, target=target, baseline=baseline, n_steps=n_steps
    )
    predicted = np.asarray(model.predict(adata))
    chosen = [label for label in model.classes if target in ("predicted", label)]
    mean, median = _by_class(result, predicted, chosen)
    keys.ATTRIBUTION.write(written, result.values, key_added)
    written.uns[keys.ATTRIBUTION.key(key_added)] = {"genes": result.genes.to_numpy(dtype=object)}
    for slot, table in ((keys.ATTRIBUTION_MEAN, mean), (keys.ATTRIBUTION_MEDIAN, median)):
        slot.write(written, table.reindex(written.var_names), key_added)
    record(
        written,
        keys.ATTRIBUTION,
        key_added,
        {
            "model": type(model).__name__,
            "method": method,
            "baseline": baseline,
            "target": str(target),
            "n_steps": n_steps,
            "classes": np.array([str(label) for label in chosen], dtype=object),
            "n_cells": np.array([int((predicted == label).sum()) for label in chosen]),
            "largest_residual": float(np.abs(result.residual).max(initial=0)),
            "median_change": float(np.median(np.abs(result.change))) if len(predicted) else 0.0,
        },
    )
    return written if copy else None


def _by_class(
    result: AttributionResult, predicted: np.ndarray[Any, Any], classes: list[Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean and median attribution over the cells that were given each label."""
    attributions: Any = result.values
    means, medians = [], []
    for label in classes:
        cells = np.flatnonzero(predicted == label)
        block = attributions[cells]
        values = block.toarray() if sparse.issparse(block) else block
        empty = np.full(len(result.genes), np.nan, dtype=np.float32)
        means.append(values.mean(axis=0) if cells.size else empty)
        medians.append(np.median(values, axis=0) if cells.size else empty)
    columns = keys.column_names(classes)
    mean, median = (
        pd.DataFrame(np.stack(rows, axis=1), index=result.genes, columns=columns)
        for rows in (means, medians)
    )
    return mean, median
