r"""The genes that a gene attends to most, without looking at its other weights.

The score :math:`q_i k_j` is rank one: all genes whose query is positive rank the keys alike, by
:math:`k_j`, and all genes whose query is negative rank them in reverse. One sort of the keys per
cell and head therefore serves every query gene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from tgem.nn.kernels import (
    checked_shape,
    denominators,
    rows_and_kernel,
    without_autocast,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tgem.nn.kernels import Method


class TopKeys(NamedTuple):
    """Keys with the largest attention weights, ``(..., n_queries, n_keys)``, largest first.

    Attributes
    ----------
    indices
        Which genes they are.
    weights
        Attention that the query gene pays to them.
    """

    indices: Tensor
    weights: Tensor


@torch.no_grad()
def top_keys(
    q: Tensor,
    k: Tensor,
    queries: Tensor,
    n_keys: int,
    *,
    method: Method = "auto",
    tolerance: float = 1e-8,
) -> TopKeys:
    r"""Genes to which the chosen query genes attend most, in time linear in genes but for a sort.

    No gene is among its own keys. Of genes with equal keys, and for a query of zero of all genes,
    the one with the smaller index comes first.

    Parameters
    ----------
    q, k
        Queries and keys of all genes, ``(..., n_genes)``. Leading dimensions are broadcast.
    queries
        Indices of the query genes, ``(n_queries,)``.
    n_keys
        How many keys to return for each, below `n_genes`.
    method
        How the denominators of the weights are summed, as in :func:`scalar_attention`.
    tolerance
        Bound on the relative error of the weights from the expansion; the ranking is exact.

    Returns
    -------
    TopKeys
        Indices, and weights in the inputs' type.

    Raises
    ------
    ValueError
        As :func:`scalar_attention`, or if there are not that many other genes.
    TypeError
        As :func:`scalar_attention`, or if `queries` are not whole numbers.
    IndexError
        If a query gene does not exist.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import top_keys
    >>> expression = torch.tensor([-1.0, 0.0, 2.0, 1.0])
    >>> indices, weights = top_keys(expression, expression, torch.tensor([0, 3]), n_keys=2)
    >>> indices  # the first query is negative
    tensor([[1, 3],
            [2, 1]])
    >>> weights
    tensor([[0.2369, 0.0871],
            [0.6439, 0.0871]])
    """
    shape = checked_shape(method, tolerance, q=q, k=k)
    dtype = torch.promote_types(q.dtype, k.dtype)
    _check_choice(queries, n_keys, shape[-1])
    queries = queries.to(device=q.device, dtype=torch.long)
    result_shape = (*shape[:-1], len(queries), n_keys)
    if 0 in result_shape:
        empty = queries.new_zeros(result_shape)
        return TopKeys(empty, empty.to(dtype))
    with without_autocast(q.device):
        q, k, kernel = rows_and_kernel(shape, q, k, method=method, tolerance=tolerance)
        denominator = denominators(kernel, q) * kernel.excess().exp()
        q, denominator = q[:, queries], denominator[:, queries]
        indices = _ranked(q, k, queries, n_keys)
        weights = _scores_below_largest(q, k, indices).exp() / denominator.unsqueeze(-1)
    return TopKeys(indices.view(result_shape), weights.view(result_shape).to(dtype))


def _check_choice(queries: Tensor, n_keys: int, n_genes: int) -> None:
    if queries.is_floating_point() or queries.is_complex() or queries.dtype == torch.bool:
        msg = f"expected indices of genes in queries; found {queries.dtype}"
        raise TypeError(msg)
    if queries.ndim != 1:
        msg = f"expected queries of shape (n_queries,); found {tuple(queries.shape)}"
        raise ValueError(msg)
    if not 0 <= n_keys < n_genes:
        msg = f"n_keys is {n_keys}; expected at most {n_genes - 1}, the other genes' number"
        raise ValueError(msg)
    outside = queries[(queries < 0) | (queries >= n_genes)]
    if len(outside):
        msg = f"there is no query gene {int(outside[0])}; indices run from 0 to {n_genes - 1}"
        raise IndexError(msg)


def _ranked(q: Tensor, k: Tensor, queries: Tensor, n_keys: int) -> Tensor:
    """Largest keys of each query but its own, ``(n_rows, n_queries, n_keys)``."""
    n_candidates = n_keys + 1  # one of them may be the query itself
    falling = k.sort(dim=-1, descending=True, stable=True).indices[:, None, :n_candidates]
    rising = k.sort(dim=-1, stable=True).indices[:, None, :n_candidates]
    as_they_come = torch.arange(n_candidates, device=k.device)
    sign = q.sign().unsqueeze(-1)
    candidates = torch.where(sign > 0, falling, torch.where(sign < 0, rising, as_they_come))
    itself = (candidates == queries[:, None]).to(torch.uint8)
    kept = itself.sort(dim=-1, stable=True).indices[..., :n_keys]
    return candidates.gather(-1, kept)


def _scores_below_largest(q: Tensor, k: Tensor, indices: Tensor) -> Tensor:
    """Scores of the keys less the largest of the row: differences first, so nothing overflows."""
    low, high = torch.aminmax(k, dim=-1, keepdim=True)
    extreme = torch.where(q >= 0, high, low)
    keys = k.unsqueeze(1).expand(-1, indices.shape[1], -1).gather(-1, indices)
    return q.unsqueeze(-1) * (keys / 2 - extreme.unsqueeze(-1) / 2) * 2
