"""Contrasts of two groups of samples, and all others that chance could have drawn."""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Contrasts(NamedTuple):
    """Weights of the samples in a difference of means.

    Attributes
    ----------
    observed
        Weights with the labels as they are, ``(n_obs,)``; they add up to 0.
    permuted
        The same with permuted labels, ``(n_permutations, n_obs)``. If `exact`, all that there
        are, the observed one among them.
    exact
        Whether all permutations are there.
    n_blocks
        Blocks with samples of both groups.
    """

    observed: Array
    permuted: Array
    exact: bool
    n_blocks: int

    def p_values(self, reached: Array) -> Array:
        """P-values from how many permutations reach the observed statistic."""
        if self.exact:
            found: Array = reached / len(self.permuted)
        else:
            found = (reached + 1) / (len(self.permuted) + 1)
        return found


def label_contrasts(in_group: Array, blocks: Array, *, n_permutations: int, seed: int) -> Contrasts:
    """Mean over the blocks of the difference of the two groups' means within the block.

    Labels are permuted within blocks; a block without samples of both groups has no weight.

    Parameters
    ----------
    in_group
        Whether each sample is of the group rather than of the reference, ``(n_obs,)``.
    blocks
        Block of each sample, whole numbers.
    n_permutations
        Largest number of permutations; if there are fewer, all are taken.
    seed
        Seed of the permutations.

    Raises
    ------
    ValueError
        If no block holds both groups.
    """
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    members = [each for each in members if 0 < in_group[each].sum() < len(each)]
    if not members:
        msg = (
            "Expected blocks with samples of both groups, found none: each block has one group. "
            "Leave `block_key` out, or name a column whose values occur in both groups."
        )
        raise ValueError(msg)
    sizes = [(len(each), int(in_group[each].sum())) for each in members]
    total = math.prod(math.comb(size, number) for size, number in sizes)
    observed = _weights([each[in_group[each]] for each in members], members, len(in_group))
    exact = total <= n_permutations
    if exact:
        ways = [
            combinations(each, number) for each, (_, number) in zip(members, sizes, strict=True)
        ]
        chosen: Any = product(*ways)
    else:
        generator = np.random.default_rng(seed)
        chosen = (
            [generator.permutation(each)[:n] for each, (_, n) in zip(members, sizes, strict=True)]
            for _ in range(n_permutations)
        )
    permuted = np.array([_weights(groups, members, len(in_group)) for groups in chosen])
    return Contrasts(observed, permuted, exact, len(members))


def _weights(groups: Any, members: list[Array], n_obs: int) -> Array:
    weights = np.zeros(n_obs)
    for group, block in zip(groups, members, strict=True):
        chosen = np.asarray(group)
        weights[block] = -1 / (len(block) - len(chosen))
        weights[chosen] = 1 / len(chosen)
    return weights / len(members)
