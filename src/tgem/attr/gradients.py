"""Attributions from gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

Inputs = TypeVar("Inputs", Tensor, tuple[Tensor, ...])
Function = Callable[..., Tensor]


class Attribution(NamedTuple, Generic[Inputs]):
    """Attributions of a function's output to its inputs.

    Attributes
    ----------
    values
        Contribution of each input entry to the explained output: a tensor of the shape of the
        input, or a tuple of them where the function takes several inputs.
    residual
        Per observation, the sum of its contributions minus the change of the output between
        baseline and input, ``(n_obs,)``. Zero up to rounding where the method has converged.
    """

    values: Inputs
    residual: Tensor


def integrated_gradients(
    function: Function,
    inputs: Inputs,
    *,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    n_steps: int = 50,
    batch_size: int = 512,
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
    ends = _as_tuple(inputs, "inputs")
    _check_numbers(n_steps=n_steps, batch_size=batch_size)
    _check_inputs(ends)
    starts = _matching_baselines(baselines, ends)
    columns = _matching_targets(targets, ends[0])
    n_obs = len(ends[0])
    rows = max(1, min(n_obs, batch_size))
    # Inference mode, unlike no_grad, cannot be undone by enable_grad alone.
    with torch.inference_mode(mode=False):
        values = tuple(torch.zeros_like(end) for end in ends)
        residual = ends[0].new_zeros(n_obs)
        for first in range(0, n_obs, rows):
            part = slice(first, first + rows)
            line = _Line(
                function,
                tuple(start[part] for start in starts),
                tuple(end[part] for end in ends),
                columns[part],
            )
            contributions = line.contributions(n_steps, batch_size)
            for value, contribution in zip(values, contributions, strict=True):
                value[part] = contribution
            residual[part] = line.residual(contributions)
    if isinstance(inputs, tuple):
        return Attribution(values, residual)
    return Attribution(values[0], residual)


class _Line(NamedTuple):
    """Straight line from `starts` to `ends` for a batch of observations."""

    function: Function
    starts: tuple[Tensor, ...]
    ends: tuple[Tensor, ...]
    columns: Tensor

    def contributions(self, n_steps: int, batch_size: int) -> tuple[Tensor, ...]:
        """Gauss-Legendre sum of the gradients times the way from start to end."""
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        nodes, weights = (nodes + 1) / 2, weights / 2
        steps = max(1, batch_size // len(self.columns))
        ways = tuple(end - start for start, end in zip(self.starts, self.ends, strict=True))
        integrals = tuple(torch.zeros_like(way) for way in ways)
        for first in range(0, n_steps, steps):
            chunk = slice(first, first + steps)
            for integral, gradient in zip(integrals, self._gradients(nodes[chunk]), strict=True):
                if gradient is not None:
                    weight = torch.as_tensor(weights[chunk]).to(gradient)
                    integral.add_(torch.tensordot(weight, gradient, dims=1))
        # The mask keeps the exact zero even where a gradient is infinite.
        return tuple(
            torch.where(way == 0, 0, way * integral)
            for way, integral in zip(ways, integrals, strict=True)
        )

    def _gradients(self, nodes: np.ndarray) -> tuple[Tensor | None, ...]:
        """Gradients at `nodes`, each ``(n_nodes, n_obs, ...)``; None for an unused input."""
        points = tuple(
            torch.lerp(start, end, torch.as_tensor(nodes).to(end).view(-1, *[1] * end.ndim))
            .flatten(0, 1)
            .requires_grad_()
            for start, end in zip(self.starts, self.ends, strict=True)
        )
        with torch.enable_grad():
            output = _evaluate(self.function, points, self.columns.repeat(len(nodes)))
            if not output.requires_grad:
                msg = (
                    "Expected the output of `function` to carry a gradient to its inputs, found "
                    "none. Does it use `detach`, `torch.no_grad` or numpy, or ignore its inputs?"
                )
                raise ValueError(msg)
            gradients = torch.autograd.grad(output.sum(), points, allow_unused=True)
        return tuple(
            None
            if gradient is None
            else gradient.reshape(len(nodes), len(self.columns), *gradient.shape[1:])
            for gradient in gradients
        )

    def residual(self, contributions: tuple[Tensor, ...]) -> Tensor:
        """Sum of the contributions minus the change of the output along the line."""
        total = sum(values.reshape(len(values), -1).sum(1) for values in contributions)
        with torch.no_grad():
            change = _evaluate(self.function, self.ends, self.columns)
            change = change - _evaluate(self.function, self.starts, self.columns)
        return total - change


def _evaluate(function: Function, points: tuple[Tensor, ...], columns: Tensor) -> Tensor:
    """Output of `function` in the column of each row."""
    output = function(*points)
    n_rows = len(columns)
    if output.ndim != 2 or len(output) != n_rows:
        msg = (
            f"Expected `function` to return a tensor of shape ({n_rows}, n_targets) for {n_rows} "
            f"observations, found {tuple(output.shape)}."
        )
        raise ValueError(msg)
    if (largest := int(columns.max())) >= output.shape[1]:
        msg = (
            f"Expected `targets` between 0 and {output.shape[1] - 1}, because `function` has "
            f"{output.shape[1]} output columns, found {largest}."
        )
        raise ValueError(msg)
    return output.gather(1, columns.to(output.device)[:, None])[:, 0]


def _as_tuple(tensors: object, name: str) -> tuple[Tensor, ...]:
    found = tensors if isinstance(tensors, tuple) else (tensors,)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            msg = f"Expected `{name}` to be a tensor or tuple of tensors, found {type(tensor)}."
            raise TypeError(msg)
    if not found:
        msg = f"Expected at least one tensor in `{name}`, found an empty tuple."
        raise ValueError(msg)
    return tuple(tensor.detach() for tensor in found)


def _check_numbers(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            msg = f"Expected `{name}` to be at least 1, found {number}."
            raise ValueError(msg)


def _check_inputs(inputs: tuple[Tensor, ...]) -> None:
    for tensor in inputs:
        if not tensor.is_floating_point():
            msg = (
                f"Expected floating-point `inputs`, found {tensor.dtype}: there is no line between "
                "whole numbers. Convert with `.float()`, or fix the input inside `function`."
            )
            raise TypeError(msg)
        if tensor.ndim == 0 or len(tensor) != len(inputs[0]):
            shapes = [tuple(each.shape) for each in inputs]
            msg = f"Expected `inputs` with the same number of observations, found shapes {shapes}."
            raise ValueError(msg)


def _matching_baselines(
    baselines: Tensor | tuple[Tensor, ...] | None, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    if baselines is None:
        return tuple(torch.zeros_like(tensor[:1]).expand_as(tensor) for tensor in inputs)
    found = _as_tuple(baselines, "baselines")
    if len(found) != len(inputs):
        msg = f"Expected {len(inputs)} `baselines`, one for each input, found {len(found)}."
        raise ValueError(msg)
    expanded = []
    for baseline, tensor in zip(found, inputs, strict=True):
        try:
            expanded.append(torch.broadcast_to(baseline.to(tensor), tensor.shape))
        except RuntimeError:
            msg = (
                f"Expected a baseline that broadcasts to the input's shape {tuple(tensor.shape)}, "
                f"found shape {tuple(baseline.shape)}."
            )
            raise ValueError(msg) from None
    return tuple(expanded)


def _matching_targets(targets: Tensor | int, first_input: Tensor) -> Tensor:
    n_obs = len(first_input)
    columns = torch.as_tensor(targets, device=first_input.device)
    if columns.is_floating_point() or columns.is_complex() or columns.dtype == torch.bool:
        msg = f"Expected whole numbers in `targets`, found {columns.dtype}."
        raise TypeError(msg)
    if columns.ndim == 0:
        columns = columns.expand(n_obs)
    if columns.shape != (n_obs,):
        msg = (
            f"Expected one number in `targets`, or one for each of the {n_obs} observations, "
            f"found shape {tuple(columns.shape)}."
        )
        raise ValueError(msg)
    if n_obs and (smallest := int(columns.min())) < 0:
        msg = f"Expected `targets` of at least 0, found {smallest}."
        raise ValueError(msg)
    return columns.long()
