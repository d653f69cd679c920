"""Whether probabilities mean what they say: temperature, errors, and the table behind a diagram."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

N_BINS = 15  # of confidence, as in Guo et al. 2017
FEWEST_CELLS = 30
PRIOR_CELLS = 10.0
LARGEST_FACTOR = 100.0  # of the temperature, and of its inverse
N_SIMULATIONS = 200
Z_95 = 1.959963984540054


class Calibration(NamedTuple):
    """By what the logits are divided, so that probabilities mean what they say.

    Attributes
    ----------
    temperature
        Above 1 probabilities move towards each other, below 1 apart; the order stays.
    n_cells
        Validation cells that it was fitted to.
    reason
        Why the temperature is 1, if it was not fitted.
    """

    temperature: float = 1.0
    n_cells: int = 0
    reason: str = "the model was trained without validation cells"

    def __str__(self) -> str:
        """One sentence."""
        if self.reason:
            return f"confidence: not calibrated, as {self.reason}"
        return f"confidence: temperature {self.temperature:.2f}, by {self.n_cells} validation cells"


def calibrated(logits: Array, codes: Array, *, n_scaled: int = 0) -> Calibration:
    """Fit the temperature, if there are cells enough.

    Parameters
    ----------
    logits, codes
        Of the validation cells.
    n_scaled
        Other cells, not trained on either, whose likelihood has set the scale of the logits
        already. They speak for a temperature of 1, each as loudly as a validation cell.
    """
    if not len(codes):
        return Calibration()
    if len(codes) < FEWEST_CELLS:
        reason = f"there are only {len(codes)} validation cells, fewer than {FEWEST_CELLS}"
        return Calibration(1.0, len(codes), reason)
    prior_cells = PRIOR_CELLS + n_scaled * _information(logits)
    temperature = fit_temperature(logits, codes, prior_cells=prior_cells)
    return Calibration(temperature, len(codes), "")


def _information(logits: Array) -> float:
    """What a cell says of the temperature near 1: the loss's curvature, mean over cells."""
    logits = np.asarray(logits, dtype=np.float64)
    p = softmax(logits, axis=1)
    centred = logits - (p * logits).sum(axis=1, keepdims=True)
    return float((p * centred**2).sum(axis=1).mean())


def fit_temperature(logits: Array, codes: Array, *, prior_cells: float = PRIOR_CELLS) -> float:
    r"""Find the temperature with the highest likelihood of the labels :cite:p:`guo2017`.

    With :math:`\beta = 1 / T` the loss

    .. math::
        \sum_i \Big(\log \sum_c e^{\beta z_{ic}} - \beta z_{i y_i}\Big)
        + n_0 (\beta - 1 - \log \beta)

    is convex. Its second term keeps the temperature near 1 where few cells, or cells that are all
    typed rightly, say little: it is a Gamma prior with its mode at 1.

    Parameters
    ----------
    logits
        Of cells that were not trained on, ``(n_obs, n_classes)``.
    codes
        Class of each cell.
    prior_cells
        Weight of the prior, :math:`n_0`.
    """
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(logits, codes[:, None], axis=1).sum()

    def slope(beta: float) -> float:
        expected = (softmax(beta * logits, axis=1) * logits).sum()
        return float(expected - own + prior_cells * (1 - 1 / beta))

    low, high = 1 / LARGEST_FACTOR, LARGEST_FACTOR
    if slope(low) >= 0:
        return LARGEST_FACTOR
    if slope(high) <= 0:
        return 1 / LARGEST_FACTOR
    return 1 / float(brentq(slope, low, high, xtol=1e-10))


def calibration_scores(logits: Array, codes: Array) -> dict[str, float]:
    """Scores of the probabilities ``softmax(logits)`` for cells of known classes.

    ``expected_calibration_error``
        mean over 15 equal bins of confidence of the distance between mean confidence and accuracy,
        weighted by the cells in each;
    ``expected_calibration_error_floor``
        what that would be on average if every cell were typed rightly with the probability that
        its confidence states (:func:`calibration_floor`);
    ``brier_score``
        mean over cells of the squared distance between probabilities and the label, 0 to 2;
    ``log_likelihood``
        mean logarithm of the probability of the label.
    """
    log_p = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    p = np.exp(log_p)
    own = np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    confidence, is_correct = p.max(axis=1), p.argmax(axis=1) == codes
    return {
        "expected_calibration_error": expected_calibration_error(confidence, is_correct),
        "expected_calibration_error_floor": calibration_floor(confidence),
        "brier_score": float(((p**2).sum(axis=1) - 2 * own + 1).mean()),
        "log_likelihood": float(np.take_along_axis(log_p, codes[:, None], axis=1).mean()),
    }


def expected_calibration_error(
    confidence: Array, is_correct: Array, *, n_bins: int = N_BINS
) -> float:
    """Distance between confidence and accuracy, mean over cells, in bins of equal width."""
    surplus = np.asarray(is_correct, dtype=np.float64) - confidence
    of_bins = np.bincount(bins_of(confidence, n_bins), surplus, minlength=n_bins)
    return float(np.abs(of_bins).sum() / len(confidence))


def calibration_floor(
    confidence: Array,
    *,
    n_bins: int = N_BINS,
    n_simulations: int = N_SIMULATIONS,
    seed: int = 0,
) -> float:
    """Expected calibration error of a perfect model with these confidences, by simulation.

    Chance alone keeps the accuracy of a bin from its mean confidence, the more the fewer cells
    there are: no finite sample shows an error of 0. Each simulation draws for each cell
    whether it is typed rightly, with its confidence as the probability.
    """
    generator = np.random.default_rng(seed)
    bins = bins_of(confidence, n_bins)
    total = 0.0
    for _ in range(n_simulations):
        drawn = generator.random(len(confidence)) < confidence
        of_bins = np.bincount(bins, drawn - confidence, minlength=n_bins)
        total += float(np.abs(of_bins).sum())
    return total / (n_simulations * len(confidence))


def bins_of(confidence: Array, n_bins: int) -> Array:
    """Bin of each cell, of equal widths from 0 to 1; a value between two is in the lower one."""
    return np.clip(np.ceil(np.asarray(confidence) * n_bins).astype(int) - 1, 0, n_bins - 1)


def reliability_table(confidence: Array, is_correct: Array, *, n_bins: int) -> pd.DataFrame:
    """Mean confidence and accuracy of the cells of each bin that holds any, with 95 % intervals.

    The intervals are those of Wilson, which hold with few cells and near 0 and 1.
    """
    bins = bins_of(confidence, n_bins)
    rows = []
    for number in np.unique(bins):
        cells = bins == number
        accuracy, n_cells = float(np.mean(is_correct[cells])), int(cells.sum())
        low, high = _wilson(accuracy, n_cells)
        rows.append((number, float(np.mean(confidence[cells])), accuracy, low, high, n_cells))
    columns = ["bin", "confidence", "accuracy", "low", "high", "n_cells"]
    return pd.DataFrame(rows, columns=columns).astype({"bin": int, "n_cells": int})


def _wilson(share: float, n: int) -> tuple[float, float]:
    weight = Z_95**2 / n
    middle = (share + weight / 2) / (1 + weight)
    half = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)
