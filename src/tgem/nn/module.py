"""What the training plan, prediction and attribution ask of a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class SupervisedModule(nn.Module):
    """A network with its loss and metrics: ``f(*inputs) -> (n_obs, n_targets)``."""

    input_keys: ClassVar[tuple[str, ...]]
    """Tensors of a minibatch that are the network's inputs, in order."""

    target_key: ClassVar[str]
    """Tensor of a minibatch that holds the targets."""

    linear_in_attention: ClassVar[bool] = False
    """Whether the outputs are linear in what attention averages, all else held fixed."""

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs, ``(n_obs, n_targets)``: logits for classes, values for regression."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a minibatch."""

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Fresh torchmetrics, called with outputs and targets."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters that are trained, as torch's optimisers take them.

        A group's ``"lr"`` and ``"weight_decay"``, where given, are multiples of the plan's.
        """
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device
