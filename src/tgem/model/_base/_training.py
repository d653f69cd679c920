"""How every model is trained: its split, its call of Lightning, its record of what it did."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from tgem._core.random import seeded
from tgem._core.scvi_compat import field_states
from tgem._core.validate import check_count
from tgem.data import FieldDataset, Split
from tgem.model._base._evaluated import EvaluatedModel
from tgem.model._base._split_record import (
    NOT_SAVED,
    SplitRecord,
    digests_of_names,
    warn_of_seen,
)
from tgem.model._base._unchanged import unchanged_if_it_fails
from tgem.train import (
    SupervisedTrainingPlan,
    check_early_stopping,
    check_trainer_arguments,
    fit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning.pytorch import Callback

TRAINING_DEFAULTS: dict[str, Any] = {
    "max_epochs": 100,
    "batch_size": 128,
    "train_size": 0.8,
    "validation_size": 0.1,
    "plan_kwargs": {},
}


class TrainedModel(EvaluatedModel):
    """A model that is trained on targets; what a model adds to the training goes first."""

    @abstractmethod
    def _make_split(self, dataset: FieldDataset, split_key: str | None, **sizes: Any) -> Split:
        """Training, validation and test cells; raises if the data cannot be trained on."""

    def _prepare_module(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
        """Fix what the network learns from the training cells before the first step."""

    @contextmanager
    def _around_training(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], *, seed: int
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Do what comes before and after gradient descent; yield the training cells it sees."""
        yield cells

    def _after_training(self, dataset: FieldDataset, split: Split, *, seed: int) -> None:
        """Measure what the trained network is to say of new cells beside its outputs."""

    def _training_defaults(self) -> dict[str, Any]:
        """Arguments of :meth:`train` where the user names none."""
        return {}

    def _callbacks(self) -> list[Callback]:
        """Lightning's callbacks that take part in every training."""
        return []

    def train(
        self,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        *,
        train_size: float | None = None,
        validation_size: float | None = None,
        split_key: str | None = None,
        seed: int = 0,
        early_stopping: bool = False,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        plan_kwargs: dict[str, Any] | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model; a second call goes on from the weights of the first, with its split.

        A second call draws a new split only if it names one or other shares, or if the data have
        changed; it warns if cells to validate or test on were trained on before. If it fails, the
        model is the one that it was.
        Interrupting a run (Ctrl-C, or stop in a notebook) keeps the weights of the epochs so far.

        Parameters
        ----------
        max_epochs
            Passes over the training cells; ``None`` for the preset's number.
        batch_size
            Cells per training step; ``None`` for the preset's number.
        train_size, validation_size
            Shares of the labelled cells of each class that are trained on, and that the history's
            ``validation_*`` is measured on; ``None`` for the preset's shares. The rest is the
            test set of :meth:`evaluate`; it takes no part in training.
        split_key
            Column of ``.obs`` with the values ``"train"``, ``"validation"`` and ``"test"``, for a
            split of your own; :func:`tgem.pp.split` writes one that keeps donors together. It
            replaces the two shares.
        seed
            Decides initial weights, split (that of the first call), order of the cells, dropout:
            one model on one machine, whatever ``scvi.settings.seed`` is.
        early_stopping
            Stop when ``validation_loss`` no longer falls (`early_stopping_patience`, by default
            45 epochs).
        accelerator, devices
            Where to train, as in Lightning: ``"auto"`` takes a GPU where there is one.
        plan_kwargs
            For :class:`~tgem.train.SupervisedTrainingPlan`: `optimizer`, `lr`, `weight_decay`,
            `schedule`, `gradient_clip`.
        **trainer_kwargs
            For :class:`scvi.train.Trainer`.

        Raises
        ------
        ValueError
            If the data have no labels, fewer than two classes, or a split without training cells;
            for early stopping without validation cells, a wrong rate or device, or checkpoints.
        TypeError
            For an argument that no trainer knows.
        """
        given = {
            "max_epochs": max_epochs,
            "batch_size": batch_size,
            "train_size": train_size,
            "validation_size": validation_size,
        }
        adata = self._data(None)
        self._check_registered(adata)
        options = TRAINING_DEFAULTS | self._training_defaults()
        options |= {name: value for name, value in given.items() if value is not None}
        check_count("max_epochs", options["max_epochs"])
        check_count("batch_size", options["batch_size"])
        check_trainer_arguments(accelerator, devices, trainer_kwargs)
        record = self._split_record_of(split_key, options, given, seed=seed)
        split = record.split
        check_early_stopping(split, early_stopping=early_stopping)
        callbacks = [*self._callbacks(), *(trainer_kwargs.pop("callbacks", None) or ())]
        with seeded(seed):
            dataset = self._dataset(None)
            if not self.is_trained_:
                self.module = self._make_module()
                self._prepare_module(dataset, split.train)
            plan_options = options["plan_kwargs"] | (plan_kwargs or {})
            plan = SupervisedTrainingPlan(self.module, **plan_options)
            # the split's seed, so that cells held out of some part of training stay held out
            around = self._around_training(dataset, split.train, seed=record.seed)
            with unchanged_if_it_fails(self), around as seen:
                fit(
                    self,
                    plan,
                    manager=self.adata_manager,
                    split=split._replace(train=seen),
                    batch_size=options["batch_size"],
                    early_stopping=early_stopping,
                    max_epochs=options["max_epochs"],
                    accelerator=accelerator,
                    devices=devices,
                    callbacks=callbacks,
                    **trainer_kwargs,
                )
            self._split_record, self._seed, self.train_indices = record, seed, split.train
            self._after_training(dataset, split, seed=seed)
            self._validation = self._scores_of(dataset, split.validation)
            settings = options | {"plan_kwargs": plan_options}
            del settings["train_size"], settings["validation_size"]
            settings |= {"seed": seed, "early_stopping": early_stopping}
            settings |= {"accelerator": accelerator, "devices": devices}
            self._trainings.append(settings | trainer_kwargs)

    def _split_record_of(
        self, split_key: str | None, options: dict[str, Any], given: dict[str, Any], *, seed: int
    ) -> SplitRecord:
        """Draw a split or keep that of earlier calls, and add up which cells will be seen."""
        adata = self._data(None)
        dataset = FieldDataset(adata, self._fields, field_states(self.registry_))
        cells = digests_of_names(adata.obs_names)
        trainable = self._trainable(dataset)
        self._follow_names()
        earlier = self._split_record if self.is_trained_ else None
        if earlier is not None and earlier.cells not in (cells, NOT_SAVED):
            earlier = None  # positions mean other cells
        sizes = (options["train_size"], options["validation_size"])
        if (
            earlier is not None
            and split_key is None
            and np.array_equal(earlier.trainable, trainable)
            and earlier.keeps(given["train_size"], given["validation_size"])
        ):
            split = earlier.split
        else:
            split = self._make_split(
                dataset, split_key, train_size=sizes[0], validation_size=sizes[1], seed=seed
            )
        warn_of_seen(split, earlier)
        shares = sizes if split_key is None else None
        known = {"cells": cells, "trainable": trainable, "values": self._some_values(dataset)}
        return SplitRecord.following(earlier, split, sizes=shares, seed=seed, **known)

    def _trainable(self, dataset: FieldDataset) -> np.ndarray[Any, Any]:
        """Which observations have what training needs, such as a label."""
        return np.ones(len(dataset), dtype=bool)

    @property
    def history(self) -> pd.DataFrame:
        """Training curves, epochs x metrics (``train_loss``, ``validation_loss`` and others).

        They are of the network while it is trained. Some models end with one more step, such as
        the choice of the best epoch: the finished model's ``validation_loss`` is in its ``repr``,
        and :meth:`evaluate` measures it.
        """
        if not self.history_:
            return pd.DataFrame()
        frame = pd.concat([self.history_[name].iloc[:, 0] for name in self.history_], axis=1)
        return frame.astype(float).rename_axis("epoch")

    def _scores_of(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> dict[str, float]:
        """Loss and metrics of the network as it is."""
        if not len(cells):
            return {}
        device, key = self.module.device, self.module.target_key
        outputs = torch.from_numpy(self._outputs_of(dataset, cells, None)).to(device)
        targets = torch.from_numpy(dataset.read(key, cells)).to(device)
        metrics = self.module.metrics().to(device)
        with torch.no_grad():  # a loss may hold parameters, as the spread of each event
            found = {"loss": self.module.loss(outputs, targets)} | metrics(outputs, targets)
        return {name: float(value) for name, value in found.items()}

    def _describe_training(self) -> str:
        if not self.is_trained_:
            return "not trained: call train()"
        n_seen = 0 if self.train_indices is None else len(self.train_indices)
        trained = f"trained {len(self.history)} epochs on {n_seen} {self._observed}"
        found = [
            f"validation_{name} {self._validation[name]:.3f}"
            for name in ("loss", "accuracy")
            if name in self._validation
        ]
        return f"{trained}: {', '.join(found)}" if found else trained
