"""Whether attention predicts cells that it has not seen, and how much it is to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LARGEST_WEIGHT = 2.0
LEAST_RATIO = 2.0  # of the slope to its standard error


class ContextGain(NamedTuple):
    """What contexts are worth on cells held out.

    Attributes
    ----------
    log_likelihood
        Rise of the mean log-likelihood of a cell's label over the linear classifier's, at the best
        weight of the contexts.
    standard_error
        Its standard error over the cells.
    weight
        The best weight; 0 if contexts cannot be told from noise (:func:`context_gain`).
    """

    log_likelihood: float
    standard_error: float
    weight: float

    def __str__(self) -> str:
        """One sentence."""
        gain = f"{self.log_likelihood:+.3f} ± {self.standard_error:.3f} log-likelihood"
        if self.weight:
            return f"attention: {gain} on cells held out, weight {self.weight:.2f}"
        return f"attention: set aside ({gain} on cells held out), the classifier is linear"


NOT_WEIGHED = ContextGain(0.0, 0.0, 1.0)


def context_gain(linear: Array, contexts: Array, codes: Array) -> ContextGain:
    r"""Weigh contexts by the log-likelihood of cells that were not trained on.

    The weight is the one of the highest log-likelihood, :math:`\ell(\gamma)`, if the score test of
    :math:`\gamma = 0` rejects it: the mean slope over the cells, :math:`\ell'(0)`, must be at least
    twice its standard error. (That of the rise itself would ask for more: for a parabola the rise
    is half of what the slope at 0 promises, so its ratio to its standard error is half as large.)

    Parameters
    ----------
    linear
        Logits by the linear classifier, ``(n_obs, n_classes)``.
    contexts
        What contexts add to them.
    codes
        Class of each cell.
    """
    if not len(codes):
        return ContextGain(0.0, 0.0, 0.0)

    def log_likelihood(weight: float) -> Array:
        logits = linear.astype(float) + weight * contexts
        chosen = np.take_along_axis(logits, codes[:, None], axis=1)[:, 0]
        return np.asarray(chosen - logsumexp(logits, axis=1))

    certain = _slope(linear.astype(float), contexts, codes)
    found = minimize_scalar(
        lambda weight: -log_likelihood(weight).mean(), bounds=(0, LARGEST_WEIGHT), method="bounded"
    )
    gains = log_likelihood(found.x) - log_likelihood(0.0)
    gain, error = float(gains.mean()), float(gains.std() / np.sqrt(len(codes)))
    counts = gain > 0 and certain > LEAST_RATIO
    return ContextGain(gain, error, float(found.x) if counts else 0.0)


def _slope(linear: Array, contexts: Array, codes: Array) -> float:
    """Slope of the log-likelihood where contexts do not count, over its standard error."""
    expected = (softmax(linear, axis=1) * contexts).sum(axis=1)
    slopes = np.take_along_axis(contexts, codes[:, None], axis=1)[:, 0] - expected
    return float(slopes.sum() / max(np.sqrt((slopes**2).sum()), 1e-12))
