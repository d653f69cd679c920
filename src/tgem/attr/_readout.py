"""A read-out of hidden units: its checked arguments, and what DeepLIFT needs of each batch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from tgem.attr._rescale import Response, chain, check_elementwise, multiplier_rows, secants

if TYPE_CHECKING:
    from collections.abc import Iterator


class Batch(NamedTuple):
    """Contributions of the inputs to the hidden units of a few samples, as far as not zero.

    Attributes
    ----------
    rows
        Contributions of all inputs to one hidden unit in one sample, ``(n_rows, n_inputs)``,
        ordered by sample.
    units
        Hidden unit of each row.
    n_rows
        Number of rows of each sample.
    slopes, change
        Secant slopes of the read-out, and its change from the baseline, ``(n, n_outputs)``.
    totals
        Contributions to each hidden unit summed over inputs, ``(n, n_hidden)``.
    """

    rows: Tensor
    units: Tensor
    n_rows: list[int]
    slopes: Tensor
    change: Tensor
    totals: Tensor

    def samples(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Position of each sample, its rows and their units."""
        parts = zip(
            torch.split(self.rows, self.n_rows), torch.split(self.units, self.n_rows), strict=True
        )
        for sample, (rows, units) in enumerate(parts):
            yield sample, rows, units


class Question(NamedTuple):
    """The checked arguments: samples, baselines and the read-out."""

    network: nn.Module
    weight: Tensor
    inputs: Tensor
    baselines: Tensor
    offset: Tensor
    response: Response
    arguments: tuple[Tensor, ...]

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Batches of at most `batch_size` samples."""
        for first in range(0, len(self.inputs), batch_size):
            yield self._batch(slice(first, first + batch_size))

    def _batch(self, rows: slice) -> Batch:
        inputs = self.inputs[rows]
        start = self.baselines if len(self.baselines) == 1 else self.baselines[rows]
        found = chain(self.network, inputs, start)
        if found.hidden.shape[1] != self.weight.shape[1]:
            msg = (
                f"Expected `weight` of shape (n_outputs, {found.hidden.shape[1]}), because "
                f"`network` ends in {found.hidden.shape[1]} hidden units, found "
                f"{tuple(self.weight.shape)}."
            )
            raise ValueError(msg)
        ends, starts = (
            torch.addmm(self.offset[rows], hidden, self.weight.T)
            for hidden in (found.hidden, found.hidden_at_baseline)
        )
        if rows.start == 0:
            check_elementwise(self._response(slice(1)), ends[:1], starts[:1])
        slopes, change = secants(self._response(rows), ends, starts)
        # A unit that is off at baseline and input, and only such a unit, has slope 0.
        active = (found.slopes[-1] != 0).expand_as(found.hidden)
        samples, units = active.nonzero(as_tuple=True)
        contributions = multiplier_rows(found, samples, units).mul_((inputs - start)[samples])
        totals = torch.zeros_like(found.hidden)
        totals[samples, units] = contributions.sum(1)
        n_rows = active.sum(1).tolist()
        return Batch(contributions, units, n_rows, slopes.to(inputs), change, totals)

    def _response(self, rows: slice) -> Response:
        """Function of the logits of some samples alone."""
        return partial(_with, self.response, tuple(each[rows] for each in self.arguments))


def question(
    network: nn.Sequential,
    weight: Tensor,
    *,
    inputs: Tensor,
    baselines: Tensor,
    offset: Tensor | float,
    response: Response,
    response_arguments: tuple[Tensor, ...],
) -> Question:
    """Arguments of the public functions, checked and broadcast."""
    if weight.ndim != 2 or not weight.is_floating_point():
        msg = (
            "Expected `weight` as floating-point numbers (n_outputs, n_hidden), found "
            f"{weight.dtype} of shape {tuple(weight.shape)}."
        )
        raise ValueError(msg)
    weight = weight.detach()
    for parameter in network.parameters():
        if (parameter.dtype, parameter.device) != (weight.dtype, weight.device):
            msg = (
                f"Expected `weight` like the network's parameters, {parameter.dtype} on "
                f"{parameter.device}, found {weight.dtype} on {weight.device}. Move one with `.to`."
            )
            raise ValueError(msg)
    inputs, baselines = points(inputs, baselines, like=weight)
    shape = (len(inputs), len(weight))
    offset = _broadcast(torch.as_tensor(offset).to(weight), shape, "offset")
    _check_finite(weight=weight, offset=offset)
    arguments = tuple(
        _broadcast(_usable(each), shape, "response_arguments") for each in response_arguments
    )
    for each in arguments:
        _check_finite(response_arguments=each)
    return Question(network, weight, inputs, baselines, offset, response, arguments)


def points(inputs: Tensor, baselines: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs ``(n, n_inputs)`` and baselines ``(n or 1, n_inputs)``."""
    if inputs.ndim != 2 or len(inputs) == 0 or not inputs.is_floating_point():
        msg = (
            "Expected `inputs` as floating-point numbers (n, n_inputs) of at least one sample, "
            f"found {inputs.dtype} of shape {tuple(inputs.shape)}."
        )
        raise ValueError(msg)
    inputs = inputs.detach().to(like)
    baselines = baselines.detach().to(inputs)
    n, n_inputs = inputs.shape
    if baselines.shape not in {(n_inputs,), (1, n_inputs), (n, n_inputs)}:
        msg = (
            f"Expected `baselines` of shape ({n_inputs},) or ({n}, {n_inputs}), found "
            f"{tuple(baselines.shape)}."
        )
        raise ValueError(msg)
    _check_finite(inputs=inputs, baselines=baselines)
    return inputs, baselines.view(-1, n_inputs)


def _broadcast(tensor: Tensor, shape: tuple[int, int], name: str) -> Tensor:
    try:
        return torch.broadcast_to(tensor, shape)
    except RuntimeError:
        msg = f"Expected `{name}` to broadcast to {shape}, found shape {tuple(tensor.shape)}."
        raise ValueError(msg) from None


def _check_finite(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if n_bad := int((~tensor.isfinite()).sum()):
            msg = f"Expected finite `{name}`, found {n_bad:,} missing or infinite values."
            raise ValueError(msg)


def _with(response: Response, arguments: tuple[Tensor, ...], logits: Tensor) -> Tensor:
    return response(logits, *arguments)


def _usable(tensor: Tensor) -> Tensor:
    """Tensor that may take part in a derivative, as none that was made in inference mode may."""
    return tensor.clone() if tensor.is_inference() else tensor.detach()
