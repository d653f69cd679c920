r"""Average attributions of attention weights over cells, a block of query genes at a time.

The network of a class of cells is the mean over its cells, and the sum over heads, of
:math:`w_h v_{hj} \bar g_i (A_{hij} - A'_{hij})` (see :mod:`tgem.nn.attention_attribution`). The
first part is a weighted sum of attention matrices, as in :mod:`tgem.nn.mean_attention`. The baseline's
weights are the same for all cells, so the second part is, for each head, :math:`A'_h` times the
product :math:`\bar g^\top v_h` over cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tgem.nn.attention_attribution import AttentionAttribution
from tgem.nn.exact_attention import steps
from tgem.nn.kernels import (
    checked_shape,
    denominators,
    rows_and_kernel,
    widened,
    without_autocast,
)
from tgem.nn.mean_attention import MOST_TERMS, check_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from tgem.nn.kernels import Kernel, Method


def mean_attribution_blocks(
    attributions: AttentionAttribution | Sequence[AttentionAttribution],
    *,
    block: int = 512,
    method: Method = "auto",
    tolerance: float = 1e-8,
) -> Iterator[tuple[slice, Tensor]]:
    """Average attribution of the attention weights, a block of query genes at a time.

    Memory holds one ``(block, n_genes)`` matrix and what is linear in `n_genes`.

    Parameters
    ----------
    attributions
        Of cells to average over, heads summed: one, or a list of minibatches of the same layer
        and baseline.
    block
        Query genes per block.
    method, tolerance
        As in :func:`mean_attention_blocks`.

    Returns
    -------
    Iterator of slices of query genes, and their rows ``(n_queries, n_genes)``. The diagonal is
    zero. Pass it to :func:`strongest_edges` for a network.

    Raises
    ------
    ValueError
        If there are no cells, minibatches do not match, or `block` is below 1.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import attention_attribution, mean_attribution_blocks
    >>> x = torch.tensor([[[1.0, 2.0, 0.5]]])
    >>> found = attention_attribution(
    ...     lambda attended: attended.square().sum(1),
    ...     *(x, x, x),
    ...     head_weight=torch.ones(1),
    ...     base_q=torch.zeros(1, 3),
    ...     base_k=torch.zeros(1, 3),
    ... )
    >>> for genes, rows in mean_attribution_blocks(found, block=2):
    ...     print(genes, rows, sep="\\n")
    """
    if isinstance(attributions, AttentionAttribution):
        attributions = [attributions]
    checked_shape(method, tolerance)
    check_block(block)
