"""Gradients that follow only what speaks for the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# `nn.ReLU` and `nn.LeakyReLU` call these.
RELU = frozenset({functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
LEAKY_RELU = frozenset({functional.leaky_relu, functional.leaky_relu_})


def guided_backpropagation(
    function: Function,
    inputs: Inputs,
    *,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    batch_size: int = 64,
    leaky: bool = False,
) -> Attribution[Inputs]:
    r"""Guided backpropagation: the gradient, where every ReLU passes only positive gradients back.

    A rectifier :math:`y = \mathrm{ReLU}(x)` that receives the gradient :math:`g` passes

    .. math::
        \mathrm{ReLU}'(x) \, \max(g, 0)

    instead of :math:`\mathrm{ReLU}'(x) \, g`. Rectifiers are found by call, as modules or as
    functions (:func:`torch.relu`, :func:`torch.nn.functional.relu`, ``tensor.relu()``, in-place
    forms too), and may be called several times; one that is written as a clamp, or is hidden in
    compiled code, is not seen. The values are gradients, not contributions: they do not add up
    to anything, and do not vanish where the input is zero.

    .. warning::
        Without a ReLU in `function` this is the plain gradient. That is so for T-GEM, whose paper
        preset has a LeakyReLU and whose default preset has no activation, unless `leaky` is set.

    Parameters
    ----------
    function, inputs, targets
        As in :func:`integrated_gradients`.
    baselines
        What `residual` compares the input with; the values do not depend on it.
    batch_size
        Largest number of observations given to `function` at once.
    leaky
        Whether LeakyReLU, too, passes only positive gradients back (times its slope). The method
        was defined for ReLU, and captum guides only that.

    Returns
    -------
    Attribution
        Guided gradients in the structure of `inputs`, 0 for inputs that `function` ignores; and
        the difference between their sum and the change of the output, which means little here.

    Raises
    ------
    TypeError, ValueError
        As :func:`integrated_gradients`.

    References
    ----------
    :cite:t:`springenberg2015`.

    Examples
    --------
    The second gene acts through a negative weight behind the ReLU, which is not followed:

    >>> import torch
    >>> from tgem.attr import guided_backpropagation
    >>> cells = torch.tensor([[1.0, 2.0, -1.0]])
    >>> weight = torch.tensor([[3.0], [-3.0], [3.0]])
    >>> guided_backpropagation(lambda x: x.relu() @ weight, cells, targets=0).values
    tensor([[3., 0., 0.]])
    """
    check_numbers(batch_size=batch_size)
    problem = posed(function, inputs, targets, baselines)
    activations = RELU | LEAKY_RELU if leaky else RELU

    def contributions(part: Problem) -> tuple[Tensor, ...]:
        points = tuple(end.clone() for end in part.ends)
        with _PositiveGradients(activations):
            found = gradients(part.function, points, part.columns)
        return tuple(
            torch.zeros_like(point) if gradient is None else gradient
            for point, gradient in zip(points, found, strict=True)
        )

    return like_inputs(explain(problem, batch_size, contributions), inputs)


class _PositiveGradients(TorchFunctionMode):
    """Within this context, results of `activations` drop the negative gradients they receive."""

    def __init__(self, activations: frozenset[Callable[..., Any]]) -> None:
        super().__init__()
        self.activations = activations

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        # A hook on the result, not on the argument: what else reads the argument (a connection
        # that skips the activation) keeps its whole gradient.
        if func in self.activations and output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))
        return output
