"""Training metrics of outputs against measured expression."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanSquaredError, Metric
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.utilities import dim_zero_cat


class HighAUROC(Metric):
    """Area under the ROC curve of high expression; NaN if all genes are high, or none.

    Parameters
    ----------
    threshold
        Expression above which a gene is high, for each cell type.
    """

    logits: list[Tensor]
    high: list[Tensor]
    threshold: Tensor

    def __init__(self, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("threshold", threshold)
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("high", [], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a minibatch."""
        self.logits.append(outputs[:, 0].detach())
        self.high.append((targets[:, 0] > self.threshold[targets[:, 1].long()]).long())

    def compute(self) -> Tensor:
        """Area under the curve."""
        logits, high = dim_zero_cat(self.logits), dim_zero_cat(self.high)
        if high.min() == high.max():
            return torch.full((), torch.nan, device=high.device)
        return binary_auroc(torch.sigmoid(logits.double()), high)


class HighAccuracy(HighAUROC):
    """Share of genes whose output is on the right side of 0."""

    def compute(self) -> Tensor:
        """Accuracy."""
        right = (dim_zero_cat(self.logits) > 0) == (dim_zero_cat(self.high) > 0)
        return right.float().mean()


class MeasuredError(MeanSquaredError):
    """Mean squared error against measured expression."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a minibatch."""
        super().update(preds[:, 0].detach(), target[:, 0].contiguous())
