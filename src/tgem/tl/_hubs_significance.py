"""By which statistic the hubs of a network are tested, and against a null that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tgem._core.validate import check_choice
from tgem.net import hub_significance, strength_significance
from tgem.net import hubs as count_hubs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

N_DEALS = 1000


def untested(network: pd.DataFrame, direction: Literal["both", "out", "in"]) -> pd.DataFrame:
    """Rank the hubs without a test."""
    return count_hubs(network, direction=direction).assign(p_value=np.nan, fdr=np.nan)


def against_given(
    network: pd.DataFrame,
    null: Sequence[pd.DataFrame] | str | None,
    params: dict[str, Any],
    *,
    n_permutations: int | None,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rank the hubs and test them against the null that the caller names, if any.

    `params` say the direction, the targets and the statistic; what is to be recorded of the null
    is returned beside the hubs.
    """
    direction = params["direction"]
    if null is None:
        return untested(network, direction), {}
    if isinstance(null, str):
        n_deals = n_permutations or N_DEALS
        table = strength_significance(
            network, direction=direction, n_permutations=n_deals, seed=seed
        )
        return table, {"null": null, "n_permutations": n_deals, "seed": int(seed)}
    nulls = list(null)
    if params["targets"] == "gene":
        nulls = [between_genes(each, f"null[{at}]") for at, each in enumerate(nulls)]
    statistic: Literal["degree", "strength"] = params["statistic"] or "degree"
    table = hub_significance(network, nulls, direction=direction, statistic=statistic)
    return table, {"null": "networks", "n_null": int(table["n_null"].min() if len(table) else 0)}


def statistic_of_null(
    null: Any, statistic: str | None, *, retrained: bool
) -> Literal["degree", "strength"] | None:
    """Say which statistic the null is of, and refuse what cannot be tested."""
    if isinstance(null, str):
        check_choice("null", null, ("degree",))
    elif hasattr(null, "columns"):
        msg = "Expected `null` to be a list of networks, got one. Write it as `null=[network]`."
        raise TypeError(msg)
    if statistic is not None:
        check_choice("statistic", statistic, ("degree", "strength"))
    if retrained:
        return "degree" if statistic == "degree" else "strength"
    if null is None:
        if statistic is not None:
            msg = (
                f"Expected `null` beside statistic={statistic!r}, got None: there is nothing to "
                "test against. Give the model, to train it on permuted labels, a list of null "
                'networks, or null="degree".'
            )
            raise ValueError(msg)
        return None
    if isinstance(null, str):
        if statistic == "degree":
            msg = (
                'Expected statistic="strength" with null="degree", which keeps every degree, got '
                "'degree'. To test degrees, give a list of null networks."
            )
            raise ValueError(msg)
        return "strength"
    return "strength" if statistic == "strength" else "degree"


def between_genes(network: pd.DataFrame, called: str) -> pd.DataFrame:
    """Network with the targets' genes in place of the targets."""
    if "gene" not in network:
        msg = (
            f"Expected a column 'gene' in `{called}` for targets=\"gene\", found "
            f"{', '.join(repr(name) for name in network)}. Only networks of isoforms have one; "
            'use targets="target".'
        )
        raise ValueError(msg)
    columns = [name for name in ("class", "layer") if name in network]
    sizes = network.assign(weight=network["weight"].abs(), target=network["gene"])
    return sizes.groupby([*columns, "source", "target"], as_index=False, observed=True)[
        "weight"
    ].sum()
