"""Means of repeated splits with intervals that allow for the splits' overlap.

Scores of splits of the same cells are not independent. Nadeau and Bengio (2003) correct the
variance of their mean from s² / J to s² (1 / J + n_test / n_train) for J splits; the interval is
Student's with J - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean, its 95 % interval where there are at least two splits, and their number."""

    mean: float
    low: float | None
    high: float | None
    n_splits: int
    variance: float | None


def resampled_mean(values: Sequence[float], test_to_train: float) -> Estimate:
    """Mean over splits.

    Parameters
    ----------
    values
        A score, or a difference of two scores, of each split.
    test_to_train
        Number of test cells over number of training cells.
    """
    n_splits, mean = len(values), float(np.mean(values))
    if n_splits < 2:
        return Estimate(mean, None, None, n_splits, None)
    variance = float(np.var(values, ddof=1)) * (1 / n_splits + test_to_train)
    return _interval(mean, variance, n_splits - 1, n_splits)


def mean_of_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over data sets, whose cells are different ones; Welch-Satterthwaite's freedom."""
    mean = float(np.mean([each.mean for each in estimates]))
    n_splits = min(each.n_splits for each in estimates)
    known = [(each.variance, each.n_splits - 1) for each in estimates if each.variance is not None]
    if len(known) < len(estimates):
        return Estimate(mean, None, None, n_splits, None)
    total = sum(variance for variance, _ in known)
    spread = sum(variance**2 / freedom for variance, freedom in known)
    freedom = total**2 / spread if spread else n_splits - 1
    return _interval(mean, total / len(estimates) ** 2, freedom, n_splits)


def _interval(mean: float, variance: float, freedom: float, n_splits: int) -> Estimate:
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, n_splits, variance)
