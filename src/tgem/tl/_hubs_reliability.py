"""How many of what a hub's degree counts the model has the skill to speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ENDS = {"out": ("source",), "in": ("target",), "both": ("source", "target")}


def counted_edges(network: pd.DataFrame, targets: str) -> pd.DataFrame:
    """The edges that degrees count: as they are, or one for each factor and gene."""
    if targets != "gene":
        return network
    ends = [name for name in ("class", "layer") if name in network] + ["source", "target"]
    # Whether an edge is reliable depends on its gene alone.
    return network.assign(target=network["gene"]).drop_duplicates(ends)


def reliable_counts(edges: pd.DataFrame) -> dict[str, int]:
    """Numbers of edges and of reliable ones, as the network's parameters name them."""
    return {"n_edges": len(edges), "n_reliable_edges": int(edges["reliable"].sum())}


def share_of_reliable(
    hubs: pd.DataFrame, network: pd.DataFrame, direction: str
) -> np.ndarray[Any, Any]:
    """Share of each hub's edges that are marked as reliable, missing for a hub without edges.

    Parameters
    ----------
    hubs
        Table of hubs with ``gene``.
    network
        The edges that count, with ``source``, ``target`` and ``reliable``.
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
