"""What a cell of another data set is: two judges, and what they say together."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TEMPERATURE = 0.05  # of correlations, on the scale of logits
WEIGHT_EXPONENT = 0.25
SMALLEST_WITHIN = 0.05  # variance within classes, of a gene's variance
SMALLEST_RATIO = 1e-6


def gene_weights(class_levels: Array, class_shares: Array) -> Array:
    r"""How much each gene counts in a correlation with the classes.

    The variance between the classes over the one within them, to the power of 1/4: a gene whose
    level hardly depends on the class says little about it, whatever it is in a cell. Levels are
    standardised, so what the classes of the training cells leave of a variance of 1 is the variance
    within them, :math:`1 - \sum_c \rho_c \mu_c^2`.

    Parameters
    ----------
    class_levels
        Mean levels of the classes, ``(n_classes, n_genes)``.
    class_shares
        Shares of the classes among the training cells.
    """
    known = class_levels[class_shares > 0]
    between = known.var(axis=0)
    within = np.maximum(1 - class_shares @ class_levels**2, SMALLEST_WITHIN)
    return np.asarray(np.maximum(between / within, SMALLEST_RATIO) ** WEIGHT_EXPONENT)


def correlations(levels: Array, class_levels: Array, is_known: Array, gene_weights: Array) -> Array:
    """Weighted Pearson's correlation of each cell with each class, ``(n_obs, n_classes)``.

    Levels are taken relative to the mean of the classes, each counting once; classes without
    training cells get -1. A cell's depth, which raises or lowers most of its genes together, does
    not change a correlation.
    """
    shares = gene_weights / max(float(gene_weights.sum()), 1e-12)
    centre = class_levels[is_known].mean(axis=0)
    cells, classes = _unit_rows(levels - centre, shares), _unit_rows(class_levels - centre, shares)
    found: Array = cells @ classes.T
    found[:, ~is_known] = -1.0
    return found


def combined(likeness: Array, logits: Array, is_known: Array) -> Array:
    """Evidence of both judges, ``(n_obs, n_classes)``.

    They know the same genes: the mean of their evidence, where the sum would be too sure of itself.
    """
    evidence = (likeness / TEMPERATURE + logits) / 2
    evidence[:, ~is_known] = -np.inf
    return np.asarray(evidence)


def _unit_rows(values: Array, shares: Array) -> Array:
    """Rows whose products are correlations."""
    centred = (values - (values @ shares)[:, None]) * np.sqrt(shares)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-12))
