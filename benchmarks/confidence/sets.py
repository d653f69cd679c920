"""Other ways to make conformal prediction sets, for comparison with ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import softmax

Array = np.ndarray[Any, Any]


def covered_and_sizes(
    validation: Array, validation_codes: Array, logits: Array, codes: Array, *, alpha: float
) -> dict[str, dict[str, Any]]:
    """Coverage and size of adaptive sets (Romano, Sesia and Candes 2020), with and without chance.

    Classes are added from the most probable on, until their probabilities add up to a threshold.
    With chance, a random part of the last class's probability counts, which makes the coverage
    exact and the sets smaller.
    """
    generator = np.random.default_rng(0)
    found = {}
    for name, random in (("adaptive", False), ("adaptive_random", True)):
        scores = [
            adaptive_scores(softmax(each, axis=1), generator if random else None)
            for each in (validation, logits)
        ]
        of_labels = np.take_along_axis(scores[0], validation_codes[:, None], axis=1)[:, 0]
        rank = math.ceil((len(of_labels) + 1) * (1 - alpha))
        threshold = np.sort(of_labels)[rank - 1] if rank <= len(of_labels) else math.inf
        sets = scores[1] <= threshold
        own = np.take_along_axis(sets, codes[:, None], axis=1)
        found[name] = {
            "covered": int(own.sum()),
            "labels": int(sets.sum()),
            "n_cells": len(codes),
        }
    return found


def adaptive_scores(p: Array, generator: np.random.Generator | None = None) -> Array:
    """Probability of all classes up to each one, the most probable first."""
    order = np.argsort(-p, axis=1)
    ordered = np.take_along_axis(p, order, axis=1)
    cumulated = ordered.cumsum(axis=1)
    if generator is not None:
        cumulated = cumulated - generator.random((len(p), 1)) * ordered
    scores = np.empty_like(p)
    np.put_along_axis(scores, order, cumulated, axis=1)
    return scores
