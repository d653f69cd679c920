"""Attributions from changed inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from tgem.attr._problem import (
    Attribution,
    Function,
    Inputs,
    Problem,
    check_numbers,
    evaluate,
    explain,
    like_inputs,
    posed,
)


def ablation(
    function: Function,
    inputs: Inputs,
    *,
    targets: Tensor | int,
    baselines: Inputs | None = None,
    batch_size: int = 64,
) -> Attribution[Inputs]:
    r"""Ablation: by how much the output falls when one entry is set to the baseline.

    .. math::
        \phi_i(x) = F(x) - F(x_1, \dots, x_{i-1}, b_i, x_{i+1}, \dots)

    for input :math:`x`, baseline :math:`b` and output :math:`F`. What two entries do only
    together is counted for both, so that contributions add up to :math:`F(x) - F(b)` only where
    entries act independently. No gradient is needed. The cost is one evaluation for each entry
    in which input and baseline differ: with a zero baseline, for each expressed gene.

    Parameters
    ----------
    function
        Function ``f(*inputs) -> (n_obs, n_targets)``, which need not be differentiable. Each
        output row must depend on its own observation only.
    inputs, targets
        As in :func:`integrated_gradients`.
    baselines
        What an entry is set to: tensors that broadcast to `inputs`, as a tuple if `inputs` is
        one. ``None`` means zeros.
    batch_size
        Largest number of changed observations given to `function` at once. It bounds the memory
        and does not change the result beyond rounding.

    Returns
    -------
    Attribution
        Contributions in the structure of `inputs`, exactly 0 where input and baseline are equal;
        and by how much they miss the change of the output.

    Raises
    ------
    TypeError, ValueError
        As :func:`integrated_gradients`, but for the gradient.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import ablation
    >>> values, residual = ablation(
    ...     lambda x: x.prod(1, keepdim=True), torch.tensor([[2.0, 3.0]]), targets=0
    ... )
    >>> values
    tensor([[6., 6.]])
    >>> residual
    tensor([6.])
    """
    check_numbers(batch_size=batch_size)
    problem = posed(function, inputs, targets, baselines)

    @torch.no_grad()
    def contributions(part: Problem) -> tuple[Tensor, ...]:
        whole = evaluate(part.function, part.ends, part.columns)
        return tuple(_falls(part, which, whole, batch_size) for which in range(len(part.ends)))

    return like_inputs(explain(problem, batch_size, contributions), inputs)


def _falls(part: Problem, which: int, whole: Tensor, batch_size: int) -> Tensor:
    """Fall of the output `whole` for each entry of one of the inputs."""
    start, end = part.starts[which], part.ends[which]
    falls = torch.zeros_like(end).flatten()
    flat_start = start.flatten()
    n_entries = end[0].numel()
    changed = (start != end).flatten().nonzero()[:, 0]
    for positions in torch.split(changed, batch_size):
        rows, entries = positions // n_entries, positions % n_entries
        points = [each[rows].contiguous() for each in part.ends]
        entry_rows = torch.arange(len(rows), device=end.device)
        points[which].view(-1, n_entries)[entry_rows, entries] = flat_start[positions]
        fall = whole[rows] - evaluate(part.function, tuple(points), part.columns[rows])
        falls[positions] = fall.to(falls)
    return falls.view_as(end)
