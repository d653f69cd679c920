"""P-values from null statistics, and the false discovery rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Smallest false discovery rate that one true hub alone should be able to reach.
_RESOLVED = 0.05
#: Sums in another order differ by rounding; equal statistics count as equal.
_TOLERANCE = 1e-9


def benjamini_hochberg(p_values: Array) -> Array:
    """Turn p-values into false discovery rates.

    The smallest rate at which each would be found by the step-up procedure of Benjamini and
    Hochberg (1995). Missing p-values stay missing and are not counted as tests.

    Parameters
    ----------
    p_values
        P-values, any shape.

    Returns
    -------
    False discovery rates, float64, of the same shape.

    Raises
    ------
    ValueError
        For a value outside 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tgem import net
    >>> net.benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    values = np.asarray(p_values, dtype=np.float64)
    rates = np.full(values.shape, np.nan)
    tested = ~np.isnan(values)
    found = values[tested]
    if found.size == 0:
        return rates
    if found.min() < 0 or found.max() > 1:
        msg = f"Expected p-values in 0 to 1, found {found.min():g} to {found.max():g}."
        raise ValueError(msg)
    order = np.argsort(found)[::-1]
    ranks = np.arange(found.size, 0, -1)
    adjusted = np.empty(found.size)
    adjusted[order] = np.minimum.accumulate(found[order] * found.size / ranks)
    rates[tested] = np.minimum(adjusted, 1)
    return rates


def pooled_p_values(
    observed: Array,
    null: Array,
    *,
    level: Array | None = None,
    n_matched: int | None = None,
) -> Array:
    """Compare each observed statistic with the null statistics of similar ones.

    The p-value is ``(r + 1) / (n + 1)``, where ``r`` of the ``n`` null statistics in the pool
    reach the observed one (Phipson and Smyth, 2010). The pool of a gene holds the null statistics
    of the genes next to it in `level`, so that a gene that is large in every network is compared
    with its like. Narrow pools match better, wide ones resolve smaller p-values; by default they
    are as narrow as lets a single gene reach a false discovery rate of 0.05. With 20 null
    networks that is one pool of all genes, with 200 there are ten.

    Parameters
    ----------
    observed
        One statistic per gene or edge, ``(n,)``; large ones are evidence.
    null
        The same statistics in null networks, ``(n_null, n)``.
    level
        What the genes are matched by, ``(n,)``; by default the mean rank over all networks, the
        observed one included, so that all networks are treated alike if none is special.
    n_matched
        Number of genes in a pool.

    Returns
    -------
    P-values, float64 ``(n,)``.

    Raises
    ------
    ValueError
        If the shapes do not fit, there is no null, or `n_matched` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tgem import net
    >>> net.pooled_p_values(np.array([9.0, 0.0]), np.arange(8.0).reshape(4, 2)).round(2).tolist()
    [0.11, 1.0]
    """
    observed = np.asarray(observed, dtype=np.float64)
    null = np.asarray(null, dtype=np.float64)
    if observed.ndim != 1 or null.ndim != 2 or null.shape[1:] != observed.shape or not len(null):
        msg = (
            "Expected statistics of shape (n,) and null statistics of shape (n_null, n) with at "
            f"least one null network, got {observed.shape} and {null.shape}."
        )
        raise ValueError(msg)
    if n_matched is not None and n_matched < 1:
        msg = f"Expected `n_matched` to be at least 1, got {n_matched!r}."
        raise ValueError(msg)
    n = observed.size
    if not n:
        return observed.copy()
    width = n_matched or math.ceil(n / (_RESOLVED * len(null)))
    if level is None:
        level = mean_rank(np.vstack([observed, null]))
    order = np.lexsort((null.mean(axis=0), np.asarray(level)))
    p_values = np.empty(n)
    for members in np.array_split(order, max(n // width, 1)):
        pool = np.sort(null[:, members].ravel())
        least = observed[members] - _TOLERANCE * np.maximum(np.abs(observed[members]), 1e-300)
        reached = pool.size - np.searchsorted(pool, least, side="left")
        p_values[members] = (reached + 1) / (pool.size + 1)
    return p_values


def mean_rank(statistics: Array) -> Array:
    """Rank of each gene in each network, ties shared, averaged over the networks."""
    from scipy.stats import rankdata  # noqa: PLC0415 - slow to import, needed by few

    ranks: Array = rankdata(statistics, axis=1)
    # exact halves, so that equal genes stay equal whatever the order of the sum
    mean: Array = ranks.sum(axis=0)
    return mean
