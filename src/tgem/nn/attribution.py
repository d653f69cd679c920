r"""Integrated Gradients of the attention weights of one layer, in time linear in genes.

**What is attributed.** A layer adds its heads' attended values up,
:math:`z_i = \sum_h w_h \sum_{j \ne i} A_{hij} v_{hj}`, and the rest of the network turns :math:`z`
into the explained output *F*. With everything else held fixed, Integrated Gradients from a baseline
:math:`A'` of the weights (those of a zero input) to :math:`A` gives

.. math::

    \phi_{hij} = (A_{hij} - A'_{hij}) \int_0^1
        \frac{\partial F}{\partial A_{hij}}\Big|_{A' + \alpha (A - A')} d\alpha .

**Why no genes x genes object is needed.** The weights enter through :math:`z` alone, which is
linear in them. So the gradient is of rank one, :math:`\partial F / \partial A_{hij} = w_h v_{hj}\,
\partial F / \partial z_i`, and on the straight line between the weights :math:`z` runs on the
straight line from :math:`z'`, which the baseline's weights give with the *same* values, to
:math:`z`. With :math:`\bar g_i` the mean of :math:`\partial F / \partial z_i` on that line,

.. math:: \phi_{hij} = w_h\, v_{hj}\, \bar g_i\, (A_{hij} - A'_{hij}), \qquad i \ne j .

One vector :math:`\bar g` per cell, of the length of the genes, is all that the integral leaves;
the queries, keys and values do the rest. The sum of all attributions of a cell,
:math:`\sum_i \bar g_i (z_i - z'_i)`, is as cheap, so completeness can always be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from tgem.nn.attention import scalar_attention
from tgem.nn.kernels import widened

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tgem.nn.kernels import Method


class AttentionAttribution(NamedTuple):
    r"""Factors of the attributions :math:`w_h v_{hj} \bar g_i (A_{hij} - A'_{hij})` of cells.

    Attributes
    ----------
    q, k, v
        The layer's queries, keys and values, ``(n_obs, n_heads, n_genes)``.
    head_weight
        Weight of each head in the sum over heads, ``(n_heads,)``.
    base_q, base_k
        Queries and keys of the baseline, ``(n_heads, n_genes)``; or, where the baseline is the mean
        map of reference cells, theirs, ``(n_reference, n_heads, n_genes)``.
    gradient
        Mean gradient of the explained output with respect to the attended values on the way from
        the baseline, ``(n_obs, n_genes)``; or, where it differs between heads by more than their
        weight, ``(n_obs, n_heads, n_genes)``.
    change
        Change of the explained output from the baseline's weights to the weights, ``(n_obs,)``.
    residual
        Sum of a cell's attributions less `change`, ``(n_obs,)``. Zero up to rounding where the
        integral has converged; where it is not, take more steps.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    head_weight: Tensor
    base_q: Tensor
    base_k: Tensor
    gradient: Tensor
    change: Tensor
    residual: Tensor


def attention_attribution(
    function: Callable[[Tensor], Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    head_weight: Tensor,
    base_q: Tensor,
    base_k: Tensor,
    n_steps: int = 50,
    method: Method = "auto",
    tolerance: float = 1e-8,
) -> AttentionAttribution:
    r"""Integrated Gradients of a layer's attention weights, as factors of linear size.

    The residual tells whether the Gauss-Legendre sum over `n_steps` points has converged: it
    compares the sum of the attributions with the change of `function` when the weights, and
    nothing else, change from the baseline's.

    Parameters
    ----------
    function
        The rest of the network: takes the layer's attended values, heads summed, ``(n_obs,
        n_genes)``, and returns the explained output of each cell, ``(n_obs,)``, such as the
        logit of its class. Whatever else it needs, such as the input of the layer that a residual
        connection adds, it holds fixed. Each output must depend on its own cell only, so put a
        module with dropout in evaluation mode.
    q, k, v
        The layer's queries, keys and values, ``(n_obs, n_heads, n_genes)``.
    head_weight
        Weight of each head in the sum over heads, ``(n_heads,)``.
    base_q, base_k
        The layer's queries and keys for the baseline, ``(n_heads, n_genes)``: those of an input
        of zeros to the *network*, which behind the first layer need not be zero.
    n_steps
        Points of the Gauss-Legendre sum.
    method, tolerance
        As in :func:`scalar_attention`.

    Returns
    -------
    AttentionAttribution
        Pass one, or several of the same layer, to :func:`mean_attribution_blocks`.

    Raises
    ------
    ValueError
        If shapes do not match, `n_steps` is below 1, `function` does not return ``(n_obs,)``, or
        a number is not finite.
    TypeError
        As :func:`scalar_attention`.

    Examples
    --------
    >>> import torch
    >>> from tgem.nn import attention_attribution
    >>> x = torch.tensor([[[1.0, 2.0, 0.5]]])
    >>> found = attention_attribution(
    ...     lambda attended: attended.square().sum(1),
    ...     *(x, x, x),
    ...     head_weight=torch.ones(1),
    ...     base_q=torch.zeros(1, 3),
    ...     base_k=torch.zeros(1, 3),
    ... )
    >>> found.change.round(decimals=4)
    tensor([1.4073])
    >>> bool(found.residual.abs() < 1e-5)
    True
    """
    _check_shapes(q, k, v, head_weight=head_weight, base_q=base_q, base_k=base_k)
    if n_steps < 1:
        msg = f"n_steps is {n_steps}; expected at least 1"
        raise ValueError(msg)
    q, k, v, head_weight, base_q, base_k = (
        tensor.detach() for tensor in (q, k, v, head_weight, base_q, base_k)
    )

    def attended(q: Tensor, k: Tensor) -> Tensor:
        heads = scalar_attention(*widened(q, k, v), method=method, tolerance=tolerance)
        return torch.einsum("h,nhg->ng", head_weight.to(heads), heads)

    end, start = attended(q, k), attended(base_q, base_k)
    with torch.no_grad():
        change = value_of(function, end.to(q.dtype)) - value_of(function, start.to(q.dtype))
    gradient = mean_gradient(function, start, end, n_steps=n_steps, dtype=q.dtype)
    residual = (gradient * (end - start)).sum(1) - change
    return AttentionAttribution(
        *(q, k, v, head_weight, base_q, base_k),
        *(tensor.to(q.dtype) for tensor in (gradient, change, residual)),
    )


def mean_gradient(
    function: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    *,
    n_steps: int,
    dtype: torch.dtype,
) -> Tensor:
    """Gauss-Legendre mean of the gradient on the straight line, in the shape of its ends."""
    mean = torch.zeros_like(end)
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        # Callers may be in inference mode, whose tensors cannot be differentiated.
        with torch.inference_mode(mode=False), torch.enable_grad():
            point = torch.lerp(start.clone(), end, (node + 1) / 2).to(dtype)
            point = point.clone().requires_grad_()
            output = value_of(function, point)
            (gradient,) = torch.autograd.grad(output.sum(), point)
        mean += gradient.detach().to(mean) * (weight / 2)
    return mean


def value_of(function: Callable[[Tensor], Tensor], attended: Tensor) -> Tensor:
    """Explained output of each cell, ``(n_obs,)``."""
    output = function(attended)
    if output.shape != attended.shape[:1]:
        msg = (
            f"expected function to return one number for each of {len(attended)} cells; found "
            f"shape {tuple(output.shape)}"
        )
        raise ValueError(msg)
    return output.to(torch.promote_types(output.dtype, torch.float32))


def _check_shapes(q: Tensor, k: Tensor, v: Tensor, **of_heads: Tensor) -> None:
    if q.ndim != 3 or not q.shape == k.shape == v.shape:
        msg = (
            "expected q, k, v of one shape (n_obs, n_heads, n_genes); found "
            f"{tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
        raise ValueError(msg)
    for name, tensor in of_heads.items():
        expected = tuple(q.shape[1:2] if name == "head_weight" else q.shape[1:])
        if tensor.shape != expected:
            msg = f"expected {name} of shape {expected}; found {tuple(tensor.shape)}"
            raise ValueError(msg)
