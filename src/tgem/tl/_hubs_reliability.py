"""How many of a hub's edges the model has the skill to speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ENDS = {"out": ("source",), "in": ("target",), "both": ("source", "target")}


def share_of_reliable(
    hubs: pd.DataFrame, network: pd.DataFrame, direction: str
) -> np.ndarray[Any, Any]:
    """Share of each hub's edges that are marked as reliable, missing for a hub without edges.

    Parameters
    ----------
    hubs
        Table of hubs with ``gene``.
    network
        Network with ``source``, ``target`` and ``reliable``.
    direction
        Which edges are a hub's: ``"out"``, ``"in"`` or ``"both"``.
    """
    counts: dict[str, list[int]] = {}
    for end in _ENDS[direction]:
        for gene, reliable in zip(network[end].astype(str), network["reliable"], strict=True):
            number = counts.setdefault(gene, [0, 0])
            number[0] += bool(reliable)
            number[1] += 1
    shares = {gene: reliable / edges for gene, (reliable, edges) in counts.items()}
    found: np.ndarray[Any, Any] = hubs["gene"].astype(str).map(shares).to_numpy(dtype=float)
    return found
