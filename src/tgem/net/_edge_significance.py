"""Which edges are heavier than chance makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_count
from tgem.net._p_values import benjamini_hochberg, pooled_p_values
from tgem.net._table import checked, checked_list, group_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


def edge_significance(
    table: pd.DataFrame,
    null_tables: Sequence[pd.DataFrame] | None = None,
    *,
    n_permutations: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Say which edges are heavier than in null networks, or than their genes explain.

    Given null networks, such as retrainings on permuted labels read with as many edges, an
    edge's absolute weight is compared with all absolute weights of the null networks of its class
    and layer.

    Without them, the degree-preserving question is asked: does an edge hold more of the
    strength of its two genes than if the weights were dealt anew over the edges? The statistic is
    ``w^2 k_out k_in / (s_out s_in)``: the edge's share of its source's outgoing strength times its
    share of its target's incoming strength, relative to equal shares; edges are compared with
    those whose genes have similar degrees.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    null_tables
        Null networks, or ``None``.
    n_permutations, seed
        Without null networks: number of times that the weights are dealt anew, and the seed.

    Returns
    -------
    `table` with ``p_value`` and ``fdr`` (Benjamini and Hochberg, over the edges of a class and
    layer). Both are about the edges that are in the table: those that were left out of it before
    were not tested.

    Raises
    ------
    ValueError
        If a table is no network, or a class and layer has no null network.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> genes = list("ABCDEFGH")
    >>> pairs = [(a, b) for a in genes for b in genes if a < b]
    >>> table = pd.DataFrame(pairs, columns=["source", "target"]).assign(weight=1.0)
    >>> table.loc[9, "weight"] = 50.0
    >>> found = net.edge_significance(table)
    >>> found["p_value"].idxmin()
    9
    """
    check_count("n_permutations", n_permutations)
    plain = checked(table)
    nulls = None if null_tables is None else checked_list(null_tables, called="null_tables")
    generator = np.random.default_rng(seed)
    p_value, fdr = np.full(len(plain), np.nan), np.full(len(plain), np.nan)
    for group, rows in plain.groupby(group_columns(plain), sort=False):
        if nulls is None:
            found = _against_deals(rows, n_permutations, generator)
        else:
            found = _against_networks(rows, nulls, group)
        places = rows.index.to_numpy()
        p_value[places], fdr[places] = found, benjamini_hochberg(found)
    return table.assign(p_value=p_value, fdr=fdr)


def _against_networks(
    rows: pd.DataFrame, nulls: list[pd.DataFrame], group: tuple[Any, ...]
) -> np.ndarray[Any, Any]:
    """Compare absolute weights with all those of the null networks of the group."""
    columns = group_columns(rows)
    pool = []
    for null in nulls:
        same = np.ones(len(null), dtype=bool)
        for column, value in zip(columns, group, strict=True):
            if column not in null:
                msg = f"Expected a column {column!r} in the null networks, as in `table`."
                raise ValueError(msg)
            same &= (null[column] == value).to_numpy()
        pool.append(null.loc[same, "weight"].abs().to_numpy())
    weights = np.concatenate(pool)
    if not weights.size:
        msg = (
            f"Expected null networks of {listed(group)}, but none of the {len(nulls)} has an edge "
            "of it. Read the null networks of the same classes and layers."
        )
        raise ValueError(msg)
    observed = rows["weight"].abs().to_numpy()
    reached = weights.size - np.searchsorted(np.sort(weights), observed, side="left")
    p_values: np.ndarray[Any, Any] = (reached + 1) / (weights.size + 1)
    return p_values


def _against_deals(
    rows: pd.DataFrame, n_permutations: int, generator: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Compare an edge's hold on its genes with deals of the same weights."""
    sources, targets = (pd.factorize(rows[side], sort=True)[0] for side in ("source", "target"))
    degrees = np.bincount(sources)[sources] * np.bincount(targets)[targets]
    weights = rows["weight"].abs().to_numpy()

    def hold(deal: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        strengths = np.bincount(sources, deal)[sources] * np.bincount(targets, deal)[targets]
        # an edge of weight 0 holds nothing, also where its genes have no strength
        statistic: np.ndarray[Any, Any] = deal**2 * degrees / np.where(strengths > 0, strengths, 1)
        return statistic

    null = np.array([hold(generator.permutation(weights)) for _ in range(n_permutations)])
    return pooled_p_values(hold(weights), null, level=degrees)
