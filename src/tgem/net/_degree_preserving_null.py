"""Random networks in which every gene keeps its number of edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_count
from tgem.net._table import checked, group_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWAPS_PER_EDGE = 10


def degree_preserving_null(table: pd.DataFrame, *, n: int = 1, seed: int = 0) -> list[pd.DataFrame]:
    """Rewire a network at random, keeping every gene's numbers of incoming and outgoing edges.

    Two edges at a time exchange their targets (Maslov and Sneppen, 2002), ten times as many
    attempts as there are edges, unless a gene would point to itself or an edge would be there
    twice. Then the weights are dealt anew over the edges. Each class and layer is rewired by
    itself.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    n
        Number of random networks.
    seed
        Seed of the random numbers.

    Returns
    -------
    `n` networks with ``source``, ``target``, ``weight`` and the columns of class and layer that
    `table` has.

    Raises
    ------
    ValueError
        If `table` is no network, if a gene points to itself, or `n` is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> ring = pd.DataFrame({"source": list("ABCDE"), "target": list("BCDEA"), "weight": 1.0})
    >>> (null,) = net.degree_preserving_null(ring, seed=1)
    >>> sorted(null["target"])
    ['A', 'B', 'C', 'D', 'E']
    """
    check_count("n", n)
    plain = checked(table)
    loops = plain.loc[plain["source"] == plain["target"], "source"]
    if len(loops):
        msg = (
            f"Expected a network in which no gene points to itself, but {len(loops)} of "
            f"{len(plain)} edges do: {listed(loops)}. Leave them out with "
            "`table[table['source'] != table['target']]`."
        )
        raise ValueError(msg)
    columns = [*(name for name in group_columns(plain) if name in table), "source", "target"]
    groups = [rows for _, rows in plain.groupby(group_columns(plain), sort=False)]
    generator = np.random.default_rng(seed)
    return [
        pd.concat([_rewired(rows, generator) for rows in groups] or [plain], ignore_index=True)[
            [*columns, "weight"]
        ]
        for _ in range(n)
    ]


def _rewired(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    codes, names = pd.factorize(pd.concat([rows["source"], rows["target"]]), sort=True)
    sources = codes[: len(rows)].tolist()
    targets = _swapped(sources, codes[len(rows) :].tolist(), len(names), generator)
    weights = generator.permutation(rows["weight"].to_numpy())
    return rows.assign(target=names.to_numpy()[targets], weight=weights)


def _swapped(
    sources: Sequence[int], targets: list[int], n_genes: int, generator: np.random.Generator
) -> list[int]:
    """Targets after the exchanges; each pair of edges is as likely as any other."""
    present = {source * n_genes + target for source, target in zip(sources, targets, strict=True)}
    n_edges = len(targets)
    if n_edges < 2:
        return targets
    pairs = generator.integers(n_edges, size=(_SWAPS_PER_EDGE * n_edges, 2))
    for first, second in pairs.tolist():
        from_first, from_second = sources[first], sources[second]
        to_first, to_second = targets[first], targets[second]
        if from_first == to_second or from_second == to_first:
            continue
        new_first = from_first * n_genes + to_second
        new_second = from_second * n_genes + to_first
        if new_first in present or new_second in present:
            continue
        present -= {from_first * n_genes + to_first, from_second * n_genes + to_second}
        present |= {new_first, new_second}
        targets[first], targets[second] = to_second, to_first
    return targets
