"""The best linear classifier of levels, found before attention is trained."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, Any]

N_FOLDS = 5
PENALTIES = 10.0 ** np.arange(-3, 1.1, 0.5)  # scikit-learn's C, strongest first
EXPONENTS = (0.0, 0.5)
PATIENCE = 2
MOST_CELLS_TUNED = 10_000
MOST_CELLS = 50_000
MOST_VALUES = 250_000_000  # of levels held in memory, as float32 1 GB
LOWEST = -15.0  # logit of a class without cells
SMALLEST_EIGENVALUE = 1e-6  # relative to the largest


class LinearClassifier(NamedTuple):
    """Logits ``levels @ weight.T + bias``.

    Attributes
    ----------
    weight
        ``(n_classes, n_genes)``.
    bias
        ``(n_classes,)``.
    """

    weight: Array
    bias: Array


class LinearStart(NamedTuple):
    """Where attention starts from.

    Attributes
    ----------
    of_all
        Fitted to all cells.
    of_rest
        Fitted to all cells but those held out, for which it is an honest prediction.
    held_out
        Positions of those cells, a fifth of every class; none if the rest were a single class.
    """

    of_all: LinearClassifier
    of_rest: LinearClassifier
    held_out: Array


class _Problem(NamedTuple):
    """Cells in the coordinates in which the penalty is the same in every direction."""

    values: Array
    to_levels: Array
    directions: Array | None

    def classifier(self, weight: Array, bias: Array) -> LinearClassifier:
        if self.directions is not None:
            weight = weight @ self.directions.T
        return LinearClassifier((weight * self.to_levels).astype(np.float32), bias)


def linear_start(
    levels: Array, deviation: Array, codes: Array, *, n_classes: int, seed: int
) -> LinearStart:
    r"""Fit multinomial logistic regression with a squared penalty on its weights.

    How strong the penalty is, and whether a gene's weight is penalised by how much the gene varies
    (:math:`\sigma_j^{-1}`: genes that vary little get smaller weights) or not, is chosen by the
    log-likelihood of cells that were not fitted, in five folds. By their log-likelihood, not by
    their accuracy, which changes by chance from one penalty to the next when cells are few.

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
    few = rng.permutation(len(codes))[:MOST_CELLS_TUNED]
    best, chosen = -np.inf, (EXPONENTS[0], PENALTIES[0])
    for exponent in EXPONENTS:
        problem = _problem(levels[few], deviation, exponent)
        for penalty, value in _scores(problem.values, codes[few], fold[few], n_classes=n_classes):
            if value > best:
                best, chosen = value, (exponent, penalty)
    exponent, penalty = chosen
    problem = _problem(levels, deviation, exponent)
    penalty *= len(few) / len(codes)  # scikit-learn weighs it against the sum over cells

    def fitted(cells: Array) -> LinearClassifier:
        model = _regression(penalty, tolerance=1e-4)
        weight, bias = _fit(model, problem.values[cells], codes[cells], n_classes)
        return problem.classifier(weight, bias)

    of_all = fitted(np.arange(len(codes)))
    rest = np.flatnonzero(fold)
    if len(np.unique(codes[rest])) < 2:  # too few cells to hold any out
        return LinearStart(of_all, of_all, np.empty(0, dtype=int))
    return LinearStart(of_all, fitted(rest), np.flatnonzero(fold == 0))


def _folds(codes: Array, rng: np.random.Generator) -> Array:
    """The fold of each cell, about the same share of each class in all."""
    fold = np.zeros(len(codes), dtype=int)
    n_folds = min(N_FOLDS, len(codes))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    if n_folds > np.bincount(codes).max():  # no class has a cell for each fold
        return rng.permutation(len(codes)) % n_folds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some classes have fewer cells than folds
        for number, (_, cells) in enumerate(folds.split(codes, codes)):
            fold[cells] = number
    return fold


def _problem(levels: Array, deviation: Array, exponent: float) -> _Problem:
    """Scale the genes; with more genes than cells, turn to the span of the cells.

    The turn changes no solution, as the penalty has no direction, and saves most of the time.
    """
    scale = np.where(deviation > 0, deviation, 1.0) ** exponent
    scale = (scale / np.sqrt(np.mean((levels * scale) ** 2) or 1.0)).astype(np.float32)
    values = levels * scale
    if values.shape[1] <= values.shape[0]:
        return _Problem(values, scale, None)
    eigenvalues, vectors = np.linalg.eigh((values @ values.T).astype(np.float64))
    kept = eigenvalues > SMALLEST_EIGENVALUE * max(eigenvalues[-1], 1e-30)
    directions = values.T @ (vectors[:, kept] / np.sqrt(eigenvalues[kept])).astype(np.float32)
    return _Problem(values @ directions, scale, directions)


def _scores(
    values: Array, codes: Array, fold: Array, *, n_classes: int
) -> Iterator[tuple[float, float]]:
    """Penalties, weaker and weaker, with the log-likelihood of cells that were not fitted.

    Ends when weaker penalties have twice in a row brought no better one.
    """
    models = [_regression(PENALTIES[0], tolerance=1e-3) for _ in range(N_FOLDS)]
    best, since = -np.inf, 0
    for penalty in PENALTIES:
        total = 0.0
        for number, model in enumerate(models):
            of_fold = fold == number
            if not of_fold.any() or len(np.unique(codes[~of_fold])) < 2:
                continue
            model.set_params(C=penalty)
            weight, bias = _fit(model, values[~of_fold], codes[~of_fold], n_classes)
            logits = values[of_fold] @ weight.T + bias
            logits -= logits.max(axis=1, keepdims=True)
            chosen = np.take_along_axis(logits, codes[of_fold][:, None], axis=1)[:, 0]
            total += float(np.sum(chosen - np.log(np.exp(logits).sum(axis=1))))
        yield penalty, total / len(codes)
        best, since = (total, 0) if total > best else (best, since + 1)
        if since == PATIENCE:
            return


def _regression(penalty: float, *, tolerance: float) -> LogisticRegression:
    return LogisticRegression(C=penalty, tol=tolerance, max_iter=300, warm_start=True)


def _fit(
    model: LogisticRegression, values: Array, codes: Array, n_classes: int
) -> tuple[Array, Array]:
    """Weights and biases of all classes; one without cells gets a very low logit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a bounded number of iterations is enough
        model.fit(values, codes)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    weight = np.zeros((n_classes, values.shape[1]), dtype=np.float32)
    bias = np.full(n_classes, LOWEST, dtype=np.float32)
    weight[model.classes_], bias[model.classes_] = coefficients, intercepts
    return weight, bias
