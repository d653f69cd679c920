"""The network's inputs: measurements with their masks, on a scale for learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from tgem.data import GRIDS

if TYPE_CHECKING:
    from collections.abc import Iterable

MODALITIES = tuple(GRIDS)


class Grid(NamedTuple):
    """Size of one modality's input.

    Attributes
    ----------
    n_rows
        Marks, CpG slots or factors.
    n_columns
        Bins, features of a CpG, features of a factor.
    kept
        Columns that are no measurements: the position of a CpG.
    logarithm
        Whether ``log1p`` is taken.
    """

    n_rows: int
    n_columns: int
    kept: tuple[int, ...] = ()
    logarithm: bool = False


def separate(values: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Measurements with 0 in place of NaN, and a mask of 1 for what was measured.

    The mask is ``(n_obs, n_rows)`` for methylation, whose rows are CpGs, and ``(n_obs, 1)`` for
    the others.
    """
    missing = values.isnan()
    measured = ~missing.any(2) if GRIDS[name].is_ragged else ~missing.flatten(1).any(1)[:, None]
    return torch.where(measured[..., None], values, 0), measured.to(values.dtype)


class GridScale(nn.Module):
    """Centres and scales a modality by the training genes, and remembers their mean.

    Tracks are scaled for each mark, CpGs and factors for each feature.

    Parameters
    ----------
    name
        Modality.
    grid
        Its size.
    standardize
        Whether values are changed at all; the mean is remembered either way.
    """

    mean: Tensor
    scale: Tensor
    reference: Tensor

    def __init__(self, name: str, grid: Grid, *, standardize: bool) -> None:
        super().__init__()
        self.standardize, self.logarithm = standardize, standardize and grid.logarithm
        self.by_row = name == "histone"
        shape = (grid.n_rows, 1) if self.by_row else (1, grid.n_columns)
        rows = 1 if GRIDS[name].is_ragged else grid.n_rows
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        self.register_buffer("reference", torch.zeros(rows, grid.n_columns))

    def forward(self, values: Tensor) -> Tensor:
        """Values on the scale for learning."""
        return self.standardized(values) if self.standardize else values

    def standardized(self, values: Tensor) -> Tensor:
        """Values in standard deviations from the mean of the training genes."""
        if self.logarithm:
            values = torch.log1p(values)
        return (values - self.mean) / self.scale

    def fit(self, blocks: Iterable[Tensor], name: str) -> None:
        """Take mean and deviation from the genes of several blocks that were measured."""
        dims = (0, 2) if self.by_row else (0, 1)
        count, total, squares, plain = (torch.zeros((), dtype=torch.float64) for _ in range(4))
        rows = 0.0
        for block in blocks:
            values, mask = separate(block.double(), name)
            real = mask[..., None].expand_as(values)
            seen = torch.log1p(values) if self.logarithm else values
            total = total + (seen * real).sum(dims)
            squares = squares + (seen**2 * real).sum(dims)
            count = count + real.sum(dims)
            ragged = GRIDS[name].is_ragged
            plain = plain + (values.sum((0, 1))[None] if ragged else values.sum(0))
            rows = rows + float(mask.sum())
        if rows == 0:
            return  # no training gene has the modality
        mean = total / count
        deviation = (squares / count - mean**2).clamp_min(0).sqrt()
        deviation = torch.where(deviation > 1e-6, deviation, 1.0)
        self.mean.copy_(mean.view_as(self.mean))
        self.scale.copy_(deviation.view_as(self.scale))
        self.reference.copy_((plain / rows).view_as(self.reference))
