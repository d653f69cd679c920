"""What a cell of another data set is: two judges, and what they say together."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TEMPERATURE = 0.05  # of correlations, on the scale of logits
WEIGHT_EXPONENT = 0.5
SMALLEST_LENGTH = 1e-6  # of a gene's weights in the classifier, relative to the largest


def gene_weights(class_weights: Array) -> Array:
    r"""How much each gene counts in a correlation with the classes.

    The root of the length of its weights in the classifier, :math:`\lVert w_g \rVert^{1/2}`: genes
    that the classes are told apart by count more than those that merely differ between them, or
    between the runs in which they were measured.

    Parameters
    ----------
    class_weights
        Weight of each gene's level for each class, ``(n_classes, n_genes)``.
    """
    length = np.linalg.norm(class_weights, axis=0)
    relative = length / max(float(length.max()), 1e-12)
    return np.asarray((relative + SMALLEST_LENGTH) ** WEIGHT_EXPONENT)


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
