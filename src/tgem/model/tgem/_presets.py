"""Named configurations of T-GEM: architecture and training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tgem.model.tgem._class_queries import ClassQueryModule
from tgem.model.tgem._module import TGEMModule

if TYPE_CHECKING:
    from collections.abc import Callable

    from tgem.model.tgem._typing_module import TypingModule


@dataclass(frozen=True)
class Preset:
    """One configuration.

    Attributes
    ----------
    network
        The network, from numbers of genes and classes.
    module
        Arguments of the network.
    training
        Arguments of :meth:`TGEM.train`; ``n_steps``, in place of ``max_epochs``, is the number of
        training steps that all labelled cells would take, in whole epochs: at least 2, at most 20.
    top_fraction
        Share of all pairs of genes that a network keeps, if it is no fixed number of edges.
    """

    network: Callable[..., TypingModule]
    module: dict[str, Any]
    training: dict[str, Any]
    top_fraction: float | None = None


PRESETS: dict[str, Preset] = {
    # Zhang et al. 2022: a fifth of each class to test, a tenth of the rest to validate.
    "paper": Preset(
        network=TGEMModule,
        module={"n_layers": 3, "n_heads": 5, "dropout": 0.3},
        training={
            "max_epochs": 50,
            "batch_size": 16,
            "train_size": 0.72,
            "validation_size": 0.08,
            "plan_kwargs": {"optimizer": "adam", "lr": 1e-4},
        },
        top_fraction=0.001,
    ),
    # Chosen on cells held out of training sets, and on simulated products of genes.
    "default": Preset(
        network=ClassQueryModule,
        module={"n_heads": 16, "dropout": 0.2},
        training={
            "n_steps": 500,
            "batch_size": 64,
            "plan_kwargs": {
                "optimizer": "adamw",
                "lr": 2e-2,
                "weight_decay": 0.1,
                "schedule": "cosine",
            },
        },
    ),
}
