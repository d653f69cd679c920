"""Scores of predicted against measured expression."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics

Array = np.ndarray[Any, Any]
ALL = "all"


def expression_scores(
    output: Array, expression: Array, high: Array | None, groups: Array
) -> pd.DataFrame:
    """One row for each cell type and one for all.

    `output` is a logit where `high` is given, and predicted expression otherwise. `expression`
    may hold NaN, which the correlations leave out.
    """
    rows = []
    labels = list(dict.fromkeys(groups))
    parts = [(label, groups == label) for label in labels] if len(labels) > 1 else []
    for _, chosen in [*parts, (ALL, np.ones(len(groups), bool))]:
        row: dict[str, float] = {"n_genes": float(chosen.sum())}
        if high is not None:
            row |= _high_scores(output[chosen], high[chosen])
        row |= _correlations(output[chosen], expression[chosen], values=high is None)
        rows.append(row)
    # a cell type may be called as the last row is
    names = pd.Index([*(label for label, _ in parts), ALL], name="cell_type")
    table = pd.DataFrame(rows, index=names)
    return table.astype({"n_genes": int})


def _high_scores(logits: Array, high: Array) -> dict[str, float]:
    both = bool(high.any() and not high.all())
    return {
        "auroc": float(metrics.roc_auc_score(high, logits)) if both else np.nan,
        "auprc": float(metrics.average_precision_score(high, logits)) if high.any() else np.nan,
        "accuracy": float(((logits > 0) == high).mean()) if len(high) else np.nan,
    }


def _correlations(output: Array, expression: Array, *, values: bool) -> dict[str, float]:
    measured = ~np.isnan(expression)
    output, expression = output[measured], expression[measured]
    names = ["kendall_tau", "spearman"] + (["pearson"] if values else [])
    if len(output) < 2 or np.ptp(output) == 0 or np.ptp(expression) == 0:
        found = dict.fromkeys(names, np.nan)
    else:
        functions = {
            "kendall_tau": stats.kendalltau,
            "spearman": stats.spearmanr,
            "pearson": stats.pearsonr,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.ConstantInputWarning)
            found = {name: float(functions[name](output, expression)[0]) for name in names}
    if values:
        found["mse"] = float(((output - expression) ** 2).mean()) if len(output) else np.nan
    return found
