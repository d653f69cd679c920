"""The table of attribution methods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tgem.attr.gradients import input_x_gradient, integrated_gradients
from tgem.attr.guided import guided_backpropagation
from tgem.attr.noise import smoothgrad_squared, vargrad
from tgem.attr.perturbation import ablation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from tgem.attr._problem import Attribution, Function, Inputs


@dataclass(frozen=True)
class Method:
    """An attribution method, called with the same keywords as every other.

    Parameters
    ----------
    function
        The method's own function.
    title
        Name for people, as in the legend of a plot.
    complete
        Whether the contributions of an observation add up to the change of its output, so that
        a residual other than 0 is an error.
    signed
        Whether values below 0 speak against the output. Otherwise values only rank entries.
    zero_at_baseline
        Whether an entry that equals its baseline has the value 0 exactly.
    takes_steps
        Whether the method walks from baseline to input in ``n_steps``.
    takes_seed
        Whether the method draws random numbers.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import METHODS
    >>> cells, targets = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([1, 0])
    >>> for name in ("integrated_gradients", "input_x_gradient", "ablation"):
    ...     values = METHODS[name](lambda x: x**2, cells, targets=targets).values
    ...     print(name, values.sum(1).round(decimals=3).tolist(), METHODS[name].complete)
    integrated_gradients [4.0, 9.0] True
    input_x_gradient [8.0, 18.0] False
    ablation [4.0, 9.0] False
    """

    function: Callable[..., Attribution[Any]]
    title: str
    complete: bool = False
    signed: bool = True
    zero_at_baseline: bool = True
    takes_steps: bool = False
    takes_seed: bool = False

    def __call__(
        self,
        function: Function,
        inputs: Inputs,
        *,
        targets: Tensor | int,
        baselines: Inputs | None = None,
        n_steps: int = 50,
        batch_size: int = 64,
        seed: int = 0,
        **options: Any,
    ) -> Attribution[Inputs]:
        """Attribute the target outputs of `function` to `inputs`.

        Parameters
        ----------
        function, inputs, targets, baselines, batch_size
            As in :func:`integrated_gradients`.
        n_steps, seed
            As in :func:`integrated_gradients` and :func:`smoothgrad_squared`; left out for a
            method that has no use for them.
        **options
            The method's own options.

        Returns
        -------
        Attribution
            Attributions in the structure of `inputs`, and the residual.
        """
        if self.takes_steps:
            options["n_steps"] = n_steps
        if self.takes_seed:
            options["seed"] = seed
        return self.function(
            function, inputs, targets=targets, baselines=baselines, batch_size=batch_size, **options
        )


def _noisy(base: Method) -> tuple[Method, Method]:
    """SmoothGrad-squared and VarGrad of a method."""
    smoothgrad, variance = (
        Method(
            partial(summary, method=base.function),
            f"{base.title}, {title}",
            signed=False,
            zero_at_baseline=False,  # noise moves entries off the baseline
            takes_steps=base.takes_steps,
            takes_seed=True,
        )
        for summary, title in ((smoothgrad_squared, "SmoothGrad-squared"), (vargrad, "VarGrad"))
    )
    return smoothgrad, variance


_integrated = Method(integrated_gradients, "Integrated Gradients", complete=True, takes_steps=True)
_guided = Method(guided_backpropagation, "guided backpropagation", zero_at_baseline=False)
_integrated_smoothgrad, _integrated_vargrad = _noisy(_integrated)
_guided_smoothgrad, _guided_vargrad = _noisy(_guided)

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "integrated_gradients": _integrated,
        "integrated_gradients_smoothgrad_squared": _integrated_smoothgrad,
        "integrated_gradients_vargrad": _integrated_vargrad,
        "guided_backpropagation": _guided,
        "guided_backpropagation_smoothgrad_squared": _guided_smoothgrad,
        "guided_backpropagation_vargrad": _guided_vargrad,
        "input_x_gradient": Method(input_x_gradient, "input x gradient"),
        "ablation": Method(ablation, "ablation"),
    }
)
"""Attribution methods by name, all called in the same way: see :class:`Method`."""
