"""Whether attention predicts cells that it has not seen, and how much it is to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

LARGEST_WEIGHT = 2.0
LEAST_RATIO = 2.0  # of the gain to its standard error


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
        The best weight; 0 if the gain is not at least twice its standard error.
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
    """Weigh contexts by the log-likelihood of cells that were not trained on.

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

    found = minimize_scalar(
        lambda weight: -log_likelihood(weight).mean(), bounds=(0, LARGEST_WEIGHT), method="bounded"
    )
    gains = log_likelihood(found.x) - log_likelihood(0.0)
    gain, error = float(gains.mean()), float(gains.std() / np.sqrt(len(codes)))
    return ContextGain(gain, error, float(found.x) if gain > LEAST_RATIO * error else 0.0)
