r"""Average attention matrices, a block of query genes at a time.

An attention matrix has :math:`G^2` entries, so nothing that returns one is linear in the number of
genes *G*; but no matrix of a single cell is needed for the average. In the expansion of
:mod:`tgem.nn.linear_attention` the matrix of cell and head *n* is a product
:math:`A_n = L_n^\top E_n` of factors with *r* rows, so that the sum over cells and heads is one
matrix product of inner size *r* times their number. Far above sixty terms that costs more than
:math:`G^2` exponentials per matrix, and they are added up directly. The diagonal is set to zero
at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tgem.nn.exact_attention import steps
from tgem.nn.kernels import (
    checked_shape,
    denominators,
    rows_and_kernel,
    without_autocast,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from tgem.nn.kernels import Kernel, Method

MOST_TERMS = 64.0  # of a product that is clearly faster than the exponentials


def mean_attention_blocks(
    q: Tensor, k: Tensor, *, block: int = 512, method: Method = "auto", tolerance: float = 1e-8
) -> Iterator[tuple[slice, Tensor]]:
    """Average attention matrix over cells and heads, a block of query genes at a time.

    Memory holds one ``(block, n_genes)`` matrix and what is linear in `n_genes`.

    Parameters
    ----------
    q, k
        Queries and keys, ``(..., n_genes)``. Leading dimensions are broadcast and averaged over.
    block
        Query genes per block.
    method
        ``"linear"`` multiplies the factors of the expansion, ``"exact"`` adds all weights up,
        ``"auto"`` takes the faster one.
    tolerance
        Bound on the error of a row's sum of weights from the expansion.

    Returns
    -------
    Iterator of slices of query genes, and their rows ``(n_queries, n_genes)`` in the inputs' type,
    in double precision inside. The diagonal is zero.

    Raises
    ------
    ValueError, TypeError
        As :func:`scalar_attention`, or if `block` is below 1 or there is nothing to average.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import mean_attention_blocks
    >>> cells = torch.rand(10, 5)
    >>> [rows.shape for genes, rows in mean_attention_blocks(cells, cells, block=3)]
    [torch.Size([3, 5]), torch.Size([2, 5])]
    """
    shape = checked_shape(method, tolerance, q=q, k=k)
    check_block(block)
    if 0 in shape:
        msg = f"expected at least one cell and one gene to average over; found shape {tuple(shape)}"
        raise ValueError(msg)
    dtype = torch.promote_types(q.dtype, k.dtype)
    with torch.no_grad(), without_autocast(q.device):
        q, k, kernel = rows_and_kernel(
            shape, q, k, method=method, tolerance=tolerance, most_terms=MOST_TERMS
        )
        weights = denominators(kernel, q).mul_(len(q)).reciprocal_()
    return _blocks(kernel, weights, block, dtype)


def mean_attention(
    q: Tensor, k: Tensor, *, block: int = 512, method: Method = "auto", tolerance: float = 1e-8
) -> Tensor:
    """Average attention matrix over cells and heads.

    Parameters
    ----------
    q, k, block, method, tolerance
        As in :func:`mean_attention_blocks`.

    Returns
    -------
    Matrix ``(n_genes, n_genes)`` of query genes by key genes, with a zero diagonal. At 20,000
    genes it takes 1.6 GB in single precision; see :func:`strongest_edges` for a part of it.

    Raises
    ------
    ValueError, TypeError
        As :func:`mean_attention_blocks`.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import mean_attention
    >>> mean_attention(torch.zeros(10, 3), torch.zeros(10, 3))
    tensor([[0.0000, 0.3333, 0.3333],
            [0.3333, 0.0000, 0.3333],
            [0.3333, 0.3333, 0.0000]])
    """
    blocks = mean_attention_blocks(q, k, block=block, method=method, tolerance=tolerance)
    n_genes = q.shape[-1]
    matrix = q.new_empty(n_genes, n_genes, dtype=torch.promote_types(q.dtype, k.dtype))
    for genes, rows in blocks:
        matrix[genes] = rows
    return matrix


def check_block(block: int) -> None:
    """Refuse an empty block."""
    if block < 1:
        msg = f"block is {block}; expected at least 1 gene"
        raise ValueError(msg)


def _blocks(
    kernel: Kernel, weights: Tensor, block: int, dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor]]:
    for genes in steps(weights.shape[-1], block):
        # Not around the loop: what happens between two blocks is the caller's.
        with torch.no_grad(), without_autocast(weights.device):
            rows = kernel.over_rows(genes, weights[:, genes]).clamp_min_(0).to(dtype)
        yield genes, rows
