"""Which hubs carry heavier edges than their degree explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.validate import check_choice, check_count
from tgem.net._hubs import DIRECTIONS, ends, hubs
from tgem.net._p_values import benjamini_hochberg, pooled_p_values
from tgem.net._table import by_class, checked, merged_layers

if TYPE_CHECKING:
    from tgem.net._hubs import Direction


def strength_significance(
    table: pd.DataFrame,
    *,
    direction: Direction = "both",
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Ask which hubs carry heavier edges than their degree explains.

    In a network that keeps all degrees, a gene's strength depends only on which weights its
    edges carry; so the weights are dealt anew over the edges of the class. Each gene's distance
    from the null mean, in null standard deviations, is compared with those of genes of similar
    degree.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    direction
        Edges to count, as in :func:`hubs`.
    n_permutations, seed
        Number of times that the weights are dealt anew, and the seed.

    Returns
    -------
    The table of :func:`hubs` with ``p_value`` and ``fdr`` (Benjamini and Hochberg, over the genes
    of the class). It says nothing about the degree, which the null keeps.

    Raises
    ------
    ValueError
        If `table` is no network or `n_permutations` is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame(
    ...     {
    ...         "source": ["A"] * 9 + ["B"] * 90,
    ...         "target": [f"T{i}" for i in range(99)],
    ...         "weight": [9.0] * 9 + [1.0] * 90,
    ...     }
    ... )
    >>> found = net.strength_significance(table, direction="out", n_permutations=99)
    >>> dict(zip(found["gene"], found["p_value"] < 0.05))
    {'B': False, 'A': True}
    """
    check_choice("direction", direction, DIRECTIONS)
    check_count("n_permutations", n_permutations)
    found = hubs(table, direction=direction)
    generator = np.random.default_rng(seed)
    parts = []
    for label, edges in by_class(checked(table)):
        rows = found[found["class"] == label]
        z_scores = _standardised_strengths(
            merged_layers(edges),
            rows,
            direction,
            n_permutations=n_permutations,
            generator=generator,
        )
        level = rows["degree"].to_numpy()
        p_values = pooled_p_values(z_scores[0], z_scores[1:], level=level)
        parts.append(rows.assign(p_value=p_values, fdr=benjamini_hochberg(p_values)))
    if not parts:
        return found.assign(p_value=np.nan, fdr=np.nan)
    return pd.concat(parts, ignore_index=True)


def _standardised_strengths(
    edges: pd.DataFrame,
    rows: pd.DataFrame,
    direction: Direction,
    *,
    n_permutations: int,
    generator: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Strengths, observed first, in standard deviations from the gene's mean over all deals."""
    places = pd.Index(rows["gene"]).get_indexer(ends(edges, direction)["gene"])
    weights = edges["weight"].to_numpy()
    n_ends = len(places) // max(len(weights), 1)
    deals = [weights, *(generator.permutation(weights) for _ in range(n_permutations))]
    strengths = np.array(
        [np.bincount(places, np.tile(deal, n_ends), minlength=len(rows)) for deal in deals]
    )
    mean, spread = strengths.mean(axis=0), strengths.std(axis=0)
    # Where every deal gives the same strength there is nothing to test.
    varies = spread > 1e-12 * np.maximum(mean, 1e-300)
    centred: np.ndarray[Any, Any] = np.where(varies, strengths - mean, 0.0)
    return centred / np.where(varies, spread, 1.0)
