"""A penalised linear prediction beside the network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgem.model.epiattention._inputs import Grid

Array = np.ndarray[Any, Any]

N_WINDOWS = 20
N_FOLDS = 5
PENALTIES = 10.0 ** np.arange(-2, 2.1, 0.5)  # relative to the mean variance of the values
LARGEST_SLOPE = 20.0
# Weights of network and linear prediction in the output. The focal loss makes logits about half as
# large as those of the logistic loss, so that in both tasks each has the same say.
WEIGHTS = {"binary": (1.0, 0.5), "regression": (0.5, 0.5)}
LINEAR_MODALITIES = ("histone", "methylation")


class LinearPart(nn.Module):
    """Linear in the marks' means over windows, in mean methylation, and in the cell type.

    It is fitted before the network is trained, takes no part in the training, and is added to the
    network's output afterwards. Factors are left to the network.

    Parameters
    ----------
    grids
        Sizes of the modalities.
    n_cell_types
        Number of cell types; 0 where they are not told apart.
    task
        ``"binary"`` or ``"regression"``.
    """

    weight: Tensor
    bias: Tensor
    shares: Tensor

    def __init__(self, grids: Mapping[str, Grid], n_cell_types: int, *, task: str) -> None:
        super().__init__()
        self.grids, self.n_cell_types, self.task = dict(grids), n_cell_types, task
        n_values = sum(self._n_values(name) for name in grids) + n_cell_types
        self.register_buffer("weight", torch.zeros(n_values))
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("shares", torch.tensor([1.0, 0.0]))

    def _n_values(self, name: str) -> int:
        grid = self.grids[name]
        if name == "histone":
            return grid.n_rows * min(N_WINDOWS, grid.n_columns) + 1
        return len(self._measured(grid)) + 1 if name == "methylation" else 0

    @staticmethod
    def _measured(grid: Grid) -> list[int]:
        return [column for column in range(grid.n_columns) if column not in grid.kept]

    def values(self, scales: nn.ModuleDict, *inputs: Tensor) -> Tensor:
        """What the prediction is linear in, ``(n_obs, n_values)``; 0 where not measured."""
        found = []
        for i, (name, grid) in enumerate(self.grids.items()):
            if name not in LINEAR_MODALITIES:
                continue
            mask = inputs[2 * i + 1]
            real = mask[..., None]
            scaled = scales[name](inputs[2 * i]) * real
            if name == "histone":
                windows = functional.adaptive_avg_pool1d(
                    scaled, min(N_WINDOWS, grid.n_columns)
                ).flatten(1)
            else:
                windows = scaled[..., self._measured(grid)].sum(1) / real.sum(1).clamp_min(1)
            found += [windows, (mask > 0).any(1, keepdim=True).to(windows.dtype)]
        if self.n_cell_types:
            codes = inputs[2 * len(self.grids)].long()
            found.append(functional.one_hot(codes, self.n_cell_types).to(found[0].dtype))
        return torch.cat(found, 1)

    def join(self, network: Tensor, scales: nn.ModuleDict, *inputs: Tensor) -> Tensor:
        """Weighted sum of the network's output, ``(n_obs, 1)``, and the linear prediction."""
        linear = self.values(scales, *inputs) @ self.weight + self.bias
        return self.shares[0] * network + self.shares[1] * linear[:, None]

    def take_part(self, *, counts: bool) -> None:
        """Say whether the linear prediction counts, or the network stands alone."""
        self.shares.copy_(torch.tensor(WEIGHTS[self.task] if counts else (1.0, 0.0)))

    def fit(self, values: Array, targets: Array, groups: Array) -> None:
        """Fit to training genes; the penalty is the best one for genes of other groups.

        Parameters
        ----------
        values
            Of :meth:`values`, ``(n_obs, n_values)``.
        targets
            -1 or 1; or expression in standard deviations around its mean.
        groups
            What is kept together: genes or chromosomes.
        """
        if len(np.unique(targets)) < 2:
            return
        penalty, held_out = chosen_penalty(values, targets, groups)
        weight, bias = ridge(values, targets, penalty)
        slope, offset = (1.0, 0.0)
        if self.task == "binary":
            slope, offset = calibration(held_out, targets)
        self.weight.copy_(torch.from_numpy(slope * weight))
        self.bias.fill_(slope * bias + offset)


def ridge(values: Array, targets: Array, penalty: float) -> tuple[Array, float]:
    """Weights and intercept with the smallest squared error plus squared penalty.

    The penalty is relative to the mean variance of the values, and spares the intercept.
    """
    mean, middle = values.mean(0, dtype=np.float64), float(targets.mean())
    centred = values - mean
    products = centred.T @ centred
    penalty *= max(float(np.trace(products)) / len(products), 1e-12)
    products[np.diag_indices_from(products)] += penalty
    weight = np.linalg.solve(products, centred.T @ (targets - middle))
    return weight, middle - float(mean @ weight)


def chosen_penalty(values: Array, targets: Array, groups: Array) -> tuple[float, Array]:
    """Penalty with the smallest squared error, and its predictions, of groups not fitted."""
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    if n_folds < 2:
        return float(PENALTIES[-1]), np.zeros(len(targets))
    folds = list(GroupKFold(n_folds).split(values, groups=groups))
    predictions = np.zeros((len(PENALTIES), len(targets)))
    for rest, held in folds:
        for i, penalty in enumerate(PENALTIES):
            weight, bias = ridge(values[rest], targets[rest], penalty)
            predictions[i, held] = values[held] @ weight + bias
    best = int(((predictions - targets) ** 2).mean(1).argmin())
    return float(PENALTIES[best]), predictions[best]


def calibration(predictions: Array, targets: Array) -> tuple[float, float]:
    """Slope, not below 0, and offset that make logits of predictions of genes not fitted."""
    if np.ptp(predictions) == 0:
        return 0.0, 0.0
    fitted = LogisticRegression(C=1e3).fit(predictions[:, None], targets > 0)
    slope = float(np.clip(fitted.coef_[0, 0], 0, LARGEST_SLOPE))
    return slope, float(fitted.intercept_[0]) if slope else 0.0
