"""What all methods share: the checked question, its batches, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

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
        baseline and input, ``(n_obs,)``. Zero up to rounding where the method is complete and
        has converged; no measure of quality where it is not complete.
    """

    values: Inputs
    residual: Tensor


class Problem(NamedTuple):
    """What is explained: one output column of each of a batch of observations.

    Attributes
    ----------
    function
        Maps tensors of observations to ``(n_obs, n_targets)``.
    starts, ends
        Baseline and input, tensors of the same shapes.
    columns
        Explained output column of each observation.
    first
        Position of the batch's first observation among all.
    """

    function: Function
    starts: tuple[Tensor, ...]
    ends: tuple[Tensor, ...]
    columns: Tensor
    first: int = 0

    def part(self, first: int, n_obs: int) -> Problem:
        """Question about `n_obs` observations from position `first`."""
        rows = slice(first, first + n_obs)
        starts = tuple(start[rows] for start in self.starts)
        ends = tuple(end[rows] for end in self.ends)
        return Problem(self.function, starts, ends, self.columns[rows], self.first + first)

    def ways(self) -> tuple[Tensor, ...]:
        """Input minus baseline."""
        return tuple(end - start for start, end in zip(self.starts, self.ends, strict=True))

    def change(self) -> Tensor:
        """Output at the input minus output at the baseline."""
        with torch.no_grad():
            change = evaluate(self.function, self.ends, self.columns)
            return change - evaluate(self.function, self.starts, self.columns)


def explain(
    problem: Problem, batch_size: int, contributions: Callable[[Problem], tuple[Tensor, ...]]
) -> Attribution[tuple[Tensor, ...]]:
    """Contributions and residual of all observations, at most `batch_size` at a time."""
    # Inference mode, unlike no_grad, cannot be undone by enable_grad alone.
    with torch.inference_mode(mode=False):
        values = tuple(torch.zeros_like(end) for end in problem.ends)
        n_obs = len(problem.columns)
        residual = problem.ends[0].new_zeros(n_obs)
        for first in range(0, n_obs, batch_size):
            part = problem.part(first, batch_size)
            found = contributions(part)
            rows = slice(first, first + batch_size)
            for value, contribution in zip(values, found, strict=True):
                value[rows] = contribution
            total = sum(each.reshape(len(each), -1).sum(1) for each in found)
            residual[rows] = total - part.change()
    return Attribution(values, residual)


def like_inputs(found: Attribution[tuple[Tensor, ...]], inputs: Inputs) -> Attribution[Inputs]:
    """Attribution with its values as a tuple only if the inputs are one."""
    if isinstance(inputs, tuple):
        return Attribution(found.values, found.residual)
    return Attribution(found.values[0], found.residual)


def gradients(
    function: Function, points: tuple[Tensor, ...], columns: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of each row's output column at `points`, new leaves; None for an unused input."""
    points = tuple(point.requires_grad_() for point in points)
    with torch.enable_grad():
        output = evaluate(function, points, columns)
        if not output.requires_grad:
            msg = (
                "Expected the output of `function` to carry a gradient to its inputs, found "
                "none. Does it use `detach`, `torch.no_grad` or numpy, or ignore its inputs?"
            )
            raise ValueError(msg)
        return torch.autograd.grad(output.sum(), points, allow_unused=True)


def evaluate(function: Function, points: tuple[Tensor, ...], columns: Tensor) -> Tensor:
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


def posed(
    function: Function,
    inputs: Tensor | tuple[Tensor, ...],
    targets: Tensor | int,
    baselines: Tensor | tuple[Tensor, ...] | None,
) -> Problem:
    """Question about all observations, or the error that its parts deserve."""
    ends = _as_tuple(inputs, "inputs")
    _check_inputs(ends)
    starts = _matching_baselines(baselines, ends)
    return Problem(function, starts, ends, _matching_targets(targets, ends[0]))


def check_numbers(**numbers: int) -> None:
    """Raise unless every number is at least 1."""
    for name, number in numbers.items():
        if number < 1:
            msg = f"Expected `{name}` to be at least 1, found {number}."
            raise ValueError(msg)


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
