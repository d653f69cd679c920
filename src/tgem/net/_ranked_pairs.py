"""Areas under the curve of pairs that are ranked within groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class GroupAreas(NamedTuple):
    """What each group adds to the areas, ``(n_groups,)`` each.

    Attributes
    ----------
    ordered
        Comparisons of a positive with a negative pair that the measure orders right, ties half.
    comparisons
        All such comparisons.
    precision
        Precision at each positive pair, added up; 0 without comparisons.
    positives, negatives
        Weight of the positive and of the negative pairs.
    """

    ordered: Array
    comparisons: Array
    precision: Array
    positives: Array
    negatives: Array

    def drawn(self, times: Array) -> GroupAreas:
        """The same with each group drawn so many times: copies of a group are not compared."""
        return GroupAreas(*(times * each for each in self))

    @property
    def area(self) -> float:
        """Share of the comparisons within groups that are ordered right."""
        total = self.comparisons.sum()
        return float(self.ordered.sum() / total) if total else float("nan")

    @property
    def average_precision(self) -> float:
        """Mean precision at the positive pairs of groups with both kinds."""
        positives = self.positives[self.comparisons > 0].sum()
        return float(self.precision.sum() / positives) if positives else float("nan")

    @property
    def base_rate(self) -> float:
        """Average precision of a measure that knows nothing."""
        both = self.comparisons > 0
        positives, negatives = self.positives[both], self.negatives[both]
        total = positives.sum()
        rate = positives**2 / np.maximum(positives + negatives, 1e-300)
        return float(rate.sum() / total) if total else float("nan")


class RankedPairs:
    """Pairs in the order of a measure within each group, sorted once for many sets of labels.

    Parameters
    ----------
    values
        The measure of each pair, ``(n_pairs,)``.
    groups
        Group of each pair, whole numbers from 0; pairs of different groups are not compared.
    """

    def __init__(self, values: Array, groups: Array) -> None:
        order = np.lexsort((values, groups))
        group, value = groups[order], values[order]
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
        # pairs of a group that tie form a block
        self._block = np.empty(len(order), dtype=np.int64)
        self._block[order] = np.cumsum(begins) - 1
        block_group = group[begins]
        self._n_groups = int(groups.max(initial=-1)) + 1
        sizes = np.bincount(block_group, minlength=self._n_groups)
        first = np.cumsum(sizes) - sizes
        self._group_of_block = block_group
        self._first_block = first[block_group]

    def ranks(self) -> Array:
        """Rank of each pair within its group, from 1, ties at their mean."""
        size = np.bincount(self._block, minlength=len(self._group_of_block)).astype(float)
        found: Array = (self._below(size) + (size + 1) / 2)[self._block]
        return found

    def areas(self, positive: Array, negative: Array) -> GroupAreas:
        """Count ordered comparisons and precision within each group.

        Parameters
        ----------
        positive, negative
            Weight of each pair as one with evidence and as one without, ``(n_pairs,)``.
        """
        n_blocks = len(self._group_of_block)
        positives = np.bincount(self._block, positive, minlength=n_blocks)
        negatives = np.bincount(self._block, negative, minlength=n_blocks)
        total_p, total_n = self._by_group(positives), self._by_group(negatives)
        below = self._below(negatives)
        ordered = self._by_group(positives * (below + negatives / 2))
        above_p = total_p[self._group_of_block] - self._below(positives)
        above_n = total_n[self._group_of_block] - below
        precision = self._by_group(positives * above_p / np.maximum(above_p + above_n, 1e-300))
        comparisons = total_p * total_n
        precision = np.where(comparisons > 0, precision, 0.0)
        return GroupAreas(ordered, comparisons, precision, total_p, total_n)

    def _below(self, of_block: Array) -> Array:
        """Sum over the lower blocks of the same group."""
        before = np.cumsum(of_block) - of_block
        below: Array = before - before[self._first_block]
        return below

    def _by_group(self, of_block: Array) -> Array:
        return np.bincount(self._group_of_block, of_block, minlength=self._n_groups)
