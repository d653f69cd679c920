"""Do the attributed genes matter? Take them away, or give nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import integrate, sparse, stats

from tgem._core import keys
from tgem._core.progress import track
from tgem._core.tables import ALL, ALL_CELLS
from tgem._core.validate import check_choice, check_count
from tgem.tl._expected_model import check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base import ExplainedClassifier
    from tgem.model._base._attribution import AttributionResult

Array = np.ndarray[Any, Any]

FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1)
MODES = ("deletion", "insertion")
ORDERS = ("largest", "random", "smallest")


def ablation(
    adata: AnnData,
    model: ExplainedClassifier,
    *,
    indices: Sequence[int] | None = None,
    method: str = "integrated_gradients",
    by: str = "class",
    fractions: Sequence[float] = FRACTIONS,
    n_random: int = 5,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Measure how much accuracy the attributed genes carry.

    *Deletion* sets the genes with the largest attributions to 0; *insertion* keeps them and sets
    all others to 0. Genes at random, and the genes with the smallest attributions by size, are
    the comparison. As a check of the attributions themselves, they are computed again for the
    model with shuffled weights, of the same class in every cell: what is similar there comes from
    the data, not from training.

    Parameters
    ----------
    adata
        Labelled cells.
    model
        A trained model.
    indices
        Positions of the cells, or a boolean mask. ``None`` means the test cells of the model's own
        training data, and all cells of other data.
    method
        A name in :data:`tgem.attr.METHODS`.
    by
        ``"class"``: every cell loses the genes with the largest mean attribution in the class
        that it was given, as in the paper. ``"cell"``: every cell loses its own.
    fractions
        Shares of the genes to delete or insert.
    n_random
        Random sets to average over.
    seed
        Seed of the random sets, of the shuffled weights and of methods with noise.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_ablation"]``, a long DataFrame with the
    columns ``class`` (``"all"`` for all cells), ``mode``, ``order``, ``fraction``, ``accuracy``,
    ``n_cells`` and ``all_cells``, true in the rows of all cells, should a class be called
    ``"all"``; in ``.uns["tgem_ablation_params"]`` the areas between the curves of the
    largest and of random genes, ``area_deletion`` and ``area_insertion`` (mean difference in
    accuracy, positive if the attributions find what matters), and ``shuffled_correlation``, the
    rank correlation of the classes' mean attributions with those of the shuffled model (missing,
    as it is not defined, if either are the same for all genes).

    Raises
    ------
    ValueError
        If no cell has a label that the model knows, or for impossible fractions.

    References
    ----------
    Deletion: :cite:t:`zhang2022`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60, effect=3.0)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=10, enable_progress_bar=False)
    >>> tgem.tl.ablation(adata, model, fractions=[0.1, 0.3], n_random=2)
    >>> adata.uns["tgem_ablation_params"]["area_deletion"] > 0
    True
    """
    check_model(model, "TGEM", base="ExplainedClassifier")
    check_choice("by", by, ("class", "cell"))
    check_count("n_random", n_random)
    shares = _checked(fractions)
    target = target_of(adata, copy=copy)
    cells, true = model.labelled_cells(adata, indices)
    expression = model.get_expression(adata, cells)
    options: dict[str, Any] = {"method": method, "seed": seed}
    explained = model.get_attributions(adata, cells, **options)
    given = explained.targets
    scores = _scores(explained, given, by)

    rankings = _rankings(scores, n_random, np.random.default_rng(seed))
    untouched = _is_right(model, expression, true)
    tables = [
        _accuracies(untouched, true, mode="deletion", order=order, fraction=0.0) for order in ORDERS
    ]
    runs = [(mode, order, share) for mode in MODES for order in ORDERS for share in shares]
    for mode, order, share in track(runs, "Ablating"):
        n_genes = max(1, round(share * scores.shape[1]))
        altered = [
            _is_right(model, _altered(expression, ranking[:, :n_genes], mode), true)
            for ranking in rankings[order]
        ]
        tables.append(
            _accuracies(np.mean(altered, axis=0), true, mode=mode, order=order, fraction=share)
        )
    table = pd.concat(tables, ignore_index=True)
    # The shuffled model would mostly choose another class, which is another question.
    shuffled = model.with_shuffled_weights(seed).get_attributions(
        adata, cells, target=model.classes[given], **options
    )
    params = {
        "model": type(model).__name__,
        "method": method,
        "by": by,
        "n_random": n_random,
        "seed": seed,
        "n_cells": len(cells),
        "area_deletion": _area(table, "deletion"),
        "area_insertion": _area(table, "insertion"),
        "shuffled_correlation": _correlation(scores, _scores(shuffled, given, by), given),
    }
    keys.ABLATION.write(target, table, key_added)  # last, so that an error leaves the data alone
    record(target, keys.ABLATION, key_added, params)
    return target if copy else None


def _checked(fractions: Sequence[float]) -> list[float]:
    shares = sorted({float(share) for share in fractions})
    if not shares or shares[0] <= 0 or shares[-1] > 1:
        msg = f"Expected `fractions` above 0 and at most 1, got {list(fractions)}."
        raise ValueError(msg)
    return shares


def _scores(result: AttributionResult, given: Array, by: str) -> Array:
    """Attribution that ranks each cell's genes: its own, or the mean of the class it was given."""
    values: Any = result.values
    dense: Array = values.toarray() if sparse.issparse(values) else values
    if by == "cell":
        return dense
    scores = np.zeros_like(dense)
    for code in np.unique(given):
        members = given == code
        scores[members] = dense[members].mean(axis=0)
    return scores


def _rankings(
    scores: Array, n_random: int, generator: np.random.Generator
) -> dict[str, list[Array]]:
    """Genes of each cell in the orders in which they are taken away, several at random."""
    genes = np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    return {
        "largest": [np.argsort(-scores, axis=1, kind="stable")],
        "smallest": [np.argsort(np.abs(scores), axis=1, kind="stable")],
        "random": [generator.permuted(genes, axis=1) for _ in range(n_random)],
    }


def _altered(expression: Array, genes: Array, mode: str) -> Array:
    """Set `genes` of each cell to 0, or everything else."""
    if mode == "deletion":
        altered = expression.copy()
        np.put_along_axis(altered, genes, 0.0, axis=1)
        return altered
    altered = np.zeros_like(expression)
    np.put_along_axis(altered, genes, np.take_along_axis(expression, genes, axis=1), axis=1)
    return altered


def _is_right(model: ExplainedClassifier, expression: Array, true: Array) -> Array:
    right: Array = model.classes[model.predict_expression(expression).argmax(axis=1)] == true
    return right.astype(np.float64)


def _accuracies(
    right: Array, true: Array, *, mode: str, order: str, fraction: float
) -> pd.DataFrame:
    """Accuracy over all cells and over the cells of each label."""
    groups = pd.Series(right).groupby(pd.Series(true).astype(str))
    accuracy = pd.concat([pd.Series({ALL: right.mean()}), groups.mean()])
    n_cells = pd.concat([pd.Series({ALL: len(right)}), groups.size()])
    return pd.DataFrame(
        {
            "class": accuracy.index.astype(str),
            "mode": mode,
            "order": order,
            "fraction": fraction,
            "accuracy": accuracy.to_numpy(),
            "n_cells": n_cells.to_numpy(),
            ALL_CELLS: np.arange(len(n_cells)) == 0,
        }
    )


def _area(table: pd.DataFrame, mode: str) -> float:
    """Mean difference in accuracy between random and largest genes, over the fractions."""
    part = table[table[ALL_CELLS] & (table["mode"] == mode)]
    curves = part.pivot_table(index="fraction", columns="order", values="accuracy")
    difference = (curves["random"] - curves["largest"]).to_numpy()
    if mode == "insertion":
        difference = -difference
    x = curves.index.to_numpy()
    if len(x) == 1:
        return float(difference[0])
    return float(integrate.trapezoid(difference, x) / (x[-1] - x[0]))


def _correlation(scores: Array, shuffled: Array, given: Array) -> float:
    """Median over classes of the rank correlation of their mean attributions.

    Missing where none is defined: a 0 would read as if the check had been passed.
    """
    correlations = []
    for code in np.unique(given):
        pair = [values[given == code].mean(axis=0) for values in (scores, shuffled)]
        if all(np.ptp(values) > 0 for values in pair):
            correlations.append(stats.spearmanr(*pair).statistic)
    return float(np.median(correlations)) if correlations else float("nan")
