"""Which hubs are larger than chance makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_choice
from tgem.net._hubs import hubs
from tgem.net._p_values import benjamini_hochberg, mean_rank, pooled_p_values
from tgem.net._table import by_class, checked_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.net._hubs import Direction

Statistic = Literal["degree", "strength"]

_DIGITS = 9  # of a distance, so that genes that are alike do not differ by rounding


def hub_significance(
    observed: pd.DataFrame,
    null_tables: Sequence[pd.DataFrame],
    *,
    direction: Direction = "both",
    statistic: Statistic = "degree",
    genes: Sequence[str] | None = None,
    n_matched: int | None = None,
) -> pd.DataFrame:
    """Compare the hubs of a network with those of null networks.

    The null networks come from models that were trained again on permuted labels and read in
    the same way, with as many edges.

    Some genes are hubs of every network, also of the null networks, because they are highly
    expressed or vary much. So each gene is compared with itself: the statistic is the distance of
    the square root of its degree or strength from the gene's mean over all networks, the observed
    one included, in standard deviations (of which half the variance is the gene's own and half the
    mean over genes, because there are few networks). These distances are pooled over genes, see
    :func:`pooled_p_values`.

    Parameters
    ----------
    observed
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    null_tables
        Null networks, at least 20 for a single hub to reach a false discovery rate of 0.05. One
        that has no edge of a class, because no cell was given its label, is left out there.
    direction
        Edges to count, as in :func:`hubs`.
    statistic
        ``"degree"`` or ``"strength"``, as a share of the strengths of all genes of the class:
        weights are relative to each network's largest, so that their sums do not compare.
    genes
        All genes that could have been hubs, each a test. By default those with such an edge in
        any of the networks.
    n_matched
        Number of genes whose null statistics are pooled.

    Returns
    -------
    The table of :func:`hubs` with ``p_value``, ``fdr`` (Benjamini and Hochberg, over the genes of
    the class) and ``n_null``, the number of null networks of the class.

    Raises
    ------
    ValueError
        If a table is no network, a class has no null network, or `genes` lacks a hub.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> star = pd.DataFrame({"source": "A", "target": list("BCDE"), "weight": 1.0})
    >>> ring = pd.DataFrame({"source": list("ABCDE"), "target": list("BCDEA"), "weight": 1.0})
    >>> found = net.hub_significance(star, [ring.iloc[:4]] * 20)
    >>> found.loc[found["fdr"] < 0.05, "gene"].tolist()
    ['A']
    """
    found = hubs(observed, direction=direction)
    nulls = [
        hubs(table, direction=direction)
        for table in checked_list(null_tables, called="null_tables")
    ]
    return compare_hubs(found, nulls, statistic=statistic, genes=genes, n_matched=n_matched)


def compare_hubs(
    found: pd.DataFrame,
    nulls: list[pd.DataFrame],
    *,
    statistic: Statistic = "degree",
    genes: Sequence[str] | None = None,
    n_matched: int | None = None,
) -> pd.DataFrame:
    """Compare hubs with those of null networks, of which only the hubs were kept.

    Parameters
    ----------
    found
        Table of :func:`hubs`.
    nulls
        The same of each null network.
    statistic, genes, n_matched
        As in :func:`hub_significance`.

    Returns
    -------
    As :func:`hub_significance`.

    Raises
    ------
    ValueError
        If a class has no null network, or `genes` lacks a hub.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> star = pd.DataFrame({"source": "A", "target": list("BCDE"), "weight": 1.0})
    >>> ring = pd.DataFrame({"source": list("ABCD"), "target": list("BCDE"), "weight": 1.0})
    >>> found = net.compare_hubs(net.hubs(star), [net.hubs(ring)] * 20)
    >>> found.loc[found["fdr"] < 0.05, "gene"].tolist()
    ['A']
    """
    check_choice("statistic", statistic, ("degree", "strength"))
    parts = []
    for label, rows in by_class(found):
        own = [null[null["class"] == label] for null in nulls]
        own = [null for null in own if len(null)]
        if not own:
            msg = (
                f"Expected null networks of class {label!r}, but none of the {len(nulls)} has an "
                f"edge of it; their classes are {listed(_classes(nulls), 12)}. "
                "Read the null networks of the same classes."
            )
            raise ValueError(msg)
        tested = _tested_genes(rows, own, genes)
        statistics = [_aligned(table, statistic, tested) for table in (rows, *own)]
        p_values = _p_values(np.array(statistics), n_matched)
        scores = pd.DataFrame(
            {"p_value": p_values, "fdr": benjamini_hochberg(p_values), "n_null": len(own)},
            index=tested,
        )
        parts.append(rows.join(scores, on="gene"))
    if not parts:
        return found.assign(p_value=np.nan, fdr=np.nan, n_null=len(nulls))
    return pd.concat(parts, ignore_index=True)


def _p_values(statistics: np.ndarray[Any, Any], n_matched: int | None) -> np.ndarray[Any, Any]:
    """Compare the first network with the others, genes in their own units."""
    roots = np.sqrt(statistics)  # counts vary the more the larger they are
    variance = roots.var(axis=0)
    # With few networks a gene's own variance is uncertain: half is that of all genes.
    spread = np.sqrt((variance + variance.mean()) / 2)
    distance = (roots - roots.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    distance = distance.round(_DIGITS)
    return pooled_p_values(
        distance[0], distance[1:], level=mean_rank(statistics), n_matched=n_matched
    )


def _classes(tables: list[pd.DataFrame]) -> list[str]:
    return sorted({str(label) for table in tables for label in table["class"]})


def _tested_genes(
    rows: pd.DataFrame, nulls: list[pd.DataFrame], genes: Sequence[str] | None
) -> list[str]:
    """Names of the tested genes; the observed ones are among them."""
    if genes is None:
        return sorted({str(gene) for table in (rows, *nulls) for gene in table["gene"]})
    known = list(dict.fromkeys(str(gene) for gene in genes))
    outside = [gene for gene in rows["gene"] if gene not in set(known)]
    if outside:
        msg = (
            f"Expected every hub to be in `genes` ({len(known)} names), but {len(outside)} are "
            f"not: {listed(outside)}. Give the names that the model was trained on."
        )
        raise ValueError(msg)
    return known


def _aligned(table: pd.DataFrame, statistic: str, genes: list[str]) -> np.ndarray[Any, Any]:
    """Statistic of each gene; without an edge it is 0."""
    values = table.set_index("gene")[statistic].reindex(genes).fillna(0.0)
    numbers = values.to_numpy(dtype=np.float64)
    # Weights of different networks have different scales: only their shares can be compared.
    return numbers / (numbers.sum() or 1.0) if statistic == "strength" else numbers
