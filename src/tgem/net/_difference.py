"""Edges that differ between two groups of networks."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.validate import check_count
from tgem.net._p_values import benjamini_hochberg, pooled_p_values
from tgem.net._table import checked_list, edge_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


_PARTS, _FEWEST_ALIKE = 10, 20  # edges whose variance is averaged: a tenth, or so many


def difference(
    tables_a: Sequence[pd.DataFrame],
    tables_b: Sequence[pd.DataFrame],
    *,
    contrast: str = "a - b",
    n_permutations: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two groups of networks, edge by edge, by permuting which group a network is of.

    The networks of a group are replicates: one per donor, or per seed or bootstrap. Replicates of
    one data set say how far the difference exceeds the noise of fitting; only independent ones,
    such as donors, say whether it holds for others.

    The statistic is the absolute difference of the mean weights, with 0 where a network lacks the
    edge, in standard deviations of the edge over all networks (of which half the variance is its
    own and half the mean of edges of similar weight, because there are few networks): heavy edges
    vary more. Null statistics are pooled over edges of the class of similar mean absolute weight,
    see :func:`pooled_p_values`. All divisions into groups of the same sizes are used if they are
    few, except the true one; of two that are mirror images, one.

    Few networks show little. There are 10 divisions of 3 against 3 networks and 35 of 4 against 4,
    so that by its own permutations an edge has at least p = 0.1 and 0.029. Smaller p-values come
    from pooling: they rest on unlike edges having differences of like distribution once they are
    in standard deviations, and with 3 against 3 only differences far beyond the noise are found.

    Parameters
    ----------
    tables_a, tables_b
        Networks of each group, at least two, with ``source``, ``target``, ``weight`` and optionally
        ``class`` and ``layer``. To compare two classes, give both groups the same class name or
        none.
    contrast
        Name of the comparison in the result.
    n_permutations
        Largest number of divisions; random ones if there are more.
    seed
        Seed of the random divisions.

    Returns
    -------
    DataFrame by p-value and falling absolute difference: ``contrast``, ``class`` and ``layer``
    (where the networks have them), ``source``, ``target``, ``difference`` (mean of a minus mean of
    b), ``p_value`` and ``fdr`` (Benjamini and Hochberg, over all edges).

    Raises
    ------
    ValueError
        For fewer than two networks in a group, or if one is no network.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> one = pd.DataFrame({"source": ["A", "A"], "target": ["B", "C"], "weight": [1.0, 0.5]})
    >>> other = one.assign(weight=[0.1, 0.5])
    >>> found = net.difference([one] * 4, [other] * 4)
    >>> found[["target", "difference"]].values.tolist()
    [['B', 0.9], ['C', 0.0]]
    """
    check_count("n_permutations", n_permutations)
    first = checked_list(tables_a, called="tables_a", least=2)
    second = checked_list(tables_b, called="tables_b", least=2)
    tables = [*first, *second]
    columns = edge_columns(tables)
    weights = _aligned(tables, columns)
    true = tuple(range(len(first)))
    divisions = _divisions(len(tables), true, n_permutations, seed)
    # Class by class, so that the null statistics of only one are in memory.
    places = weights.groupby(level="class", sort=False).indices.values()
    p_values = np.empty(len(weights))
    for rows in places:
        p_values[rows] = _p_values(weights.to_numpy()[rows], true, divisions)
    found = weights.index.to_frame(index=False).assign(
        difference=_contrast(weights.to_numpy(), true),
        p_value=p_values,
        fdr=benjamini_hochberg(p_values),
    )
    given = ["class"] if any("class" in table for table in [*tables_a, *tables_b]) else []
    shown = [*given, *columns[1:], "difference", "p_value", "fdr"]
    found = found.assign(contrast=contrast, _size=-found["difference"].abs())
    found = found.sort_values(["p_value", "_size", *columns], kind="stable")
    return found[["contrast", *shown]].reset_index(drop=True)


def _aligned(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Weights, edges x networks; 0 where a network lacks the edge."""
    series = [table.set_index(columns)["weight"] for table in tables]
    return pd.concat(series, axis="columns", keys=range(len(tables))).fillna(0.0).sort_index()


def _p_values(
    values: np.ndarray[Any, Any], true: tuple[int, ...], divisions: list[tuple[int, ...]]
) -> np.ndarray[Any, Any]:
    level = np.abs(values).mean(axis=1)
    scaled = values / _spread(values, level)[:, None]
    null = np.array([np.abs(_contrast(scaled, division)) for division in divisions])
    return pooled_p_values(np.abs(_contrast(scaled, true)), null, level=level)


def _spread(values: np.ndarray[Any, Any], level: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Standard deviation of each edge, the same however the networks are divided."""
    from scipy.ndimage import uniform_filter1d  # noqa: PLC0415 - slow to import, needed by few

    variance, order = values.var(axis=1), np.argsort(level, kind="stable")
    alike = np.empty_like(variance)
    size = max(len(variance) // _PARTS, _FEWEST_ALIKE)
    alike[order] = uniform_filter1d(variance[order], min(size, len(variance)), mode="reflect")
    spread = np.sqrt((variance + np.maximum(alike, 0.0)) / 2)
    return np.where(spread > 0, spread, 1.0)


def _contrast(values: np.ndarray[Any, Any], division: tuple[int, ...]) -> np.ndarray[Any, Any]:
    inside = np.zeros(values.shape[1], dtype=bool)
    inside[list(division)] = True
    mean: np.ndarray[Any, Any] = values[:, inside].mean(axis=1) - values[:, ~inside].mean(axis=1)
    return mean


def _divisions(
    n_tables: int, true: tuple[int, ...], n_permutations: int, seed: int
) -> list[tuple[int, ...]]:
    """Other choices of as many networks as the first group has.

    Mirror images have the same statistic: with both in the null, which holds the true division
    once, the smallest p-values would be half of what they should be.
    """
    mirrored = n_tables == 2 * len(true)
    n_others = math.comb(n_tables, len(true)) // (1 + mirrored) - 1
    if n_others <= n_permutations:
        every = itertools.combinations(range(n_tables), len(true))
        return [each for each in every if each != true and (0 in each or not mirrored)]
    generator = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < n_permutations:
        drawn = generator.choice(n_tables, len(true), replace=False)
        division = tuple(sorted(int(at) for at in drawn))
        if mirrored and 0 not in division:
            division = tuple(sorted(set(range(n_tables)) - set(division)))
        if division != true:
            found[division] = None
    return list(found)
