"""Logistic regression whose penalty is tuned in folds, and the same on genes that a fit favours."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax

from tgem._core.progress import track
from tgem.model.tgem._linear_classifiers import Regression, Weights, coordinates

Array = np.ndarray[Any, Any]

PENALTIES = 10.0 ** np.arange(-3, 1.1, 0.5)  # scikit-learn's C, strongest first
PATIENCE = 2
SMALLEST_LENGTH = 1e-4  # of a gene's weights, relative to the largest


class Tuned(NamedTuple):
    """A regression with the best penalty.

    Attributes
    ----------
    penalty
        scikit-learn's `C`.
    logits
        Of each cell, by the fold that it was left out of, ``(n_obs, n_classes)``.
    of_folds
        Weights for levels of each fold.
    """

    penalty: float
    logits: Array
    of_folds: list[Weights]


def tuned_ridge(
    levels: Array, scale: Array, codes: Array, folds: list[Array], *, n_classes: int
) -> Tuned:
    """Tune the penalty of weights for levels on a scale.

    Parameters
    ----------
    levels
        Standardised expression, ``(n_obs, n_genes)``.
    scale
        Of each gene.
    codes
        Class of each cell.
    folds
        For each fold, whether a cell is left out of the fit.
    n_classes
        Number of classes, with and without cells.
    """
    space = coordinates(levels, scale)
    penalty, logits, found = _best([space.values] * len(folds), codes, folds, n_classes)
    return Tuned(penalty, logits, [space.of_levels(weights) for weights in found])


def tuned_again(
    first: Tuned, levels: Array, codes: Array, folds: list[Array], *, n_classes: int
) -> Tuned:
    """Tune the penalty on the scale that each fold's first fit gives, without the cells left out.

    Parameters are those of :func:`tuned_ridge`.
    """
    spaces = [
        coordinates(levels[~left_out], scale_by_weights(weights))
        for left_out, weights in zip(folds, first.of_folds, strict=True)
    ]
    values = [space.of_cells(levels) for space in spaces]
    penalty, logits, found = _best(values, codes, folds, n_classes)
    of_folds = [space.of_levels(weights) for space, weights in zip(spaces, found, strict=True)]
    return Tuned(penalty, logits, of_folds)


def scale_by_weights(first: Weights) -> Array:
    """Length of each gene's weights, relative to the largest."""
    length = np.linalg.norm(first.weight, axis=0)
    return np.asarray(length / max(float(length.max()), 1e-30) + SMALLEST_LENGTH)


def log_likelihood(logits: Array, codes: Array) -> float:
    """Mean log-likelihood of the cells' classes."""
    found = np.take_along_axis(log_softmax(logits, axis=1), codes[:, None], axis=1)
    return float(found.mean())


def _best(
    values: list[Array], codes: Array, folds: list[Array], n_classes: int
) -> tuple[float, Array, list[Weights]]:
    """Try penalties, weaker and weaker, until the likelihood has twice in a row not risen."""
    models = [Regression(n_classes) for _ in folds]
    judged = np.any(folds, axis=0) if folds else np.zeros(len(codes), dtype=bool)
    best: tuple[float, Array, list[Weights]] = (
        float(PENALTIES[0]),
        np.zeros((len(codes), n_classes)),
        [],
    )
    highest, likeliest, since = (-1.0, -np.inf), -np.inf, 0
    for penalty in track(PENALTIES if folds else (), "Tuning the linear classifier"):
        logits = np.zeros((len(codes), n_classes), dtype=np.float32)
        found = []
        for left_out, model, of_fold in zip(folds, models, values, strict=True):
            found.append(model.fit(of_fold[~left_out], codes[~left_out], penalty))
            logits[left_out] = found[-1].logits(of_fold[left_out])
        likelihood = log_likelihood(logits[judged], codes[judged])
        score = (float(np.mean((logits.argmax(axis=1) == codes)[judged])), likelihood)
        if score > highest:
            best, highest = (float(penalty), logits, found), score
        likeliest, since = (likelihood, 0) if likelihood > likeliest else (likeliest, since + 1)
        if since == PATIENCE:
            break
    return best
