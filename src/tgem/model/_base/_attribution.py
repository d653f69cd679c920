"""From cells to attributions: which genes decided, cell by cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from tgem._core.errors import ConvergenceWarning, warn
from tgem._core.progress import track
from tgem._core.validate import check_choice, check_count
from tgem.attr import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from tgem.data import FieldDataset
    from tgem.nn.module import SupervisedModule

CELLS_AT_ONCE = 64
# Cells whose attributions miss the change of the output by more than the first share of it are
# walked again in more steps; by more than the second, the user is told.
SMALL_RESIDUAL = 1e-3
LARGE_RESIDUAL = 0.05
REFINEMENTS = (4, 16)
# A cell whose logit hardly changes is not walked again for a share of next to nothing.
SMALLEST_CHANGE = 0.1


class AttributionResult(NamedTuple):
    """Attributions of a set of cells.

    Attributes
    ----------
    values
        Attribution of each gene in each cell, ``(n_obs, n_genes)``, float32: CSR for the zero
        baseline and a method by which a gene that is not expressed has attribution 0, else an
        array.
    genes
        Gene names, in the order of the columns.
    targets
        The class explained in each cell, as a position in the model's classes, ``(n_obs,)``.
    residual
        Sum of a cell's attributions minus the change of its output, ``(n_obs,)``: 0 if the
        method is complete and exact; no measure of quality otherwise.
    change
        Output at the cell minus output at the baseline, ``(n_obs,)``.
    signed
        Whether values below 0 speak against the class; otherwise values only rank genes.
    """

    values: np.ndarray[Any, Any] | sparse.csr_matrix
    genes: pd.Index
    targets: np.ndarray[Any, Any]
    residual: np.ndarray[Any, Any]
    change: np.ndarray[Any, Any]
    signed: bool


def attribute(
    module: SupervisedModule,
    dataset: FieldDataset,
    cells: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    *,
    genes: pd.Index,
    method: str,
    reference: np.ndarray[Any, Any],
    n_steps: int,
    batch_size: int,
    seed: int,
) -> AttributionResult:
    """Attribute the target output of each cell to its genes, a block of cells at a time.

    `reference` is the cell to compare with, ``(n_genes,)``.
    """
    check_choice("method", method, METHODS)
    check_count("n_steps", n_steps)
    check_count("batch_size", batch_size)
    (key,) = module.input_keys
    baselines = torch.from_numpy(reference).to(module.device)
    module.eval()
    # Noise and plain gradients give every gene of a cell a value.
    is_sparse = not reference.any() and METHODS[method].zero_at_baseline
    blocks, residuals = [], []
    for start in track(range(0, len(cells), CELLS_AT_ONCE), "Attributing"):
        rows = cells[start : start + CELLS_AT_ONCE]
        inputs = torch.from_numpy(dataset[rows][key]).to(module.device)
        explain = partial(
            METHODS[method],
            module,
            baselines=baselines,
            batch_size=batch_size,
            seed=seed + start,  # the noise of a cell does not depend on its block
        )
        goals = torch.from_numpy(targets[start : start + CELLS_AT_ONCE]).to(module.device)
        found, missing = _explained(explain, inputs, goals, n_steps)
        if METHODS[method].complete:
            for factor in REFINEMENTS:
                moved = (found.sum(1) - missing).abs().clamp_min(SMALLEST_CHANGE)
                rough = missing.abs() > SMALL_RESIDUAL * moved
                if not rough.any():
                    break
                found[rough], missing[rough] = _explained(
                    explain, inputs[rough], goals[rough], factor * n_steps
                )
        values = found.float().cpu().numpy()
        blocks.append(sparse.csr_matrix(values) if is_sparse else values)
        residuals.append(missing.double().cpu().numpy())
    values = _stack(blocks, len(genes), is_sparse=is_sparse)
    residual = np.concatenate([*residuals, []])
    change = np.asarray(values.sum(axis=1), dtype=np.float64).ravel() - residual
    if METHODS[method].complete:
        _check_completeness(residual, change, n_steps)
    return AttributionResult(values, genes, targets, residual, change, METHODS[method].signed)


def _explained(
    explain: Callable[..., Any], inputs: torch.Tensor, targets: torch.Tensor, n_steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attributions and residual of some cells."""
    result = explain(inputs, targets=targets, n_steps=n_steps)
    return result.values.detach(), result.residual.detach()


def mean_cell(dataset: FieldDataset, key: str, cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean expression of some cells, ``(n_genes,)``, float32."""
    total: Any = 0.0
    for start in range(0, len(cells), CELLS_AT_ONCE):
        block = dataset.read(key, cells[start : start + CELLS_AT_ONCE])
        total = total + block.sum(axis=0, dtype=np.float64)
    mean: np.ndarray[Any, Any] = (total / len(cells)).astype(np.float32)
    return mean


def _stack(blocks: list[Any], n_genes: int, *, is_sparse: bool) -> Any:
    if is_sparse:
        return sparse.vstack(
            [*blocks, sparse.csr_matrix((0, n_genes), dtype=np.float32)], format="csr"
        )
    return np.concatenate([*blocks, np.empty((0, n_genes), dtype=np.float32)])


def _check_completeness(
    residual: np.ndarray[Any, Any], change: np.ndarray[Any, Any], n_steps: int
) -> None:
    large = np.abs(residual) > LARGE_RESIDUAL * np.maximum(np.abs(change), 1.0)
    if large.any():
        msg = (
            f"In {large.sum()} of {large.size} cells the attributions do not add up to the change "
            f"of the output (largest difference {np.abs(residual).max():.3g}). Raise `n_steps`, "
            f"now {n_steps}."
        )
        warn(msg, ConvergenceWarning)
