"""How unlike the training cells a cell is, whatever label it would be given."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.extmath import randomized_svd

Array = np.ndarray[Any, Any]

N_COMPONENTS = 30
CELLS_PER_COMPONENT = 5  # fewer cells than that leave directions of the covariance to chance
MOST_CELLS = 5_000
MOST_VALUES = 60_000_000  # of expression held in memory, as float32 240 MB
FIRST_OF_A_CLASS = 50
RIDGE = 1e-3  # of the mean variance, on the diagonal of the covariance
SMALLEST_DISTANCE = 1e-6
SMALLEST_SCALE = 1e-6  # of a score that differs between cells


@dataclass(frozen=True)
class TrainingSpace:
    r"""Where the training cells lie, and how sure the classifier is of them.

    The novelty of a cell with expression :math:`x` and logits :math:`z` is the mean of two scores,
    each less its mean and over its standard deviation in the training cells:

    .. math::
        E = -\log \sum_c e^{z_c}, \qquad
        D = \log \min_c (u - \mu_c)^\top \Sigma^{-1} (u - \mu_c), \quad u = V (x - \bar x)

    the energy of the logits :cite:p:`liu2020`, and the logarithm of the squared Mahalanobis
    distance from the nearest class :cite:p:`lee2018` among the leading principal components of
    expression, with the classes' means and their common covariance. The first sees cells that
    look like no class to the classifier, the second cells that lie where no class is; which of
    them sees a new population is a matter of the population.

    Attributes
    ----------
    gene_mean
        Mean expression of each gene.
    components
        Principal components :math:`V`, ``(n_components, n_genes)``.
    class_means
        :math:`\mu_c` of the classes that were trained on, ``(n_classes, n_components)``.
    whitening
        :math:`\Sigma^{-1/2}`, ``(n_components, n_components)``.
    location, scale
        Mean and standard deviation of the two scores in the training cells.
    """

    gene_mean: Array
    components: Array
    class_means: Array
    whitening: Array
    location: Array
    scale: Array

    def novelty(self, expression: Array, logits: Array, *, missing: Array | None = None) -> Array:
        """Mean of the two scores, ``(n_obs,)``; genes that are missing count as average."""
        scores = (self._scores(expression, logits, missing) - self.location) / self.scale
        return np.asarray(scores.mean(axis=1), dtype=np.float32)

    def _scores(self, expression: Array, logits: Array, missing: Array | None = None) -> Array:
        centred = expression - self.gene_mean
        if missing is not None:
            centred[:, missing] = 0
        return self._scores_at((centred @ self.components.T).astype(np.float64), logits)

    def _scores_at(self, positions: Array, logits: Array) -> Array:
        energy = -logsumexp(np.asarray(logits, dtype=np.float64), axis=1)
        white, means = positions @ self.whitening, self.class_means @ self.whitening
        distances = np.stack([((white - mean) ** 2).sum(axis=1) for mean in means])
        nearest = distances.min(axis=0)
        return np.column_stack([energy, np.log(np.maximum(nearest, SMALLEST_DISTANCE))])

    def arrays(self) -> dict[str, Array]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def cells_to_describe(codes: Array, n_genes: int, generator: np.random.Generator) -> Array:
    """Positions of as many training cells as memory allows, some of every class among them."""
    most = max(min(MOST_CELLS, MOST_VALUES // n_genes), 1)
    if len(codes) <= most:
        return np.arange(len(codes))
    order = generator.permutation(len(codes))
    first = [order[codes[order] == code][:FIRST_OF_A_CLASS] for code in np.unique(codes)]
    return np.union1d(order[:most], np.concatenate(first))


def training_space(expression: Array, logits: Array, codes: Array, *, seed: int) -> TrainingSpace:
    """Describe the training cells.

    Parameters
    ----------
    expression
        Of training cells, ``(n_obs, n_genes)``, log-normalised.
    logits
        Of the trained network.
    codes
        Class of each cell.
    seed
        Of the approximate principal components.
    """
    gene_mean = expression.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = expression - gene_mean
    classes, codes = np.unique(codes, return_inverse=True)
    freedom = max(len(codes) - len(classes), 1)
    n_components = min(N_COMPONENTS, freedom // CELLS_PER_COMPONENT + 1, *centred.shape)
    _, _, components = randomized_svd(centred, n_components, random_state=seed)
    positions = (centred @ components.T).astype(np.float64)
    means = np.stack([positions[codes == code].mean(axis=0) for code in range(len(classes))])
    within = positions - means[codes]
    space = TrainingSpace(
        gene_mean=gene_mean,
        components=components.astype(np.float32),
        class_means=means,
        whitening=_whitening(within.T @ within / freedom),
        location=np.zeros(2),
        scale=np.ones(2),
    )
    scores = space._scores_at(positions, logits)
    scale = scores.std(axis=0)
    scale[scale < SMALLEST_SCALE] = 1.0
    return replace(space, location=scores.mean(axis=0), scale=scale)


def _whitening(covariance: Array) -> Array:
    """Symmetric root of the inverse, with a small ridge."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0) + max(RIDGE * float(values.mean()), 1e-12)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)
