"""DeepLIFT's rescale rule: secant slopes, and their products along a chain of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

Response = Callable[..., Tensor]

# Below this difference the derivative replaces the secant slope. In double precision, in which
# slopes are computed, both are exact to about eight digits there.
NEAR = 1e-8

ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.ELU)
IDENTITIES = (nn.Identity, nn.Dropout)


class Chain(NamedTuple):
    """A network as what it is between one baseline and one input: a product of matrices.

    The multipliers of a sample are ``S_L W_L ... S_1 W_1 S_0``, ``S`` diagonal.

    Attributes
    ----------
    weights
        Weight of each linear layer, ``(n_out, n_in)``, from the inputs to the hidden units.
    slopes
        Slopes of what follows the inputs and each linear layer, ``(n, width)``, or ``(1, width)``
        where they are the same for all samples; one more than weights.
    hidden, hidden_at_baseline
        Hidden units at the input and at the baseline, ``(n, n_hidden)``.
    """

    weights: list[Tensor]
    slopes: list[Tensor]
    hidden: Tensor
    hidden_at_baseline: Tensor


def chain(network: nn.Module, inputs: Tensor, baselines: Tensor) -> Chain:
    """Weights and slopes between `baselines`, ``(n or 1, n_inputs)``, and `inputs`."""
    weights: list[Tensor] = []
    slopes = [inputs.new_ones(1, inputs.shape[1])]
    end, start = inputs, baselines
    for name, layer in layers(network):
        if isinstance(layer, nn.Linear):
            _check_width(name, layer, end.shape[1], layer.in_features)
            weights.append(layer.weight.detach())
            slopes.append(end.new_ones(1, layer.out_features))
        elif isinstance(layer, nn.BatchNorm1d):
            _check_width(name, layer, end.shape[1], layer.num_features)
            slopes[-1] = slopes[-1] * _normalisation(name, layer)
        else:
            found, _ = secants(layer, end, start)
            slopes[-1] = slopes[-1] * found.to(end)
        # The copy protects the values before an activation that works in place.
        end, start = layer(end.clone()), layer(start.clone())
    return Chain(weights, slopes, end, start.expand_as(end))


def multiplier_rows(found: Chain, samples: Tensor, units: Tensor) -> Tensor:
    """Multipliers of all inputs for unit ``units[r]`` of sample ``samples[r]``, a row each."""

    def of_rows(slopes: Tensor) -> Tensor:
        return slopes if len(slopes) == 1 else slopes[samples]

    top = found.slopes[-1].expand_as(found.hidden)[samples, units]
    if not found.weights:
        rows = top.new_zeros(len(units), found.hidden.shape[1])
        rows[torch.arange(len(units), device=units.device), units] = top
        return rows
    rows = found.weights[-1][units].mul_(top[:, None])
    for weight, slopes in zip(found.weights[-2::-1], found.slopes[-2:0:-1], strict=True):
        rows = rows.mul_(of_rows(slopes)) @ weight
    return rows.mul_(of_rows(found.slopes[0]))


def secants(function: Response, ends: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Secant slopes of an elementwise function and its change, in double precision."""
    ends, starts = ends.double(), torch.broadcast_to(starts.double(), ends.shape)
    way = ends - starts
    change = _values(function, ends) - _values(function, starts)
    near = way.abs() < NEAR
    slopes = change / way.masked_fill(near, 1)
    if near.any():
        slopes = torch.where(near, _derivative(function, (ends + starts) / 2), slopes)
    if n_bad := int((~slopes.isfinite()).sum()):
        msg = (
            "Expected `response` to have finite values and slopes between baseline and input, "
            f"found {n_bad:,} of {slopes.numel():,} slopes missing or infinite."
        )
        raise ValueError(msg)
    return slopes, change


def layers(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Names and layers of a sequential network, those without effect left out."""
    if not isinstance(network, nn.Sequential):
        msg = f"Expected `network` to be an nn.Sequential, found {type(network).__name__}."
        raise TypeError(msg)
    for name, layer in network.named_children():
        if isinstance(layer, nn.Sequential):
            yield from layers(layer, f"{prefix}{name}.")
        elif isinstance(layer, (nn.Linear, nn.BatchNorm1d, *ELEMENTWISE)):
            yield f"{prefix}{name}", layer
        elif not isinstance(layer, IDENTITIES):
            known = (nn.Linear, nn.BatchNorm1d, *ELEMENTWISE, *IDENTITIES, nn.Sequential)
            msg = (
                f"Expected layers of the kinds {', '.join(kind.__name__ for kind in known)}, found "
                f"{type(layer).__name__} at '{prefix}{name}' of `network`. Use "
                "`integrated_gradients`, which takes any differentiable function."
            )
            raise TypeError(msg)


def check_elementwise(function: Response, ends: Tensor, starts: Tensor) -> None:
    """Raise if an output of `function` depends on another column than its own.

    Secant slopes would be complete nevertheless, and mean nothing.
    """
    ends, starts = ends.double(), torch.broadcast_to(starts.double(), ends.shape)
    odd = torch.arange(ends.shape[-1], device=ends.device) % 2 == 1
    mixed = _values(function, torch.where(odd, ends, starts))
    expected = torch.where(odd, _values(function, ends), _values(function, starts))
    if not torch.allclose(mixed, expected, rtol=1e-6, atol=1e-9, equal_nan=True):
        msg = (
            "Expected an elementwise `response`, found one whose output depends on other columns. "
            "The rescale rule is not defined by secant slopes there: explain the logits (leave "
            "`response` out), or use `integrated_gradients`."
        )
        raise ValueError(msg)


def _values(function: Response, points: Tensor) -> Tensor:
    values = function(points.clone())
    if values.shape != points.shape:
        msg = (
            f"Expected `response` to return the shape of its argument, {tuple(points.shape)}, "
            f"found {tuple(values.shape)}."
        )
        raise ValueError(msg)
    return values.detach()


def _derivative(function: Response, points: Tensor) -> Tensor:
    with torch.inference_mode(mode=False), torch.enable_grad():
        points = points.clone().requires_grad_()
        (found,) = torch.autograd.grad(function(points.clone()).sum(), points)
    return found


def _normalisation(name: str, layer: nn.BatchNorm1d) -> Tensor:
    """Slope of a batch normalisation in evaluation mode."""
    if layer.training or layer.running_var is None:
        why = "is in training mode" if layer.training else "keeps no running statistics"
        msg = (
            f"Expected batch normalisation to be a fixed scale, found that '{name}' of `network` "
            f"{why}, so that samples depend on each other. Call `network.eval()`"
            f"{'' if layer.training else ' and train with `track_running_stats=True`'}."
        )
        raise ValueError(msg)
    scale = (layer.running_var + layer.eps).rsqrt()
    return scale if layer.weight is None else scale * layer.weight.detach()


def _check_width(name: str, layer: nn.Module, found: int, expected: int) -> None:
    if found != expected:
        msg = (
            f"Expected {expected} columns at '{name}' of `network`, a {type(layer).__name__}, "
            f"found {found}."
        )
        raise ValueError(msg)
