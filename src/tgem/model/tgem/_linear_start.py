"""A tuned linear classifier of levels, found before attention is trained."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold

from tgem.model.tgem._linear_classifiers import LOWEST, Weights, fit_scaled
from tgem.model.tgem._tuned_ridge import Tuned, scale_by_weights, tuned_again, tuned_ridge

Array = np.ndarray[Any, Any]

N_FOLDS = 5
FIRST_OF_A_CLASS = 50
EXPONENTS = (0.0, 0.5)  # of a gene's deviation, in the scale that its weight is penalised on
MOST_CELLS_TUNED = 10_000
MOST_VALUES_TUNED = 50_000_000  # five folds of many genes take minutes with more
MOST_CELLS = 50_000
MOST_VALUES = 250_000_000  # of levels held in memory, as float32 1 GB


class LinearStart(NamedTuple):
    """Where attention starts from.

    Attributes
    ----------
    of_all
        Fitted to all cells.
    of_rest
        Fitted to all cells but those held out. These have a say in its penalties and in the weights
        of its sum, which are chosen in folds of all cells, so that it is judged by them a little
        too kindly.
    held_out
        Positions of those cells, a fifth of every class; none if the rest were a single class.
    """

    of_all: Weights
    of_rest: Weights
    held_out: Array


def linear_start(
    levels: Array,
    deviation: Array,
    codes: Array,
    *,
    n_classes: int,
    seed: int,
    exponents: tuple[float, ...] = EXPONENTS,
    n_fits: int = 2,
) -> LinearStart:
    r"""Fit four logistic regressions with a squared penalty on their weights, and add them up.

    The first looks at genes as they are standardised; the second at genes scaled back by the root
    of their deviation, so that genes that vary little are penalised more. Both share out what is
    known over all genes that know it. The third and the fourth are the same once more, in favour
    of the few genes that know most: each gene is scaled by the length of its weights in the first
    fit, :math:`\lVert w_g \rVert`, one step towards the adaptive group lasso
    :cite:p:`zou2006,yuan2006`. Markers carry over to cells of another laboratory better than small
    differences of many genes do.

    The penalty of each is the one with the highest accuracy on cells that were not fitted, in five
    folds; the weights in the sum are those with the highest log-likelihood of these cells, which
    also sets how sure the probabilities are.

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
    exponents
        Of a gene's deviation, in the scale that its weight is penalised on.
    n_fits
        Of each: 1 leaves out those on genes that a fit favours; 3 goes one step further.
    """
    rng = np.random.default_rng(seed)
    fold = _folds(codes, rng)
    few = draw(codes, most_tuned(levels.shape[1]), rng)
    folds = _left_out(codes[few], fold[few])
    scales = [np.where(deviation > 0, deviation, 1.0) ** exponent for exponent in exponents]
    tuned = []
    for scale in scales:
        fits = [tuned_ridge(levels[few], scale, codes[few], folds, n_classes=n_classes)]
        for _ in range(n_fits - 1):
            fits.append(tuned_again(fits[-1], levels[few], codes[few], folds, n_classes=n_classes))
        tuned.append(fits)
    judged = fold[few] >= 0
    logits = [ridge.logits[judged] for fits in tuned for ridge in fits]
    shares = stack(logits, codes[few][judged]).reshape(-1, n_fits)

    def fitted(cells: Array) -> Weights:
        weight, bias = np.zeros((n_classes, levels.shape[1])), np.zeros(n_classes)
        penalised = len(few) / len(codes)  # against the sum over cells

        def fit(ridge: Tuned, scale: Array) -> Weights:
            penalty = ridge.penalty * penalised
            return fit_scaled(levels[cells], scale, codes[cells], penalty, n_classes=n_classes)

        for first_scale, fits, of_fits in zip(scales, tuned, shares, strict=True):
            scale = first_scale
            for ridge, share in zip(fits, of_fits, strict=True):
                part = fit(ridge, scale)
                weight, bias = weight + share * part.weight, bias + share * part.bias
                scale = scale_by_weights(part)
        bias[np.bincount(codes[cells], minlength=n_classes) == 0] = LOWEST
        return Weights(weight.astype(np.float32), bias.astype(np.float32))

    of_all = fitted(np.arange(len(codes)))
    rest = np.flatnonzero(fold)
    if len(np.unique(codes[rest])) < 2:  # too few cells to hold any out
        return LinearStart(of_all, of_all, np.empty(0, dtype=int))
    return LinearStart(of_all, fitted(rest), np.flatnonzero(fold == 0))


def most_tuned(n_genes: int) -> int:
    """How many cells penalties are tuned on at most."""
    return min(MOST_CELLS_TUNED, MOST_VALUES_TUNED // n_genes)


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


def _left_out(codes: Array, fold: Array) -> list[Array]:
    """Which cells each fold leaves out, of the folds whose other cells can be told apart."""
    return [
        fold == number
        for number in range(N_FOLDS)
        if (fold == number).any() and len(np.unique(codes[fold != number])) > 1
    ]
