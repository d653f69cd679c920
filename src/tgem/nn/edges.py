"""The strongest entries of a genes x genes matrix that never exists as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


class Edges(NamedTuple):
    """Pairs of genes and their weights, strongest first, each ``(n_edges,)``.

    Attributes
    ----------
    queries
        Indices of the genes that attend.
    keys
        Indices of the genes that they attend to.
    weights
        Entries of the matrix.
    """

    queries: Tensor
    keys: Tensor
    weights: Tensor


@torch.no_grad()
def strongest_edges(blocks: Iterable[tuple[slice, Tensor]], n_edges: int) -> Edges:
    """Edges of largest absolute weight in a matrix that comes in blocks.

    Memory holds one block and `n_edges` edges.

    Parameters
    ----------
    blocks
        Slices of query genes in ascending order, and their rows of the matrix
        ``(n_queries, n_genes)``, as from :func:`mean_attention_blocks`.
    n_edges
        How many edges to keep. There are fewer if fewer weights differ from zero.

    Returns
    -------
    Edges
        Of equal ones, the one that comes first by query gene and key gene is the stronger one.

    Raises
    ------
    ValueError
        If `n_edges` is below 1 or there is no block.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import strongest_edges
    >>> rows = torch.tensor([[0.0, 0.1, -0.7], [0.3, 0.0, 0.2]])
    >>> strongest_edges([(slice(0, 1), rows[:1]), (slice(1, 2), rows[1:])], n_edges=2)
    Edges(queries=tensor([0, 1]), keys=tensor([2, 0]), weights=tensor([-0.7000,  0.3000]))
    """
    if n_edges < 1:
        msg = f"n_edges is {n_edges}; expected at least 1"
        raise ValueError(msg)
    best: Edges | None = None
    for genes, rows in blocks:
        edges = _strong_entries(rows, n_edges, genes.start)
        if best is not None:
            edges = Edges(*map(torch.cat, zip(best, edges, strict=True)))
        # A stable sort leaves equal ones as they came.
        order = edges.weights.abs().sort(descending=True, stable=True).indices[:n_edges]
        best = Edges(*(part[order] for part in edges))
    if best is None:
        msg = "expected at least one block of rows; found none"
        raise ValueError(msg)
    return best


def _strong_entries(rows: Tensor, n_edges: int, first: int) -> Edges:
    """Entries among which are the block's `n_edges` strongest, by query and key."""
    strength = rows.abs()
    candidates = strength > 0
    if rows.numel() > n_edges:
        candidates &= strength >= strength.flatten().topk(n_edges, sorted=False).values.min()
    queries, keys = candidates.nonzero(as_tuple=True)
    return Edges(queries + first, keys, rows[queries, keys])
