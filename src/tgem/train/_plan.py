"""The supervised training plan: torch's defaults, plain names in the history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from tgem._core.validate import check_choice, check_positive

if TYPE_CHECKING:
    from tgem.nn.module import SupervisedModule

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
SCHEDULES = ("constant", "cosine")


class SupervisedTrainingPlan(LightningModule):
    """Minimise a module's loss and log ``train_loss``, ``validation_loss`` and its metrics.

    Parameters
    ----------
    module
        The network, its loss and its metrics.
    optimizer
        ``"adam"``, ``"adamw"`` or ``"sgd"`` (with Nesterov momentum 0.9); everything not named
        here has torch's default.
    lr
        Learning rate.
    weight_decay
        Weight decay of the optimiser.
    schedule
        ``"constant"``, or ``"cosine"``: from `lr` to 0 over the planned epochs, after a linear
        warm-up over the first twentieth.
    gradient_clip
        Largest norm of the gradient; ``None`` for no limit.
    """

    def __init__(
        self,
        module: SupervisedModule,
        *,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["constant", "cosine"] = "constant",
        gradient_clip: float | None = None,
    ) -> None:
        super().__init__()
        check_choice("optimizer", optimizer, OPTIMIZERS)
        check_choice("schedule", schedule, SCHEDULES)
        check_positive("lr", lr)
        self.module = module
        self._optimizer, self._lr, self._weight_decay = optimizer, lr, weight_decay
        self._schedule, self._gradient_clip = schedule, gradient_clip
        self._validation_metrics = module.metrics().clone(prefix="validation_")

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Loss of one minibatch."""
        outputs, _, loss = self._evaluate(batch)
        self.log(
            "train_loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(outputs)
        )
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Loss and metrics of one minibatch of validation cells."""
        outputs, targets, loss = self._evaluate(batch)
        self.log("validation_loss", loss, prog_bar=True, batch_size=len(outputs))
        self._validation_metrics.update(outputs, targets)
        self.log_dict(self._validation_metrics, batch_size=len(outputs))

    def _evaluate(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self.module(*(batch[key] for key in self.module.input_keys))
        targets = batch[self.module.target_key]
        return outputs, targets, self.module.loss(outputs, targets)

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Limit the norm of the gradient."""
        if self._gradient_clip is not None:
            self.clip_gradients(optimizer, self._gradient_clip, "norm")

    def _parameter_groups(self) -> list[dict[str, Any]]:
        groups = []
        for group in self.module.parameter_groups():
            own = dict(group)
            own["lr"] = self._lr * own.get("lr", 1.0)
            own["weight_decay"] = self._weight_decay * own.get("weight_decay", 1.0)
            groups.append(own)
        return groups

    def configure_optimizers(self) -> Any:
        """Build the optimiser and, for the cosine schedule, a scheduler that steps per batch."""
        options: dict[str, Any] = {"lr": self._lr, "weight_decay": self._weight_decay}
        if self._optimizer == "sgd":
            options |= {"momentum": 0.9, "nesterov": True}
        optimizer = OPTIMIZERS[self._optimizer](self._parameter_groups(), **options)
        if self._schedule == "constant":
            return optimizer
        n_steps = max(int(self.trainer.estimated_stepping_batches), 1)
        n_warmup = max(n_steps // 20, 1)

        def factor(step: int) -> float:
            if step < n_warmup:
                return (step + 1) / n_warmup
            return 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(n_steps - n_warmup, 1)))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
