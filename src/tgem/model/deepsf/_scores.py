"""Scores of predicted isoforms, one value for each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


def expression_scores(measured: Array, predicted: Array, baseline: Array) -> dict[str, Array]:
    """Squared errors and correlations within samples; missing values are left out."""
    known = ~np.isnan(measured + predicted)
    return {
        "squared_error": np.where(known, (measured - predicted) ** 2, 0).sum(axis=1),
        "baseline_error": np.where(known, (measured - baseline) ** 2, 0).sum(axis=1),
        "n_values": known.sum(axis=1),
        "pearson": _by_row(measured, predicted, known, ranks=False),
        "spearman": _by_row(measured, predicted, known, ranks=True),
    }


def usage_scores(measured: Array, predicted: Array, mean_usage: Array) -> dict[str, Array]:
    """Squared deviations of usage from the prediction and from the mean in training."""
    known = ~np.isnan(measured + predicted)
    return {
        "usage_error": np.where(known, (measured - predicted) ** 2, 0).sum(axis=1),
        "usage_spread": np.where(known, (measured - mean_usage) ** 2, 0).sum(axis=1),
    }


def _by_row(measured: Array, predicted: Array, known: Array, *, ranks: bool) -> Array:
    """Correlation within each row; 0 where one side does not vary."""
    values = np.zeros(len(measured))
    for row, (x, y, k) in enumerate(zip(measured, predicted, known, strict=True)):
        pair = [rankdata(side[k]) if ranks else side[k].astype(float) for side in (x, y)]
        if k.sum() > 1 and min(side.std() for side in pair) > 0:
            values[row] = np.corrcoef(*pair)[0, 1]
    return values
