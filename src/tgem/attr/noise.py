"""Attributions that are summarised over noisy copies of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from tgem.attr._problem import (
    Attribution,
    Function,
    Inputs,
    Problem,
    check_numbers,
    explain,
    like_inputs,
    posed,
)
from tgem.attr.gradients import integrated_gradients

if TYPE_CHECKING:
    from collections.abc import Callable


def smoothgrad_squared(
    function: Function,
    inputs: Inputs,
    *,
    method: Callable[..., Attribution[Any]] = integrated_gradients,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    batch_size: int = 64,
    seed: int = 0,
    n_samples: int = 10,
    noise: float = 0.1,
    **options: Any,
) -> Attribution[Inputs]:
    r"""SmoothGrad-squared: mean square of a method's attributions over noisy copies of the input.

    .. math::
        \phi_i(x) = \frac{1}{n} \sum_{s=1}^{n} \psi_i(x + \epsilon_s)^2 ,
        \qquad \epsilon_s \sim \mathcal{N}(0, \sigma^2 I)

    for a method with attributions :math:`\psi`. Values are at least 0: they rank entries and do
    not say for or against. They do not vanish where the input is zero, because its noisy copies
    are not. Each copy is explained with the target of its observation.

    Parameters
    ----------
    function, inputs, targets, baselines
        As in :func:`integrated_gradients`.
    method
        Method whose attributions are summarised.
    batch_size
        Largest number of rows given to `function` at once. It bounds the memory and does not
        change the result beyond rounding.
    seed
        Observation ``i`` gets the noise of seed ``seed + i``, whatever is explained with it:
        observations from ``i`` on get the same noise alone with ``seed + i``.
    n_samples
        Noisy copies of each observation, :math:`n`.
    noise
        Standard deviation of the noise, :math:`\sigma`, in units of the input.
    **options
        Further options of `method`, such as ``n_steps``.

    Returns
    -------
    Attribution
        Mean squares in the structure of `inputs`; and the difference between their sum and the
        change of the output, which means little here.

    Raises
    ------
    TypeError, ValueError
        As `method`, and if the noise is negative or infinite.

    References
    ----------
    Averages over noise: :cite:t:`smilkov2017`; of squares: :cite:t:`hooker2019`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import guided_backpropagation, smoothgrad_squared
    >>> cells = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    >>> weight = torch.tensor([[1.0, -2.0], [3.0, 1.0]])
    >>> smoothgrad_squared(
    ...     lambda x: x @ weight, cells, method=guided_backpropagation, targets=torch.tensor([0, 1])
    ... ).values
    tensor([[1., 9.],
            [4., 1.]])
    """
    check_numbers(batch_size=batch_size, n_samples=n_samples)
    _check_noise(noise)
    problem = posed(function, inputs, targets, baselines)
    copies = _Copies(seed, n_samples, noise)

    def contributions(part: Problem) -> tuple[Tensor, ...]:
        found = copies.attributions(part, method, batch_size, options)
        return tuple(values.square().mean(1) for values in found)

    return like_inputs(explain(problem, copies.observations(batch_size), contributions), inputs)


def vargrad(
    function: Function,
    inputs: Inputs,
    *,
    method: Callable[..., Attribution[Any]] = integrated_gradients,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    batch_size: int = 64,
    seed: int = 0,
    n_samples: int = 10,
    noise: float = 0.1,
    **options: Any,
) -> Attribution[Inputs]:
    r"""VarGrad: variance of a method's attributions over noisy copies of the input.

    .. math::
        \phi_i(x) = \frac{1}{n} \sum_{s=1}^{n}
        \Bigl(\psi_i(x + \epsilon_s) - \frac{1}{n} \sum_{t=1}^{n} \psi_i(x + \epsilon_t)\Bigr)^2 ,
        \qquad \epsilon_s \sim \mathcal{N}(0, \sigma^2 I)

    for a method with attributions :math:`\psi`: :func:`smoothgrad_squared` less the square of
    the mean. It is 0 where the attribution does not depend on the input, so for the gradient of
    a linear function everywhere.

    Parameters
    ----------
    function, inputs, method, targets, baselines, batch_size, seed, noise, **options
        As in :func:`smoothgrad_squared`; the same seed gives both the same noise.
    n_samples
        Noisy copies of each observation, :math:`n`, at least 2.

    Returns
    -------
    Attribution
        Variances in the structure of `inputs`; and the difference between their sum and the
        change of the output, which means little here.

    Raises
    ------
    TypeError, ValueError
        As :func:`smoothgrad_squared`, and if there are fewer than two copies.

    References
    ----------
    :cite:t:`hooker2019`.

    Examples
    --------
    Integrated Gradients of a linear function are input times weight, so that their variance is
    that of the noise times the square of the weight:

    >>> import torch
    >>> from tgem.attr import vargrad
    >>> weight = torch.tensor([[1.0], [-2.0], [0.0]])
    >>> found = vargrad(
    ...     lambda x: x @ weight, torch.ones(1, 3), targets=0, n_steps=1, n_samples=1000, noise=1.0
    ... )
    >>> found.values.round()
    tensor([[1., 4., 0.]])
    """
    check_numbers(batch_size=batch_size)
    if n_samples < 2:
        msg = f"Expected `n_samples` to be at least 2, found {n_samples}: one has no variance."
        raise ValueError(msg)
    _check_noise(noise)
    problem = posed(function, inputs, targets, baselines)
    copies = _Copies(seed, n_samples, noise)

    def contributions(part: Problem) -> tuple[Tensor, ...]:
        found = copies.attributions(part, method, batch_size, options)
        return tuple(values.var(1, correction=0) for values in found)

    return like_inputs(explain(problem, copies.observations(batch_size), contributions), inputs)


class _Copies(NamedTuple):
    """Noisy copies of observations."""

    seed: int
    n_samples: int
    noise: float

    def observations(self, batch_size: int) -> int:
        """Observations whose copies make up a batch."""
        return max(1, batch_size // self.n_samples)

    def attributions(
        self,
        part: Problem,
        method: Callable[..., Attribution[Any]],
        batch_size: int,
        options: dict[str, Any],
    ) -> tuple[Tensor, ...]:
        """Attributions of every copy, each ``(n_obs, n_samples, ...)``."""
        found = method(
            part.function,
            self._inputs(part),
            targets=part.columns.repeat_interleave(self.n_samples),
            baselines=tuple(start.repeat_interleave(self.n_samples, 0) for start in part.starts),
            batch_size=batch_size,
            **options,
        )
        return tuple(values.unflatten(0, (-1, self.n_samples)) for values in found.values)

    def _inputs(self, part: Problem) -> tuple[Tensor, ...]:
        """Copies of all observations, those of one observation next to each other."""
        copies = tuple(end.repeat_interleave(self.n_samples, 0) for end in part.ends)
        # Drawn in one type on the CPU: the same noise on every device.
        generator = torch.Generator()
        for row in range(len(part.columns)):
            generator.manual_seed(self.seed + part.first + row)
            own = slice(row * self.n_samples, (row + 1) * self.n_samples)
            for copy in copies:
                draws = torch.randn(copy[own].shape, generator=generator)
                copy[own].add_(self.noise * draws.to(copy))
        return copies


def _check_noise(noise: float) -> None:
    if not 0 <= noise < float("inf"):
        msg = f"Expected `noise` to be a standard deviation of at least 0, found {noise}."
        raise ValueError(msg)
