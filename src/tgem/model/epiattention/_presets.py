"""Named configurations of EpiAttention: architecture and training."""

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
        Arguments of :meth:`EpiAttention.train`.
    monitor
        Metric of the history by which the best epoch is chosen, for binary expression.
    """

    module: dict[str, Any]
    training: dict[str, Any]
    monitor: str


PRESETS: dict[str, Preset] = {
    # Kang et al. 2020: two quarters of the genes to train, one to validate, one to test.
    "paper": Preset(
        module={},
        training={
            "max_epochs": 20,
            "batch_size": 16,
            "train_size": 0.5,
            "validation_size": 0.25,
            "plan_kwargs": {"optimizer": "adam", "lr": 1e-3},
        },
        monitor="validation_auroc",
    ),
    # Standardised inputs, residual connections, strong weight decay: chosen on validation genes and
    # on simulated data, where the factors that matter should stand out. The linear part was added
    # on inner splits by chromosome of real genes (`benchmarks/epigenome.py`).
    "standardized": Preset(
        module={"standardize": True, "residual": True, "dropout": 0.5, "linear": True},
        training={
            "max_epochs": 15,
            "batch_size": 32,
            "train_size": 0.7,
            "validation_size": 0.15,
            "plan_kwargs": {
                "optimizer": "adamw",
                "lr": 2e-3,
                "weight_decay": 0.5,
                "schedule": "cosine",
                "gradient_clip": 1.0,
            },
        },
        monitor="validation_loss",
    ),
}
