"""Which genes decided each cell's label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from tgem._core import keys
from tgem._core.derived import remove_derived
from tgem._core.tables import TABLES
from tgem.tl._expected_model import ATTRIBUTION, check_model
from tgem.tl._gene_rows import names_in_data, rows_of_data
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import AttributionResult, ExplainedClassifier


def attribution(
    adata: AnnData,
    model: ExplainedClassifier,
    *,
    method: str = "integrated_gradients",
    target: Any = "predicted",
    baseline: Any = "zero",
    n_steps: int = 50,
    seed: int = 0,
    add_layer: bool = False,
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
        What to compare a cell with: ``"zero"``, nothing expressed; ``"mean"``, the mean cell; or a
        label, the mean of the cells that the model gives it.
    n_steps
        Steps from the baseline to the cell. Where a cell's attributions do not add up to within a
        thousandth, it gets 4, then 16 times as many.
    seed
        Seed of the methods that add noise.
    add_layer
        Whether to write the attributions also as a layer, in the order of the data's genes, for
        plots such as ``sc.pl.heatmap(adata, genes, groupby, layer="tgem_attribution")``.
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
    ``.uns["tgem_attribution"]["mean"]``, ``["median"]``, ``["share"]``
        the tables of ``.varm`` below for all of the model's genes that were measured, under the
        model's names, where ``.var`` does not hold them all (``use_raw=True`` with more genes in
        ``.raw``) or has other names for them; tools and plots then read these;
    ``.varm["tgem_attribution"]``, ``.varm["tgem_attribution_median"]``
        DataFrame, genes x classes: mean and median over the cells that were given the label;
        missing for genes that the model does not know and classes that no cell was given;
    ``.varm["tgem_attribution_share"]``
        the same shape: share of these cells in which the attribution is not 0 (with the zero
        baseline, of the cells that express the gene);
    ``.layers["tgem_attribution"]``
        with `add_layer`: cells x genes of the data, 0 for genes that the model does not know;
    ``.uns["tgem_attribution_params"]``
        method, baseline, exact class names, and how far the sums of the attributions are from the
        change of the logit, which is an error only for methods that promise to add up.

    What was computed from earlier attributions under the same prefix is removed: ranked genes and
    enriched gene sets.

    For GSEA, ``tgem.enrich.write_rnk_by_class(adata.varm["tgem_attribution"], folder)`` writes one
    ranked list per class.

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
    check_model(model, "TGEM", base="ExplainedClassifier", question=ATTRIBUTION)
    written = target_of(adata, copy=copy)
    result = model.get_attributions(
        adata, method=method, target=target, baseline=baseline, n_steps=n_steps, seed=seed
    )
    predicted = np.asarray(model.predict(adata))
    chosen = [label for label in model.classes if target in ("predicted", label)]
    summaries = _by_class(result, predicted, chosen)
    names = names_in_data(written, model)
    remove_derived(written, keys.ATTRIBUTION, key_added)
    keys.ATTRIBUTION.write(written, result.values, key_added)
    for slot, table in summaries.items():
        slot.write(written, rows_of_data(table, written, names), key_added)
    of_genes: dict[str, Any] = {"genes": result.genes.to_numpy(dtype=object)}
    measured = pd.Index(model.align_genes(written).found)
    if not measured.isin(written.var_names).all():
        of_genes |= {TABLES[slot]: table.loc[measured] for slot, table in summaries.items()}
    written.uns[keys.ATTRIBUTION.key(key_added)] = of_genes
    if add_layer:
        layer = _in_order_of(result, names, written.var_names)
        keys.ATTRIBUTION_LAYER.write(written, layer, key_added)
    record(
        written,
        keys.ATTRIBUTION,
        key_added,
        {
            "model": type(model).__name__,
            "method": method,
            "signed": result.signed,
            "baseline": str(baseline),
            "target": str(target),
            "n_steps": n_steps,
            "seed": seed,
            "classes": np.array([str(label) for label in chosen], dtype=object),
            "n_cells": np.array([int((predicted == label).sum()) for label in chosen]),
            "largest_residual": float(np.abs(result.residual).max(initial=0)),
            "median_change": float(np.median(np.abs(result.change))) if len(predicted) else 0.0,
        },
    )
    return written if copy else None


def _in_order_of(result: AttributionResult, names: pd.Series[str], genes: pd.Index) -> Any:
    """Columns for the data's genes; a gene that the model does not know has attribution 0."""
    of_model = pd.Series(names.index, index=names.to_numpy()).reindex(genes)
    columns = result.genes.get_indexer(of_model)
    known = np.flatnonzero(columns >= 0)
    place = sparse.csr_matrix(
        (np.ones(known.size, dtype=np.float32), (columns[known], known)),
        shape=(len(result.genes), len(genes)),
    )
    return result.values @ place


def _by_class(
    result: AttributionResult, predicted: np.ndarray[Any, Any], classes: list[Any]
) -> dict[keys.Slot, pd.DataFrame]:
    """Mean, median and share of non-zero values over the cells that were given each label."""
    attributions: Any = result.values
    empty = np.full(len(result.genes), np.nan, dtype=np.float32)
    rows: dict[keys.Slot, list[Any]] = {
        keys.ATTRIBUTION_MEAN: [],
        keys.ATTRIBUTION_MEDIAN: [],
        keys.ATTRIBUTION_SHARE: [],
    }
    for label in classes:
        block = attributions[np.flatnonzero(predicted == label)]
        values = block.toarray() if sparse.issparse(block) else block
        found = len(values) > 0
        rows[keys.ATTRIBUTION_MEAN].append(values.mean(axis=0) if found else empty)
        rows[keys.ATTRIBUTION_MEDIAN].append(np.median(values, axis=0) if found else empty)
        rows[keys.ATTRIBUTION_SHARE].append((values != 0).mean(axis=0) if found else empty)
    columns = keys.column_names(classes)
    return {
        slot: pd.DataFrame(np.stack(summary, axis=1), index=result.genes, columns=columns)
        for slot, summary in rows.items()
    }
