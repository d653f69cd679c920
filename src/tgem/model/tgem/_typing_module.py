"""What the networks of T-GEM share: labels from a latent layer, by a linear classifier."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from tgem.nn.module import SupervisedModule

if TYPE_CHECKING:
    from torch import Tensor

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

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    @abstractmethod
    def latent(self, expression: Tensor) -> Tensor:
        """What the classifier reads, ``(n_obs, n_latent)``."""

    @abstractmethod
    def class_weights(self) -> Tensor:
        """Weights of the classifier, ``(n_classes, n_latent)``."""

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
