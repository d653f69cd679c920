"""Evidence dealt anew: what a score reaches by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, Any]

_ROUNDS = 4  # of trades, in which each factor has one partner, between two draws


def shuffled_within_factors(
    labels: Array, factors: Array, *, n_draws: int, generator: np.random.Generator
) -> Iterator[Array]:
    """Positions of the positive pairs when each factor's positives are dealt anew over its genes.

    Parameters
    ----------
    labels
        Whether each pair has evidence, ``(n_pairs,)``.
    factors
        Factor of each pair.
    n_draws
        Number of deals.
    generator
        Random numbers.
    """
    order = np.argsort(factors, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(factors[order])) + 1)
    numbers = [int(labels[each].sum()) for each in members]
    drawn = [(each, number) for each, number in zip(members, numbers, strict=True) if number]
    for _ in range(n_draws):
        yield np.concatenate(
            [
                each[generator.choice(len(each), number, replace=False, shuffle=False)]
                for each, number in drawn
            ]
        )


def shuffled_with_margins(
    labels: Array, known: Array, *, n_draws: int, generator: np.random.Generator
) -> Iterator[Array]:
    """Evidence with the same number of positives of each factor and of each gene.

    A Markov chain of trades (the curveball algorithm of Strona et al., 2014): two factors pool
    the genes that only one of them has, and deal them anew. The chain is run from the evidence in
    both directions, cut at random, so that the evidence is one draw among equals and the p-value
    exact however slowly the chain mixes (Besag and Clifford, 1989). Nothing is yielded where
    nothing can be traded.

    Parameters
    ----------
    labels
        Evidence, ``(n_factors, n_genes)``, boolean.
    known
        Which pairs count, the same shape; the others stay as they are and are not traded.
    n_draws
        Number of draws.
    generator
        Random numbers.
    """
    if len(labels) < 2 or not (labels & known).any():
        return
    forward = int(generator.integers(n_draws + 1))
    for length in (forward, n_draws - forward):
        state = labels & known
        for _ in range(length):
            for _ in range(_ROUNDS):
                _trade(state, known, generator)
            yield state


def _trade(state: Array, known: Array, generator: np.random.Generator) -> None:
    """Pair the factors; each pair deals the genes that one has and the other could have."""
    order = generator.permutation(len(state))
    half = len(order) // 2
    first, second = order[:half], order[half : 2 * half]
    one_has = (state[first] != state[second]) & known[first] & known[second]
    pair, gene = np.nonzero(one_has)
    # a random order within each pair of factors
    dealt = state[first[pair], gene][np.argsort(pair + generator.random(len(pair)))]
    state[first[pair], gene] = dealt
    state[second[pair], gene] = ~dealt
