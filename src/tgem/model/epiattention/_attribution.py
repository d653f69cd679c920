"""Attributions over several inputs, some of them masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tgem._core.errors import ConvergenceWarning, warn
from tgem._core.validate import check_count
from tgem.attr import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tgem.model.epiattention._module import EpiAttentionModule

# Noise would also fall on the masks.
METHODS_WITHOUT_NOISE = ("integrated_gradients", "input_x_gradient", "ablation")
SMALL_RESIDUAL = 1e-2
LARGE_RESIDUAL = 0.05
REFINEMENT = 4


class RegulatoryAttribution(NamedTuple):
    """Attributions of a set of genes.

    Attributes
    ----------
    values
        For each modality, float32 ``(n_obs, n_rows, n_columns)``: marks x bins, CpG slots x
        features, factors x features. 0 where nothing was measured.
    residual
        Sum of a gene's attributions minus the change of its output, ``(n_obs,)``: an error only
        for Integrated Gradients, the one method here that promises to add up.
    change
        Output of the gene minus output of the baseline, ``(n_obs,)``.
    """

    values: dict[str, np.ndarray[Any, Any]]
    residual: np.ndarray[Any, Any]
    change: np.ndarray[Any, Any]


def baselines_of(
    module: EpiAttentionModule, masked: tuple[Tensor, ...], *, baseline: str
) -> tuple[Tensor, ...]:
    """Baseline of each input: masks, padding, positions and cell types are their own."""
    found = list(masked)
    for i, name in enumerate(module.names):
        values, mask = masked[2 * i], masked[2 * i + 1]
        reference: Tensor = module.scales[name].reference  # type: ignore[assignment]
        start = reference.expand_as(values) if baseline == "mean" else torch.zeros_like(values)
        measurement = torch.ones(values.shape[2], dtype=torch.bool, device=values.device)
        measurement[list(module.grids[name].kept)] = False
        found[2 * i] = torch.where((mask > 0.5)[..., None] & measurement, start, values)
    return tuple(found)


def without_factors(
    module: EpiAttentionModule, masked: tuple[Tensor, ...], *, features: Sequence[int]
) -> tuple[Tensor, ...]:
    """Input of each gene as it is, but with these features of all factors at 0."""
    found = list(masked)
    place = 2 * module.names.index("tf")
    found[place] = masked[place].clone()
    found[place][..., list(features)] = 0
    return tuple(found)


def attribute_modalities(
    module: EpiAttentionModule,
    batches: Iterable[tuple[Tensor, ...]],
    *,
    method: str,
    baseline: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]],
    n_steps: int,
    batch_size: int,
) -> RegulatoryAttribution:
    """Attribute the output of each gene to all modalities, a batch at a time.

    `baseline` gives the baseline of what :meth:`EpiAttentionModule.masked` returned.
    """
    check_count("n_steps", n_steps)
    check_count("batch_size", batch_size)
    values: dict[str, list[Any]] = {name: [] for name in module.names}
    residuals, changes = [np.empty(0)], [np.empty(0)]
    for inputs in batches:
        masked = module.masked(*inputs)
        starts = baseline(masked)
        numbers = {"n_steps": n_steps, "batch_size": batch_size}
        found, residual, change = _explain(module, method, masked, starts, **numbers)
        if METHODS[method].complete:
            rough = residual.abs() > SMALL_RESIDUAL * change.abs().clamp_min(0.1)
            if rough.any():
                again = _explain(
                    module,
                    method,
                    tuple(each[rough] for each in masked),
                    tuple(each[rough] for each in starts),
                    n_steps=REFINEMENT * n_steps,
                    batch_size=batch_size,
                )
                for whole, part in zip(found, again[0], strict=True):
                    whole[rough] = part
                residual[rough] = again[1]
        for i, name in enumerate(module.names):
            values[name].append(found[2 * i].float().cpu().numpy())
        residuals.append(residual.double().cpu().numpy())
        changes.append(change.double().cpu().numpy())
    result = RegulatoryAttribution(
        {name: _joined(parts, module, name) for name, parts in values.items()},
        np.concatenate(residuals),
        np.concatenate(changes),
    )
    if METHODS[method].complete:
        _check_completeness(result, n_steps)
    return result


def _joined(parts: list[Any], module: EpiAttentionModule, name: str) -> np.ndarray[Any, Any]:
    grid = module.grids[name]
    empty = np.empty((0, grid.n_rows, grid.n_columns), dtype=np.float32)
    return np.concatenate(parts) if parts else empty


def _explain(
    module: EpiAttentionModule,
    method: str,
    masked: tuple[Tensor, ...],
    starts: tuple[Tensor, ...],
    **numbers: int,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Attributions, residual and change of some genes."""
    # cuDNN's recurrent kernels refuse gradients in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        found = METHODS[method](
            module.outputs,
            masked,
            targets=0,
            baselines=starts,
            **numbers,
        )
    total = sum(value.reshape(len(value), -1).sum(1) for value in found.values)
    residual = found.residual.detach()
    return [value.detach() for value in found.values], residual, total - residual


def _check_completeness(result: RegulatoryAttribution, n_steps: int) -> None:
    large = np.abs(result.residual) > LARGE_RESIDUAL * np.maximum(np.abs(result.change), 1.0)
    if large.any():
        msg = (
            f"For {large.sum()} of {large.size} genes the attributions do not add up to the change "
            f"of the output (largest difference {np.abs(result.residual).max():.3g}). Raise "
            f"`n_steps`, now {n_steps}."
        )
        warn(msg, ConvergenceWarning)
