"""Scores of predicted isoforms: of all, of each sample, of each gene."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Iterable

    Array = np.ndarray[Any, Any]

COLUMNS = (
    "mse",
    "mse_mean_usage",
    "pearson",
    "spearman",
    "usage_r2",
    "usage_pearson",
    "n_values",
    "n_usage_values",
)


class Compared(NamedTuple):
    """Measured and predicted isoforms of some samples, each ``(n_obs, n_isoforms)``.

    Attributes
    ----------
    measured, predicted
        log2(1 + TPM), or PSI; missing where there is no measurement or no prediction.
    baseline
        What the mean usage in training predicts.
    usage, predicted_usage
        Less the mean usage in training; missing where the gene is hardly expressed.
    """

    measured: Array
    predicted: Array
    baseline: Array
    usage: Array
    predicted_usage: Array


def sample_scores(blocks: Iterable[Compared]) -> pd.DataFrame:
    """One row for each sample, over its isoforms."""
    tables = [_scores_of_rows(block) for block in blocks]
    return pd.concat(tables, ignore_index=True)


def gene_scores(blocks: Iterable[Compared], genes: pd.Index) -> pd.DataFrame:
    """One row for each gene, over its isoforms in all samples."""
    together = Compared(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    codes, names = pd.factorize(genes)
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    limits = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    tables = [
        _scores_of_rows(Compared(*(part[:, order[a:b]].reshape(1, -1) for part in together)))
        for a, b in pairwise(limits)
    ]
    empty = pd.DataFrame(columns=list(COLUMNS), dtype=float)
    table = pd.concat(tables, ignore_index=True) if tables else empty
    return table.set_axis(pd.Index(names, name="gene"))


def overall(blocks: Iterable[Compared]) -> dict[str, float]:
    """All samples together; correlations of expression are those within samples, averaged.

    Missing where nothing is known of usage, or where no sample has a correlation.
    """
    sums, n_samples = np.zeros(7), 0
    correlations: dict[bool, list[Array]] = {False: [], True: []}
    for block in blocks:
        known = ~np.isnan(block.measured + block.predicted)
        errors = np.where(known, block.measured - block.predicted, 0)
        baseline_errors = np.where(known, block.measured - block.baseline, 0)
        usage, predicted = _known_usage(block)
        sums += (
            known.sum(),
            (errors.astype(float) ** 2).sum(),
            (baseline_errors.astype(float) ** 2).sum(),
            ((usage - predicted) ** 2).sum(),
            (usage**2).sum(),
            (predicted**2).sum(),
            (usage * predicted).sum(),
        )
        for ranks, values in correlations.items():
            values.append(_correlations(block.measured, block.predicted, known, ranks=ranks))
        n_samples += len(known)
    n_values, squared, of_baseline, error, spread, *products = sums.tolist()
    if not n_values:
        msg = "Expected measured isoforms of the model to compare with, found none."
        raise ValueError(msg)
    usage_ratio, usage_correlation = _ratio(
        np.array([error, products[1]]), np.array([spread, math.sqrt(spread * products[0])])
    ).tolist()
    pearson, spearman = (_mean_of_known(np.concatenate(values)) for values in correlations.values())
    return {
        "mse": squared / n_values,
        "mse_mean_usage": of_baseline / n_values,
        "pearson": pearson,
        "spearman": spearman,
        "usage_r2": 1 - usage_ratio,
        "usage_pearson": usage_correlation,
        "n_samples": n_samples,
    }


def _known_usage(block: Compared) -> tuple[Array, Array]:
    """Deviations of usage, 0 on both sides where either is missing."""
    known = ~np.isnan(block.usage + block.predicted_usage)
    sides = (block.usage, block.predicted_usage)
    usage, predicted = (np.where(known, side, 0).astype(float) for side in sides)
    return usage, predicted


def _scores_of_rows(block: Compared) -> pd.DataFrame:
    """Scores within each row; missing where nothing was measured, or nothing varies."""
    known = ~np.isnan(block.measured + block.predicted)
    n_values = known.sum(axis=1)
    usage, predicted = _known_usage(block)
    n_usage = (~np.isnan(block.usage + block.predicted_usage)).sum(axis=1)

    def mean_square(difference: Array) -> Array:
        total = (np.where(known, difference, 0).astype(float) ** 2).sum(axis=1)
        return _ratio(total, n_values)

    spread = (usage**2).sum(axis=1)
    length = np.sqrt(spread * (predicted**2).sum(axis=1))
    columns = {
        "mse": mean_square(block.measured - block.predicted),
        "mse_mean_usage": mean_square(block.measured - block.baseline),
        "pearson": _correlations(block.measured, block.predicted, known, ranks=False),
        "spearman": _correlations(block.measured, block.predicted, known, ranks=True),
        "usage_r2": 1 - _ratio(((usage - predicted) ** 2).sum(axis=1), spread),
        "usage_pearson": _ratio((usage * predicted).sum(axis=1), length),
        "n_values": n_values,
        "n_usage_values": n_usage,
    }
    return pd.DataFrame(columns)


def _ratio(above: Array, below: Array) -> Array:
    """Missing where there is nothing to divide by."""
    small = below <= 1e-12
    found: Array = np.where(small, np.nan, above / np.where(small, 1, below))
    return found


def _mean_of_known(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _correlations(measured: Array, predicted: Array, known: Array, *, ranks: bool) -> Array:
    """Correlation within each row; missing where one side does not vary."""
    values = np.full(len(measured), np.nan)
    for row, (x, y, k) in enumerate(zip(measured, predicted, known, strict=True)):
        pair = [rankdata(side[k]) if ranks else side[k].astype(float) for side in (x, y)]
        if k.sum() > 1 and min(side.std() for side in pair) > 1e-9:
            values[row] = np.corrcoef(*pair)[0, 1]
    return values
