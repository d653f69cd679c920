"""Named configurations of T-GEM: architecture and training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """One configuration.

    Attributes
    ----------
    module
        Arguments of the network.
    max_epochs, batch_size
        Length of training and cells per step.
    plan_kwargs
        Arguments of the training plan.
    """

    module: dict[str, Any]
    max_epochs: int
    batch_size: int
    plan_kwargs: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    # Zhang et al. 2022: Adam at 1e-4, batches of 16, 50 epochs.
    "paper": Preset(
        module={"n_layers": 3, "n_heads": 5, "dropout": 0.3},
        max_epochs=50,
        batch_size=16,
        plan_kwargs={"optimizer": "adam", "lr": 1e-4},
    ),
    # Standardised expression, a linear start and momentum: chosen on validation cells only.
    "standardized": Preset(
        module={
            "n_layers": 1,
            "n_heads": 5,
            "dropout": 0.3,
            "standardize": True,
            "start_linear": True,
        },
        max_epochs=30,
        batch_size=64,
        plan_kwargs={
            "optimizer": "sgd",
            "lr": 1e-2,
            "weight_decay": 3e-3,
            "schedule": "cosine",
            "gradient_clip": 1.0,
        },
    ),
}
