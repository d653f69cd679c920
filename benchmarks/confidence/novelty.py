"""Scores of cells of types that were not trained on: ours and those that others use.

A scorer is fitted to training cells and gives each other cell a number, higher for cells that it
finds less like the training cells.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.celltypist import PYTHON, confidence
from cell_types.classical import Standardized
from cell_types.methods import methods
from cell_types.splits import inner_folds
from cell_types.transformers import as_adata, trained
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell_types.data import Cells

    from tgem.model import TGEM

Array = np.ndarray[Any, Any]
Scored = tuple[Array, dict[str, float]]
VALIDATION_SHARE = 0.125
FEWEST_CELLS_FOR_THRESHOLD = 19
N_COMPONENTS = 30


def tgem_model(training: Cells, seed: int) -> TGEM:
    """The default preset, with an eighth of the training cells to validate."""
    settings = {"preset": None, "max_epochs": None, "validation_share": VALIDATION_SHARE}
    return trained(training, settings, seed)


def tgem_novelty(training: Cells, others: Cells, seed: int) -> Scored:
    model = tgem_model(training, seed)
    enough = len(model.validation_indices) >= FEWEST_CELLS_FOR_THRESHOLD
    found = {"threshold": model.get_novelty_threshold()} if enough else {}
    return model.get_novelty(as_adata(others)), found


def tuned_logistic_regression(training: Cells, seed: int) -> Callable[[Cells], Array]:
    """Probabilities by the typing benchmark's logistic regression, tuned as it is there."""
    settings = methods()["logistic_regression"].settings
    expression = training.dense()
    standardized = Standardized(expression, rotate=True)
    search = GridSearchCV(
        LogisticRegression(max_iter=settings["max_iter"], tol=settings["tolerance"]),
        {"C": settings["grid"]},
        cv=inner_folds(training.labels, training.groups, settings["folds"], seed),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # steps are bounded by the settings
        search.fit(standardized(expression), training.labels)
    return lambda cells: search.predict_proba(standardized(cells.dense()))


def least_probability(training: Cells, others: Cells, seed: int) -> Scored:
    """1 less the largest probability of logistic regression."""
    return 1 - tuned_logistic_regression(training, seed)(others).max(axis=1), {}


def celltypist(training: Cells, others: Cells, seed: int) -> Scored:
    """1 less CellTypist's confidence: the largest probability of one class against the rest."""
    return 1 - confidence(training, others, seed), {}


def nearest_centroid(training: Cells, others: Cells, seed: int) -> Scored:
    """1 less the correlation with the most similar mean of a class."""
    expression = training.dense()
    means = [expression[training.labels == each].mean(axis=0) for each in set(training.labels)]
    return cdist(others.dense(), np.stack(means), "correlation").min(axis=1), {}


def mahalanobis(training: Cells, others: Cells, seed: int) -> Scored:
    """Distance from the nearest class, with a common covariance, among principal components."""
    expression = training.dense()
    standardized = Standardized(expression, rotate=False)
    n_components = min(N_COMPONENTS, *(size - 1 for size in expression.shape))
    components = PCA(n_components, random_state=seed).fit(standardized(expression))
    positions = components.transform(standardized(expression))
    codes = np.unique(training.labels, return_inverse=True)[1]
    means = np.stack([positions[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    covariance = LedoitWolf(assume_centered=True).fit(positions - means[codes])
    found = components.transform(standardized(others.dense()))
    return np.min([covariance.mahalanobis(found - mean) for mean in means], axis=0), {}


SCORERS: dict[str, tuple[str, Callable[[Cells, Cells, int], Scored]]] = {
    "logistic_regression": ("Logistic regression, largest probability", least_probability),
    "celltypist": ("CellTypist, confidence", celltypist),
    "nearest_centroid": ("Nearest centroid, correlation", nearest_centroid),
    "mahalanobis": ("Mahalanobis, principal components", mahalanobis),
    "tgem": ("tgem, novelty", tgem_novelty),
}
OURS = "tgem"


def unavailable(name: str) -> str | None:
    """Say why a scorer does not run here, if it does not."""
    if name == "celltypist" and not PYTHON.exists():
        return "needs an environment that is not installed here"
    return None
