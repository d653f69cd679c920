"""One training run: from a split to a trained module and its history."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from scvi.train import TrainRunner

from tgem._core.errors import TrainingWarning, warn
from tgem.train._data import SupervisedDataModule

if TYPE_CHECKING:
    from scvi.model.base import BaseModelClass

    from tgem.data import DataManager, Split
    from tgem.train._plan import SupervisedTrainingPlan


def fit(
    model: BaseModelClass,
    plan: SupervisedTrainingPlan,
    *,
    manager: DataManager,
    split: Split,
    batch_size: int,
    early_stopping: bool,
    **trainer_kwargs: Any,
) -> None:
    """Train `model.module`; an interrupted run keeps the weights reached so far.

    Parameters
    ----------
    model
        Receives `is_trained_`, `history_` and the indices of the split.
    plan
        Loss, optimiser and metrics.
    manager
        The registered data.
    split
        Training, validation and test cells.
    batch_size
        Cells per minibatch.
    early_stopping
        Stop when `validation_loss` no longer falls (:func:`check_early_stopping`).
    **trainer_kwargs
        For scvi-tools' Trainer; `max_epochs`, `accelerator` and `devices` among them.
    """
    defaults: dict[str, Any] = {
        "early_stopping_monitor": "validation_loss",
        "check_val_every_n_epoch": 1 if split.validation.size else None,
        "enable_checkpointing": False,
        "log_every_n_steps": 1,
    }
    options = defaults | trainer_kwargs
    if options.get("callbacks") is not None:
        options["callbacks"] = list(options["callbacks"])  # the trainer appends to it
    runner = TrainRunner(
        model,
        training_plan=plan,
        data_splitter=SupervisedDataModule(manager, split, batch_size),
        early_stopping=early_stopping,
        **options,
    )
    model.module.train()
    try:
        with warnings.catch_warnings():
            # Lightning asks torch for a name that torch has deprecated
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            runner()
    except (KeyboardInterrupt, SystemExit):
        _keep_interrupted(model, split, runner)


def check_early_stopping(split: Split, *, early_stopping: bool) -> None:
    """Raise if there is nothing to stop by."""
    if early_stopping and split.validation.size == 0:
        msg = (
            "Expected validation cells because of `early_stopping=True`, found none. Pass a "
            "`validation_size` above 0 or `early_stopping=False`."
        )
        raise ValueError(msg)


def _keep_interrupted(model: BaseModelClass, split: Split, runner: TrainRunner) -> None:
    n_epochs = runner.trainer.current_epoch
    if n_epochs == 0:
        raise KeyboardInterrupt
    model.train_indices, model.validation_indices, model.test_indices = split
    model.is_trained_ = True
    model.module.to(runner.device).eval()
    msg = (
        f"Training was interrupted after {n_epochs} epochs. The model keeps the weights it has "
        "reached; call `train()` again to go on from them."
    )
    warn(msg, TrainingWarning)
