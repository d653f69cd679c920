"""Models on disk: weights as safetensors, everything else as JSON, nothing executable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from tgem._core.errors import listed
from tgem.data import Split
from tgem.model._base._split_record import SplitRecord

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tgem.model._base._model import SupervisedModel

FORMAT = "tgem-model"
FORMAT_VERSION = 2  # 2: arrays beside the weights
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
PACKAGES = ("tgem", "torch", "scvi-tools", "anndata", "lightning")
BESIDE = "beside_weights."
SPLIT_ATTRIBUTES = ("train_indices", "validation_indices", "test_indices")


@dataclass(frozen=True)
class SavedModel:
    """Contents of a model folder."""

    description: dict[str, Any]
    weights: dict[str, Tensor]

    @property
    def registry(self) -> dict[str, Any]:
        """scvi-tools' registry of the training data: genes, categories, set-up arguments."""
        registry: dict[str, Any] = self.description["registry"]
        return registry

    @property
    def init_params(self) -> dict[str, Any]:
        """Arguments of the model's constructor."""
        init_params: dict[str, Any] = self.description["init_params"]
        return init_params

    def restore(self, model: SupervisedModel) -> None:
        """Put weights, history and split back into a freshly built model."""
        weights = {
            name: value for name, value in self.weights.items() if not name.startswith(BESIDE)
        }
        self._check_weights(weights, model.module.state_dict())
        model.module.load_state_dict(weights)
        arrays = {
            name.removeprefix(BESIDE): value.numpy()
            for name, value in self.weights.items()
            if name.startswith(BESIDE)
        }
        model._restore_beside_weights(self.description.get("beside_weights", {}), arrays)
        model.is_trained_ = self.description["is_trained"]
        model.min_gene_share = self.description["min_gene_share"]
        model._seed = self.description["seed"]
        model._trainings = self.description.get("trainings", [])
        for attribute in SPLIT_ATTRIBUTES:
            cells = self.description["split"][attribute]
            setattr(model, attribute, None if cells is None else np.asarray(cells, dtype=np.int64))
        split = Split(*(_cells(getattr(model, name)) for name in SPLIT_ATTRIBUTES))
        model._split_record = SplitRecord.from_saved(split, self.description.get("split_record"))
        model._validation = self.description.get("validation", {})
        history = self.description["history"]
        index = pd.Index(history["epoch"], name="epoch")
        model.history_ = {
            name: pd.DataFrame({name: values}, index=index, dtype=float)
            for name, values in history["metrics"].items()
        }

    def _check_weights(self, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
        """Raise if they are of another network than the one that this version builds."""
        different = {
            "no": [name for name in expected if name not in found],
            "unknown": [name for name in found if name not in expected],
            "differently shaped": [
                name
                for name in expected
                if name in found and found[name].shape != expected[name].shape
            ],
        }
        differences = [f"{how} {listed(names)}" for how, names in different.items() if names]
        if differences:
            msg = (
                f"This {self.description['class']} was saved by tgem "
                f"{self.description['versions']['tgem']} with a network that tgem "
                f"{version('tgem')} does not build: {'; '.join(differences)}. Train it again, or "
                "load it with the version that saved it."
            )
            raise ValueError(msg)


def write_saved(model: SupervisedModel, folder: Path, *, overwrite: bool) -> None:
    """Write a model folder; the description goes last, so a cut-off write is no model."""
    if (folder / DESCRIPTION).exists() and not overwrite:
        msg = (
            f"{folder} already holds a model. Choose another folder, or replace it with "
            "`model.save(..., overwrite=True)`."
        )
        raise FileExistsError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu().contiguous() for name, value in model.module.state_dict().items()}
    described, arrays = model._beside_weights()
    weights |= {
        f"{BESIDE}{name}": torch.from_numpy(np.ascontiguousarray(values))
        for name, values in arrays.items()
    }
    (folder / DESCRIPTION).unlink(missing_ok=True)
    save_file(weights, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(
        json.dumps(_describe(model, folder) | {"beside_weights": described}, indent=1)
    )


def _describe(model: SupervisedModel, folder: Path) -> dict[str, Any]:
    history = model.history
    metrics = {
        name: [None if np.isnan(value) else float(value) for value in history[name]]
        for name in history.columns
    }
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class": type(model).__name__,
        "init_params": model._init_params,
        "is_trained": bool(model.is_trained_),
        "seed": model._seed,
        "trainings": [_plain(settings) for settings in model._trainings],
        "min_gene_share": model.min_gene_share,
        "versions": {name: version(name) for name in PACKAGES},
        "weights_sha256": _checksum(folder / WEIGHTS),
        "registry": json.loads(json.dumps(model.registry_)),
        "history": {"epoch": [int(epoch) for epoch in history.index], "metrics": metrics},
        "split": {
            name: None if (cells := getattr(model, name)) is None else np.asarray(cells).tolist()
            for name in SPLIT_ATTRIBUTES
        },
        "split_record": None if model._split_record is None else model._split_record.as_saved(),
        "validation": model._validation,
    }


def _cells(positions: Any) -> np.ndarray[Any, Any]:
    return np.empty(0, dtype=np.int64) if positions is None else positions


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a training that text can hold: loggers and the like are no part of it."""
    return {name: value for name, value in settings.items() if _is_text(value)}


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def read_saved(folder: Path, class_name: str | None = None) -> SavedModel:
    """Read a model folder and check that it is whole and, if named, of the right class."""
    path = folder / DESCRIPTION
    if not path.is_file() or not (folder / WEIGHTS).is_file():
        msg = (
            f"Expected a model in {folder} ({DESCRIPTION} and {WEIGHTS}), found none. "
            "`model.save(folder)` writes one."
        )
        raise FileNotFoundError(msg)
    try:
        description = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        msg = f"{path} is damaged: {error}. Save the model again."
        raise ValueError(msg) from None
    if description.get("format") != FORMAT:
        msg = f"{path} does not describe a tgem model."
        raise ValueError(msg)
    if description["format_version"] > FORMAT_VERSION:
        msg = (
            f"{folder} was saved in format {description['format_version']} by tgem "
            f"{description['versions']['tgem']}; this version reads up to format "
            f"{FORMAT_VERSION}. Update tgem."
        )
        raise ValueError(msg)
    if class_name is not None and description["class"] != class_name:
        msg = (
            f"{folder} holds a {description['class']} model, not a {class_name}. Load it with "
            f"`tgem.model.{description['class']}.load(...)`."
        )
        raise ValueError(msg)
    if _checksum(folder / WEIGHTS) != description["weights_sha256"]:
        msg = f"{folder / WEIGHTS} is damaged: its checksum is not the saved one."
        raise ValueError(msg)
    return SavedModel(description, load_file(folder / WEIGHTS))


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
