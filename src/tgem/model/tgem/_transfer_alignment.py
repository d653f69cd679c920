"""How far a new data set is from the training cells, gene by gene, given what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import softmax

from tgem.model.tgem._transfer_judges import TEMPERATURE, combined

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]

PRIOR_SHARE = 0.05  # weight of the training composition, against that of the new cells
MOST_STEPS = 20
FEW_CELLS = 5  # with which a class counts half in the shift
SHARED_CELLS = 10  # that the shift of all cells counts as, against the cells of one class
LABELLED_PRIOR = 20  # cells that a class of the training data counts as, against labelled ones


class NewCells(NamedTuple):
    """Summary of the cells that a shift is found with; genes are those found in the data.

    Attributes
    ----------
    batches
        Batch of each cell, ``(n_obs,)``.
    labels
        Class of each cell that has a label, -1 for the others.
    mean, variance
        Of the levels in each batch, ``(n_batches, n_genes)``.
    labelled
        Sum of the levels of the labelled cells of each batch and class,
        ``(n_batches, n_classes, n_genes)``; no batches if there are no such cells.
    """

    batches: Array
    labels: Array
    mean: Array
    variance: Array
    labelled: Array


class Shift(NamedTuple):
    """What brings the cells beside the training cells.

    Attributes
    ----------
    offsets
        To add to the levels of each batch, ``(n_batches, n_genes)``.
    class_levels
        Mean levels of the classes, moved towards labelled cells if there are any.
    kept
        Share of the difference of means that is more than chance, ``(n_batches,)``.
    n_steps
        Steps until no cell changed its label.
    """

    offsets: Array
    class_levels: Array
    kept: Array
    n_steps: int


def find_shift(
    cells: NewCells,
    class_levels: Array,
    class_shares: Array,
    *,
    scores: Callable[[Array, Array], tuple[Array, Array]],
    weighted_sums: Callable[[Array], Array],
) -> Shift:
    r"""Alternate between what the cells are and how far their genes are shifted.

    With the probabilities :math:`p_{ic}` of the cells' classes, a batch consists of
    :math:`\pi_c \propto \sum_i p_{ic} + 0.05\, n \rho_c` (:math:`\rho` the shares of the training
    cells), and the same mixture of training cells has the mean levels :math:`\sum_c \pi_c \mu_c`.
    What the batch's mean lacks of them is its shift :math:`\delta_0` if its cells are taken
    together. Taken class by class, with :math:`n_c = \sum_i p_{ic}` cells whose mean is
    :math:`m_c`, it is :math:`\delta_c = (n_c (\mu_c - m_c) + 10\, \delta_0) / (n_c + 10)`. A shift
    that genes owe to the laboratory is that of every class, so each class counts once, however many
    of the cells it is:

    .. math::
        \delta = \frac{\sum_c w_c \delta_c}{\sum_c w_c}, \quad w_c = \frac{n_c}{n_c + 5}

    Then a class with many cells that got another's label cannot draw the shift towards that label
    alone. Of the shift the part that chance explains is taken off (James-Stein):
    :math:`\delta \max(0,\ 1 - \sum_g (s_g^2 + 1/n) / n / \lVert \delta \rVert^2)`. The shifted
    cells get new probabilities, from the mean of the network's logits and the correlations with
    the classes over 0.05; the first ones come from correlations alone.

    Parameters
    ----------
    cells
        Summary of the new cells.
    class_levels, class_shares
        Of the training cells: mean level of each class, and shares of the classes.
    scores
        Correlations and logits of the cells after offsets, with mean levels of the classes.
    weighted_sums
        Sum of the levels of each batch's cells, without offsets, each with a weight,
        ``(n_batches, n_genes)``.
    """
    is_known = class_shares > 0
    n_batches, n_genes = cells.mean.shape
    sizes = np.bincount(cells.batches, minlength=n_batches)
    # one more cell, as variable as the training cells: the variance of a single one is not 0
    spread = cells.variance.sum(axis=1) + n_genes / np.maximum(sizes, 1)
    noise = spread / np.maximum(sizes, 1)
    offsets, kept = np.zeros((n_batches, n_genes)), np.zeros(n_batches)
    moved = _towards_labelled(cells, class_levels, offsets)
    likeness, _ = scores(offsets, moved)
    evidence, before, n_steps = likeness / TEMPERATURE, None, 0
    while n_steps < MOST_STEPS:
        n_steps += 1
        probabilities = _with_given(softmax(evidence, axis=1), cells.labels)
        difference = _difference(
            probabilities, cells, class_levels, class_shares, weighted_sums=weighted_sums
        )
        squared = np.maximum((difference**2).sum(axis=1), 1e-12)
        kept = np.maximum(0.0, 1 - noise / squared)
        offsets = kept[:, None] * difference
        moved = _towards_labelled(cells, class_levels, offsets)
        likeness, logits = scores(offsets, moved)
        evidence = combined(likeness, logits, is_known)
        labels = evidence.argmax(axis=1)
        if before is not None and np.array_equal(labels, before):
            break
        before = labels
    return Shift(offsets, moved, kept, n_steps)


def _difference(
    probabilities: Array,
    cells: NewCells,
    class_levels: Array,
    class_shares: Array,
    *,
    weighted_sums: Callable[[Array], Array],
) -> Array:
    """What the classes of each batch lack of their levels, on average over the classes."""
    n_batches = len(cells.mean)
    sizes = np.bincount(cells.batches, minlength=n_batches)[:, None]
    counts = _counts(probabilities, cells.batches, n_batches)
    shares = _composition(counts, class_shares, sizes)
    together = np.where(sizes > 0, shares @ class_levels - cells.mean, 0.0)
    weights = counts / (counts + FEW_CELLS)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    # the sum over the classes, sorted by what is in it: no array of batches x classes x genes
    weights /= counts + SHARED_CELLS
    of_cells = (weights[cells.batches] * probabilities).sum(axis=1)
    difference = (weights * counts) @ class_levels - weighted_sums(of_cells)
    return difference + SHARED_CELLS * weights.sum(axis=1, keepdims=True) * together


def _with_given(probabilities: Array, labels: Array) -> Array:
    """Labelled cells are of their class."""
    given = labels >= 0
    probabilities[given] = np.eye(probabilities.shape[1])[labels[given]]
    return probabilities


def _counts(probabilities: Array, batches: Array, n_batches: int) -> Array:
    """Expected number of cells of each class in each batch."""
    counts = np.zeros((n_batches, probabilities.shape[1]))
    np.add.at(counts, batches, probabilities)
    return counts


def _composition(counts: Array, prior: Array, sizes: Array) -> Array:
    """Share of each class in each batch."""
    found = counts + PRIOR_SHARE * sizes * prior
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12))


def _towards_labelled(cells: NewCells, class_levels: Array, offsets: Array) -> Array:
    """Mean of a class and of its labelled cells, the former counting as 20 cells."""
    given = cells.labels >= 0
    if not given.any():
        return class_levels
    counts = np.zeros((len(offsets), len(class_levels)))
    np.add.at(counts, (cells.batches[given], cells.labels[given]), 1.0)
    sums = (cells.labelled + counts[:, :, None] * offsets[:, None, :]).sum(axis=0)
    weights = LABELLED_PRIOR + counts.sum(axis=0)
    return np.asarray((LABELLED_PRIOR * class_levels + sums) / weights[:, None])
