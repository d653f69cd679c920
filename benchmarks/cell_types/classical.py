"""Comparators from scikit-learn, tuned inside the training cells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from cell_types.fitted import Fitted
from cell_types.splits import inner_folds

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

    from cell_types.data import Cells

Array = np.ndarray[Any, Any]
SMALLEST_EIGENVALUE = 1e-6  # relative to the largest


class Standardized:
    """Genes centred and scaled by the training cells.

    With `rotate`, cells are further described by their coordinates in the span of the training
    cells. That changes no linear model with a squared penalty on its weights, and is much faster
    where there are more genes than cells.
    """

    def __init__(self, training: Array, *, rotate: bool) -> None:
        self.mean = training.mean(axis=0, dtype=np.float64)
        deviation = training.std(axis=0, dtype=np.float64)
        self.scale = np.where(deviation > 0, deviation, 1.0)
        self.directions: Array | None = None
        if rotate and training.shape[1] > training.shape[0]:
            values = self(training)
            eigenvalues, vectors = np.linalg.eigh((values @ values.T).astype(np.float64))
            kept = eigenvalues > SMALLEST_EIGENVALUE * eigenvalues[-1]
            vectors = vectors[:, kept] / np.sqrt(eigenvalues[kept])
            self.directions = values.T @ vectors.astype(np.float32)

    def __call__(self, expression: Array) -> Array:
        values = ((expression - self.mean) / self.scale).astype(np.float32)
        return values if self.directions is None else values @ self.directions


def logistic_regression(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """Multinomial, L2; the penalty by cross-validated accuracy."""
    model = LogisticRegression(max_iter=settings["max_iter"], tol=settings["tolerance"])
    return _tuned(model, "C", training, settings, seed=seed)


def linear_svm(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """One class against the others, squared hinge loss; the penalty by cross-validation."""
    model = LinearSVC(dual=True, max_iter=settings["max_iter"], random_state=seed)
    return _tuned(model, "C", training, settings, seed=seed)


def mlp(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """One hidden layer; the weight decay by cross-validation."""
    model = MLPClassifier(
        hidden_layer_sizes=tuple(settings["hidden"]),
        max_iter=settings["max_iter"],
        learning_rate_init=settings["learning_rate"],
        batch_size=min(settings["batch_size"], len(training.labels) // 2),
        random_state=seed,
    )
    return _tuned(model, "alpha", training, settings, seed=seed, rotate=False)


def _tuned(
    model: ClassifierMixin,
    parameter: str,
    training: Cells,
    settings: dict[str, Any],
    *,
    seed: int,
    rotate: bool = True,
) -> Fitted:
    """Fit with the value of one parameter that does best in inner folds."""
    expression = training.dense()
    standardized = Standardized(expression, rotate=rotate)
    n_folds = settings["folds"]
    if expression.shape[1] > settings["many_genes"]:
        n_folds = settings["folds_of_many_genes"]
    folds = inner_folds(training.labels, training.groups, n_folds, seed)
    search = GridSearchCV(model, {parameter: settings["grid"]}, cv=folds)
    with warnings.catch_warnings():
        # a fixed number of iterations is part of the settings
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(standardized(expression), training.labels)
    return Fitted(
        lambda cells: search.predict(standardized(cells.dense())),
        {parameter: search.best_params_[parameter], "folds": n_folds},
    )


def random_forest(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    model = RandomForestClassifier(settings["n_trees"], random_state=seed)
    model.fit(training.dense(), training.labels)
    return Fitted(lambda cells: model.predict(cells.dense()))


def boosting(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """Boosted trees on histograms; each split sees a share of the genes."""
    expression = training.dense()
    model = HistGradientBoostingClassifier(
        max_iter=settings["max_iter"],
        learning_rate=settings["learning_rate"],
        max_features=min(1.0, settings["genes_per_split"] / expression.shape[1]),
        early_stopping=False,
        random_state=seed,
    )
    model.fit(expression, training.labels)
    return Fitted(lambda cells: model.predict(cells.dense()))
