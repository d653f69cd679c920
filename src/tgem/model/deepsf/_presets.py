"""Sizes, scaling and training of each decoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """One configuration.

    Attributes
    ----------
    hidden
        Units of the layers between the factors and the read-out.
    dropout
        Share of hidden units dropped in training.
    clip
        Largest number of standard deviations of a factor; ``None`` for no limit.
    penalty
        Strength of the read-out's ridge penalty in training.
    unit_range
        Whether the clipped factors are brought to 0 to 1.
    training
        Arguments of :meth:`DeepSF.train`.
    """

    hidden: tuple[int, ...]
    dropout: float = 0.0
    clip: float | None = None
    penalty: float = 0.0
    unit_range: bool = False
    training: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    # DeepSF as published: sizes, standardised factors, optimiser, epochs.
    "additive": Preset(
        hidden=(183, 82),
        training={
            "max_epochs": 3000,
            "batch_size": 128,
            "plan_kwargs": {"optimizer": "adamw", "lr": 1e-4, "weight_decay": 0.01},
        },
    ),
    # DeepRBP as published: factors clipped at two standard deviations and brought to 0 to 1.
    "sigmoid": Preset(
        hidden=(1024, 128),
        clip=2.0,
        unit_range=True,
        training={
            "max_epochs": 1000,
            "batch_size": 128,
            "plan_kwargs": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01},
        },
    ),
    # No hidden layer: regulation is then a sum over factors, as few samples can support.
    "usage": Preset(
        hidden=(),
        clip=3.0,
        penalty=3.0,
        training={
            "max_epochs": 100,
            "batch_size": 64,
            "plan_kwargs": {"optimizer": "adam", "lr": 1e-2, "schedule": "cosine"},
        },
    ),
    "psi": Preset(
        hidden=(64, 32),
        clip=3.0,
        training={
            "max_epochs": 200,
            "batch_size": 64,
            "plan_kwargs": {
                "optimizer": "adamw",
                "lr": 1e-3,
                "weight_decay": 0.1,
                "schedule": "cosine",
            },
        },
    ),
}
