"""Sets of labels that hold the right one as often as promised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def fewest_cells(share: float) -> int:
    """Cells that it takes for a quantile that a new cell stays below with this probability."""
    return math.ceil(share / (1 - share) - 1e-9)


def conformal_quantile(scores: Array, share: float) -> float:
    """Value that the score of a new cell does not exceed with at least this probability.

    True if the new cell and those of `scores` are exchangeable: of `n` scores it is the
    ``ceil((n + 1) * share)``-th smallest. Infinite if there are fewer scores than that.
    """
    rank = math.ceil((len(scores) + 1) * share - 1e-9)
    if rank > len(scores):
        return math.inf
    return float(np.sort(scores)[rank - 1])


def prediction_sets(probabilities: Array, threshold: float) -> Array:
    """Classes that are at least as probable as 1 less the threshold, and always the first.

    The score of a class is 1 less its probability (least ambiguous sets, Sadinle, Lei and
    Wasserman 2019): of all sets with the same coverage these are the smallest on average. To add
    the most probable class where none is probable enough can only raise the coverage.
    """
    chosen = 1 - probabilities <= threshold
    chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
    return chosen
