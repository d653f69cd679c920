"""Attributions from gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tgem.attr._problem import (
    Attribution,
    Function,
    Inputs,
    Problem,
    check_numbers,
    explain,
    gradients,
    like_inputs,
    posed,
)


def integrated_gradients(
    function: Function,
    inputs: Inputs,
    *,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    n_steps: int = 50,
    batch_size: int = 64,
) -> Attribution[Inputs]:
    r"""Integrated Gradients: gradients averaged on the straight line from baseline to input.

    The contribution of entry :math:`i` of the input :math:`x` to the output :math:`F` is

    .. math::
        \phi_i(x) = (x_i - b_i) \int_0^1
        \frac{\partial F(b + \alpha (x - b))}{\partial x_i} \, d\alpha ,

    where :math:`b` is the baseline. The contributions of an observation add up to
    :math:`F(x) - F(b)` (completeness); `residual` of the result says how closely. The integral
    is a Gauss-Legendre sum, exact where the gradient is a polynomial of degree below
    ``2 * n_steps`` along the line.

    Parameters
    ----------
    function
        Differentiable function ``f(*inputs) -> (n_obs, n_targets)``. Each output row must depend
        on its own observation only: put modules with dropout or batch normalisation in
        evaluation mode first, their mode is left as it is.
    inputs
        What to explain: a floating-point tensor ``(n_obs, ...)``, or a tuple of them.
    targets
        Output column that is explained: one for each observation, ``(n_obs,)``, or one for all.
    baselines
        Where the line starts: tensors that broadcast to `inputs`, as a tuple if `inputs` is
        one. ``None`` means zeros.
    n_steps
        Number of points on the line.
    batch_size
        Largest number of rows, observations times points, given to `function` at once. It bounds
        the memory and does not change the result beyond rounding.

    Returns
    -------
    Attribution
        Contributions in the structure of `inputs`, and the completeness residual. Contributions
        are exactly 0 where input and baseline are equal and for inputs that `function` ignores.

    Raises
    ------
    TypeError
        If an input is not a floating-point tensor, or the targets are not integers.
    ValueError
        If shapes do not match, a target is not a column of the output, a number is below 1, or
        `function` breaks the gradient.

    References
    ----------
    Sundararajan, Taly and Yan. Axiomatic attribution for deep networks. ICML 2017
    :cite:p:`sundararajan2017`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import integrated_gradients
    >>> cells = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]])
    >>> values, residual = integrated_gradients(lambda x: x**2, cells, targets=torch.tensor([1, 0]))
    >>> values.round(decimals=4)
    tensor([[0., 4., 0.],
            [9., 0., 0.]])
    >>> bool(residual.abs().max() < 1e-5)
    True
    """
    check_numbers(n_steps=n_steps, batch_size=batch_size)
    problem = posed(function, inputs, targets, baselines)

    def contributions(part: Problem) -> tuple[Tensor, ...]:
        return _scaled(part, _mean_gradients(part, n_steps, batch_size))

    return like_inputs(explain(problem, batch_size, contributions), inputs)


def input_x_gradient(
    function: Function,
    inputs: Inputs,
    *,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    batch_size: int = 64,
) -> Attribution[Inputs]:
    r"""Input times gradient: each entry's part of the change in a first-order approximation.

    .. math::
        \phi_i(x) = (x_i - b_i) \frac{\partial F(x)}{\partial x_i}

    for input :math:`x`, baseline :math:`b` and output :math:`F`: Integrated Gradients with the
    gradient at the input in place of the mean gradient on the way to it. The contributions add
    up to :math:`F(x) - F(b)` only where :math:`F` is linear between the two.

    Parameters
    ----------
    function, inputs, targets
        As in :func:`integrated_gradients`.
    baselines
        What the input is compared with: tensors that broadcast to `inputs`, as a tuple if
        `inputs` is one. ``None`` means zeros.
    batch_size
        Largest number of observations given to `function` at once.

    Returns
    -------
    Attribution
        Contributions in the structure of `inputs`, exactly 0 where input and baseline are equal;
        and by how much they miss the change of the output.

    Raises
    ------
    TypeError, ValueError
        As :func:`integrated_gradients`.

    References
    ----------
    Without baseline, "gradient x input" in :cite:t:`shrikumar2017`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import input_x_gradient
    >>> input_x_gradient(lambda x: x**2, torch.tensor([[1.0, 2.0]]), targets=1).values
    tensor([[0., 8.]])
    """
    check_numbers(batch_size=batch_size)
    problem = posed(function, inputs, targets, baselines)

    def contributions(part: Problem) -> tuple[Tensor, ...]:
        points = tuple(end.clone() for end in part.ends)
        return _scaled(part, gradients(part.function, points, part.columns))

    return like_inputs(explain(problem, batch_size, contributions), inputs)


def _scaled(part: Problem, slopes: tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
    """Way from baseline to input times slope."""
    # The mask keeps the exact zero even where a gradient is infinite.
    return tuple(
        torch.zeros_like(way) if slope is None else torch.where(way == 0, 0, way * slope)
        for way, slope in zip(part.ways(), slopes, strict=True)
    )


def _mean_gradients(part: Problem, n_steps: int, batch_size: int) -> tuple[Tensor, ...]:
    """Gauss-Legendre mean of the gradients on the line from baseline to input."""
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    nodes, weights = (nodes + 1) / 2, weights / 2
    n_obs = len(part.columns)
    steps = max(1, batch_size // n_obs)
    means = tuple(torch.zeros_like(end) for end in part.ends)
    for first in range(0, n_steps, steps):
        chunk = slice(first, first + steps)
        n_points = len(nodes[chunk])
        points = tuple(
            torch.lerp(
                start, end, torch.as_tensor(nodes[chunk]).to(end).view(-1, *[1] * end.ndim)
            ).flatten(0, 1)
            for start, end in zip(part.starts, part.ends, strict=True)
        )
        found = gradients(part.function, points, part.columns.repeat(n_points))
        for mean, gradient in zip(means, found, strict=True):
            if gradient is not None:
                weight = torch.as_tensor(weights[chunk]).to(gradient)
                slopes = gradient.reshape(n_points, n_obs, *gradient.shape[1:])
                mean.add_(torch.tensordot(weight, slopes, dims=1))
    return means
