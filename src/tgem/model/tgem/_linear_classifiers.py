"""Logistic regression, in coordinates in which it is fast."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

Array = np.ndarray[Any, Any]

LOWEST = -15.0  # logit of a class without cells
SMALLEST_EIGENVALUE = 1e-6  # relative to the largest


class Weights(NamedTuple):
    """Logits ``values @ weight.T + bias``.

    Attributes
    ----------
    weight
        ``(n_classes, n_values)``.
    bias
        ``(n_classes,)``.
    """

    weight: Array
    bias: Array

    def logits(self, values: Array) -> Array:
        """Logits, ``(n_obs, n_classes)``."""
        return values @ self.weight.T + self.bias


class Coordinates(NamedTuple):
    """Cells in the coordinates in which no direction is penalised more than another.

    Attributes
    ----------
    values
        The cells.
    scale
        Of each gene's level.
    directions
        Span of the cells among genes, if there are more genes than cells.
    """

    values: Array
    scale: Array
    directions: Array | None

    def of_cells(self, levels: Array) -> Array:
        """The coordinates of cells."""
        values: Array = levels * self.scale
        return values if self.directions is None else values @ self.directions

    def of_levels(self, found: Weights) -> Weights:
        """The same classifier, for levels."""
        weight = found.weight if self.directions is None else found.weight @ self.directions.T
        return Weights((weight * self.scale).astype(np.float32), found.bias)


def coordinates(levels: Array, scale: Array) -> Coordinates:
    """Scale the genes; with more genes than cells, turn to the span of the cells.

    The turn changes no solution, as the penalty has no direction, and saves most of the time.
    """
    scale = _relative(scale, levels)
    values = levels * scale
    if values.shape[1] <= values.shape[0]:
        return Coordinates(values, scale, None)
    eigenvalues, vectors = np.linalg.eigh((values @ values.T).astype(np.float64))
    kept = eigenvalues > SMALLEST_EIGENVALUE * max(eigenvalues[-1], 1e-30)
    if not kept.any():  # the cells are all alike
        return Coordinates(values, scale, None)
    directions = values.T @ (vectors[:, kept] / np.sqrt(eigenvalues[kept])).astype(np.float32)
    return Coordinates(values @ directions, scale, directions)


def _relative(scale: Array, levels: Array) -> Array:
    """The scale with which the mean square of the cells' values is 1."""
    return np.asarray(scale / np.sqrt(np.mean((levels * scale) ** 2) or 1.0), dtype=np.float32)


class Regression:
    """Multinomial logistic regression with a squared penalty on its weights.

    Fits that follow each other start from one another.
    """

    def __init__(self, n_classes: int, *, tolerance: float = 1e-3) -> None:
        self._n_classes = n_classes
        self._model = LogisticRegression(tol=tolerance, max_iter=300, warm_start=True)

    def fit(self, values: Array, codes: Array, penalty: float) -> Weights:
        """Fit with scikit-learn's `C`."""
        model = self._model.set_params(C=penalty)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a bounded number of steps is enough
            model.fit(values, codes)
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        return _of_classes(weight, bias, model.classes_, self._n_classes)


def fit_scaled(
    levels: Array, scale: Array, codes: Array, penalty: float, *, n_classes: int
) -> Weights:
    """Fit once to scaled genes; the turn to the span of the cells would take longer than that."""
    scale = _relative(scale, levels)
    found = Regression(n_classes, tolerance=1e-4).fit(levels * scale, codes, penalty)
    return Weights((found.weight * scale).astype(np.float32), found.bias)


def _of_classes(weight: Array, bias: Array, present: Array, n_classes: int) -> Weights:
    """Weights of all classes; one without cells gets a very low logit."""
    all_weights = np.zeros((n_classes, weight.shape[1]), dtype=np.float32)
    all_biases = np.full(n_classes, LOWEST, dtype=np.float32)
    all_weights[present], all_biases[present] = weight, bias
    return Weights(all_weights, all_biases)
