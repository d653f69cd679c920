"""What the networks of T-GEM share: labels from a latent layer, by a linear classifier."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from tgem.nn.module import SupervisedModule

EXPRESSION_KEY = "X"
LABELS_KEY = "labels"


class TypingModule(SupervisedModule):
    """A network that types cells from expression.

    Parameters
    ----------
    n_classes
        Cell types.
    """

    input_keys: ClassVar[tuple[str, ...]] = (EXPRESSION_KEY,)
    target_key: ClassVar[str] = LABELS_KEY

    standardizes: ClassVar[bool] = False
    """Whether the network has ``set_standardization``, called with the training cells."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    @abstractmethod
    def latent(self, expression: Tensor) -> Tensor:
        """What the classifier reads, ``(n_obs, n_latent)``."""

    @abstractmethod
    def class_weights(self) -> Tensor:
        """Weights of the classifier, ``(n_classes, n_latent)``."""

    def set_standardization(self, mean: Tensor, scale: Tensor) -> None:
        """Fix each gene's centre and scale."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of the labels."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self) -> MetricCollection:
        """Accuracy and macro-averaged F1."""
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(self.n_classes, average="micro"),
                "macro_f1": MulticlassF1Score(self.n_classes, average="macro"),
            }
        )


def standardization(mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and scale of each gene; one that never varies keeps scale 1."""
    return mean, torch.where(scale > 0, scale, torch.ones_like(scale))
