"""Keep the weights of the best epoch."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class KeepBestWeights(Callback):
    """Give the module the weights of its best epoch when training ends.

    Without validation cells the last weights stay.

    Parameters
    ----------
    monitor
        Metric of the history to judge by.
    larger_is_better
        Whether the best value is the largest.
    """

    def __init__(self, monitor: str = "validation_loss", *, larger_is_better: bool = False) -> None:
        super().__init__()
        self._monitor, self._sign = monitor, 1.0 if larger_is_better else -1.0
        self._best = float("-inf")
        self._weights: dict[str, Any] | None = None

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember the weights if they are the best so far."""
        value = trainer.callback_metrics.get(self._monitor)
        if trainer.sanity_checking or value is None:
            return
        score = self._sign * float(value)
        if score > self._best:
            module: Any = pl_module.module
            self._best, self._weights = score, deepcopy(module.state_dict())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            module: Any = pl_module.module
            module.load_state_dict(self._weights)
