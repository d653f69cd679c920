"""The strongest edges of a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tgem._core.errors import listed
from tgem._core.validate import check_count
from tgem.net._table import GROUPS, checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def strongest(
    table: pd.DataFrame,
    *,
    n_edges: int | None = None,
    share: float | None = None,
    by: Sequence[str] = GROUPS,
) -> pd.DataFrame:
    """Keep the edges with the largest absolute weights.

    Parameters
    ----------
    table
        Network with ``source``, ``target``, ``weight`` and optionally ``class`` and ``layer``.
    n_edges
        Number of edges to keep in each group; all where there are fewer.
    share
        Share of each group's rows to keep instead, in (0, 1], rounded up.
    by
        Columns that form the groups, those of them that the table has. ``()`` ranks all rows
        together, ``("class",)`` the layers of a class together.

    Returns
    -------
    The kept rows with all their columns, strongest first within a group; groups in the order of
    their first appearance. Ties are resolved by name.

    Raises
    ------
    ValueError
        Unless exactly one of `n_edges` and `share` is given and in range, or if `table` is no
        network.

    Examples
    --------
    >>> import pandas as pd
    >>> from tgem import net
    >>> table = pd.DataFrame(
    ...     {"source": ["A", "A", "B"], "target": ["B", "C", "C"], "weight": [0.2, -0.9, 0.5]}
    ... )
    >>> net.strongest(table, n_edges=2)["target"].tolist()
    ['C', 'C']
    """
    if (n_edges is None) == (share is None):
        msg = "Expected one of `n_edges` and `share`, such as `n_edges=1000` or `share=0.001`."
        raise ValueError(msg)
    if n_edges is not None:
        check_count("n_edges", n_edges)
    elif share is not None and not 0 < share <= 1:
        msg = f"Expected `share` in (0, 1], got {share!r}."
        raise ValueError(msg)
    names = [by] if isinstance(by, str) else list(by)
    unknown = [name for name in names if name not in table and name not in GROUPS]
    if unknown:
        msg = f"Expected `by` to name columns of the table, got {listed(unknown)}."
        raise ValueError(msg)
    plain = checked(table).drop(columns=[] if "class" in table else ["class"])
    columns = [name for name in names if name in plain]
    order = plain.assign(_size=-plain["weight"].abs()).sort_values(
        ["_size", "source", "target"], kind="stable"
    )
    if columns:
        groups = plain.groupby(columns, sort=False)
        number = groups.ngroup()
        sizes = groups["weight"].transform("size")
    else:
        number = plain["weight"] * 0
        sizes = number + len(plain)
    # 0.1 * 30 is a little above 3 in floating point, and must not round up to 4.
    allowed = sizes * 0 + n_edges if n_edges else (sizes * share - 1e-9).map(math.ceil)
    place = order.groupby(number.loc[order.index], sort=False).cumcount()
    kept = place.index[place < allowed.loc[place.index]]
    in_groups = number.loc[kept].sort_values(kind="stable").index
    return plain.loc[in_groups].reset_index(drop=True)
