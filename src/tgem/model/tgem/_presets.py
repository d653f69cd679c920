"""Named configurations of T-GEM: architecture and training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """One configuration.

    Attributes
    ----------
    module
        Arguments of the network.
    training
        Arguments of :meth:`TGEM.train`.
    """

    module: dict[str, Any]
    training: dict[str, Any]


PRESETS: dict[str, Preset] = {
    # Zhang et al. 2022: a fifth of each class to test, a tenth of the rest to validate.
    "paper": Preset(
        module={"n_layers": 3, "n_heads": 5, "dropout": 0.3},
        training={
            "max_epochs": 50,
            "batch_size": 16,
            "train_size": 0.72,
            "validation_size": 0.08,
            "plan_kwargs": {"optimizer": "adam", "lr": 1e-4},
        },
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
        training={
            "max_epochs": 30,
            "batch_size": 64,
            "plan_kwargs": {
                "optimizer": "sgd",
                "lr": 1e-2,
                "weight_decay": 3e-3,
                "schedule": "cosine",
                "gradient_clip": 1.0,
            },
        },
    ),
}
