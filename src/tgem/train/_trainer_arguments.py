"""Arguments of a trainer, checked before anything that takes time."""

from __future__ import annotations

import inspect
from typing import Any

import lightning.pytorch as lightning
from scvi.train import Trainer

from tgem._core.errors import listed
from tgem._core.scvi_compat import parse_device_args

INSTEAD = {
    "use_gpu": "`accelerator='gpu'`",
    "gpus": "`accelerator='gpu', devices=...`",
    "learning_rate": "`plan_kwargs={'lr': ...}`",
    "lr": "`plan_kwargs={'lr': ...}`",
    "weight_decay": "`plan_kwargs={'weight_decay': ...}`",
    "epochs": "`max_epochs`",
    "n_epochs": "`max_epochs`",
}


def check_trainer_arguments(
    accelerator: str, devices: int | list[int] | str, trainer_kwargs: dict[str, Any]
) -> None:
    """Raise for arguments that no trainer takes, and for devices that are not there."""
    known = {
        name
        for trainer in (Trainer, lightning.Trainer)
        for name, parameter in inspect.signature(trainer).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    unknown = [name for name in trainer_kwargs if name not in known]
    if unknown:
        instead = [f"{INSTEAD[name]} for `{name}`" for name in unknown if name in INSTEAD]
        advice = f" Use {', '.join(instead)}." if instead else ""
        msg = f"`train` and scvi-tools' Trainer know no argument {listed(unknown)}.{advice}"
        raise TypeError(msg)
    if trainer_kwargs.get("enable_checkpointing"):
        msg = (
            "Expected `enable_checkpointing=False`: checkpoints of scvi-tools hold the AnnData. An "
            "interrupted training keeps the weights that it has reached; write them with "
            "`model.save(...)`."
        )
        raise ValueError(msg)
    try:
        parse_device_args(accelerator, devices, return_device="torch")
    except Exception as error:  # Lightning's own, of several kinds
        msg = f"Cannot train on accelerator={accelerator!r}, devices={devices!r}: {error}"
        raise ValueError(msg) from error
