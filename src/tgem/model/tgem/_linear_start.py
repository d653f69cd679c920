"""A tuned linear classifier of levels, found before attention is trained."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold

from tgem.model.tgem._linear_classifiers import (
    LOWEST,
    Regression,
    Weights,
    coordinates,
)

Array = np.ndarray[Any, Any]

N_FOLDS = 5
PENALTIES = 10.0 ** np.arange(-3, 1.1, 0.5)  # scikit-learn's C, strongest first
PATIENCE = 2
FIRST_OF_A_CLASS = 50
EXPONENTS = (0.0, 0.5)  # of a gene's deviation, in the scale that its weight is penalised on
MOST_CELLS_TUNED = 10_000
MOST_CELLS = 50_000
MOST_VALUES = 250_000_000  # of levels held in memory, as float32 1 GB


class LinearStart(NamedTuple):
    """Where attention starts from.

    Attributes
    ----------
    of_all
        Fitted to all cells.
    of_rest
        Fitted to all cells but those held out, which have a say in its penalties only.
    held_out
        Positions of those cells, a fifth of every class; none if the rest were a single class.
    """

    of_all: Weights
    of_rest: Weights
    held_out: Array


class _Tuned(NamedTuple):
    """The best penalty, and the logits of cells that were not fitted."""

    penalty: float
    logits: Array


def linear_start(
    levels: Array, deviation: Array, codes: Array, *, n_classes: int, seed: int
) -> LinearStart:
    """Fit two logistic regressions with a squared penalty on their weights, and add them up.

    One looks at genes as they are standardised; the other at genes scaled back by the root of
    their deviation, so that genes that vary little are penalised more. The penalty of each is the
    one with the highest accuracy on cells that were not fitted, in five folds; the two weights in
    the sum are those with the highest log-likelihood of these cells, which also sets how sure the
    probabilities are.

    Parameters
    ----------
    levels
        Standardised expression, ``(n_obs, n_genes)``.
    deviation
        Standard deviation of each gene's expression.
    codes
        Class of each cell.
    n_classes
        Number of classes, with and without cells.
    seed
        Of the folds, and of the choice of cells where they are very many.
    """
    rng = np.random.default_rng(seed)
    fold = _folds(codes, rng)
    few = draw(codes, MOST_CELLS_TUNED, rng)
    scales = [np.where(deviation > 0, deviation, 1.0) ** exponent for exponent in EXPONENTS]
    # where no cell is left out, cells to tune on and to fit to have the same coordinates
    is_all = len(few) == len(codes)
    spaces = [coordinates(levels, scale) for scale in scales] if is_all else []
    tuned = [
        _tuned(
            spaces[i].values if is_all else coordinates(levels[few], scale).values,
            codes[few],
            fold[few],
            n_classes,
        )
        for i, scale in enumerate(scales)
    ]
    judged = fold[few] >= 0
    shares = stack([each.logits[judged] for each in tuned], codes[few][judged])
    spaces = spaces or [coordinates(levels, scale) for scale in scales]

    def fitted(cells: Array) -> Weights:
        weight, bias = np.zeros((n_classes, levels.shape[1])), np.zeros(n_classes)
        for space, best, share in zip(spaces, tuned, shares, strict=True):
            regression = Regression(n_classes, tolerance=1e-4)
            penalty = best.penalty * len(few) / len(codes)  # weighed against the sum over cells
            part = space.of_levels(regression.fit(space.values[cells], codes[cells], penalty))
            weight, bias = weight + share * part.weight, bias + share * part.bias
        bias[np.bincount(codes[cells], minlength=n_classes) == 0] = LOWEST
        return Weights(weight.astype(np.float32), bias.astype(np.float32))

    of_all = fitted(np.arange(len(codes)))
    rest = np.flatnonzero(fold)
    if len(np.unique(codes[rest])) < 2:  # too few cells to hold any out
        return LinearStart(of_all, of_all, np.empty(0, dtype=int))
    return LinearStart(of_all, fitted(rest), np.flatnonzero(fold == 0))


def log_likelihood(logits: Array, codes: Array) -> float:
    """Mean log-likelihood of the cells' classes."""
    found = np.take_along_axis(log_softmax(logits, axis=1), codes[:, None], axis=1)
    return float(found.mean())


def stack(logits: list[Array], codes: Array) -> Array:
    """Weights, none below 0, with which the sum of the logits has the highest log-likelihood.

    A small squared penalty keeps them finite where few cells are told apart without error.
    """
    if not len(codes):
        return np.full(len(logits), 1 / len(logits))
    stacked = np.stack(logits).astype(np.float64)
    own = np.take_along_axis(stacked, codes[None, :, None], axis=2)[:, :, 0].mean(axis=1)

    def loss(weights: Array) -> tuple[float, Array]:
        log_p = log_softmax(np.tensordot(weights, stacked, 1), axis=1)
        value = -np.take_along_axis(log_p, codes[:, None], axis=1).mean()
        expected = np.einsum("nc,knc->k", np.exp(log_p), stacked) / len(codes)
        size = weights @ weights / (2 * len(codes))
        return float(value + size), expected - own + weights / len(codes)

    start = np.full(len(logits), 1 / len(logits))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logits))
    return np.asarray(found.x)


def _tuned(values: Array, codes: Array, fold: Array, n_classes: int) -> _Tuned:
    """Try penalties, weaker and weaker, until the likelihood has twice in a row not risen."""
    folds = [
        fold == number
        for number in range(N_FOLDS)
        if (fold == number).any() and len(np.unique(codes[fold != number])) > 1
    ]
    judged = fold >= 0
    models = [Regression(n_classes) for _ in folds]
    best, highest = _Tuned(PENALTIES[0], np.zeros((len(codes), n_classes))), (-1.0, -np.inf)
    likeliest, since = -np.inf, 0
    for penalty in PENALTIES if folds else ():
        logits = np.zeros((len(codes), n_classes), dtype=np.float32)
        for of_fold, model in zip(folds, models, strict=True):
            found = model.fit(values[~of_fold], codes[~of_fold], penalty)
            logits[of_fold] = found.logits(values[of_fold])
        likelihood = log_likelihood(logits[judged], codes[judged])
        score = (float(np.mean((logits.argmax(axis=1) == codes)[judged])), likelihood)
        if score > highest:
            best, highest = _Tuned(penalty, logits), score
        likeliest, since = (likelihood, 0) if likelihood > likeliest else (likeliest, since + 1)
        if since == PATIENCE:
            break
    return best


def draw(codes: Array, most: int, rng: np.random.Generator) -> Array:
    """Positions of at most so many cells, at random, but first some of every class."""
    order = rng.permutation(len(codes))
    rank = pd.Series(codes[order]).groupby(codes[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(rank >= FIRST_OF_A_CLASS, kind="stable")][:most])


def _folds(codes: Array, rng: np.random.Generator) -> Array:
    """The fold of each cell, about the same share of each class in all.

    The only cell of a class is in none (-1): without it the others could not know its class.
    """
    fold = np.full(len(codes), -1)
    sizes = np.bincount(codes)
    shared = np.flatnonzero(sizes[codes] > 1)
    if not len(shared):
        return fold
    n_folds = min(N_FOLDS, int(sizes.max()))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some classes have fewer cells than folds
        for number, (_, cells) in enumerate(folds.split(shared, codes[shared])):
            fold[shared[cells]] = number
    return fold
