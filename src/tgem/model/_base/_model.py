"""The base of all models: their data, their training, and their folder on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scvi.data import AnnDataManager

from tgem._core.errors import GeneAlignmentWarning, TrainingWarning, quiet, warn
from tgem._core.scvi_compat import parse_device_args
from tgem._core.validate import cell_indices
from tgem.model._base._saving import read_saved, write_saved
from tgem.model._base._split_record import NOT_SAVED
from tgem.model._base._training import TrainedModel

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.data import Data
    from tgem.model._base._registered import Cells


class SupervisedModel(TrainedModel):
    """Base class of the models.

    A model writes `_make_fields`, `_make_module`, `_make_split`, `_n_targets` and its own getters.
    How it is saved and loaded is here; its training is in :class:`TrainedModel`, its outputs are
    in :class:`ReadingModel`, and its data in :class:`RegisteredModel`.
    """

    def _observations_to_evaluate(
        self, data: Data | None, indices: Cells
    ) -> tuple[np.ndarray[Any, Any], str]:
        """Positions of the observations to evaluate on, and what they are.

        Those named; of training data, whole or in part and in any order, the test observations or
        if there are none the validation observations; all of other data.
        """
        self._check_trained()
        rows = self._data(data)
        if indices is not None:
            return cell_indices(indices, rows.n_obs), "given"
        positions = self._positions_in_training(rows)
        is_whole = len(positions) and (positions >= 0).all()
        for name in ("test", "validation") if is_whole else ():
            chosen = getattr(self, f"{name}_indices")
            place = {position: row for row, position in enumerate(positions.tolist())}
            found = [place[cell] for cell in ([] if chosen is None else chosen) if cell in place]
            if found:
                return np.array(found), name
        record = self._split_record
        if data is None or (is_whole and record is not None and len(rows.obs) == record.n_cells):
            msg = (
                "Expected test or validation observations to evaluate on: the model was trained on "
                "all. Name others, or other data."
            )
            raise ValueError(msg)
        self._warn_of_seen(positions)
        return np.arange(rows.n_obs), "all"

    def _positions_in_training(self, data: Data) -> np.ndarray[Any, Any]:
        """Place of each observation among those of the training, -1 for others.

        By name: the model's own data may have been sorted or cut since.
        """
        if self._split_record is None or self._split_record.cells == NOT_SAVED:
            return np.arange(data.n_obs) if data is self.adata else np.full(data.n_obs, -1)
        return self._split_record.positions_of(data.obs_names)

    def _warn_of_seen(self, positions: np.ndarray[Any, Any]) -> None:
        """Say that other data hold what the model was trained on."""
        record = self._split_record
        n_seen = 0 if record is None else int(np.isin(positions, record.seen).sum())
        # barcodes of different samples may coincide by chance, but not most of them
        if n_seen > len(positions) / 2:
            msg = (
                f"{n_seen} of {len(positions)} observations have names that the model was trained "
                "on: unless they only happen to have the same names, the scores are too good. "
                "Evaluate on `model.test_indices` of the training data."
            )
            warn(msg, TrainingWarning)

    def _beside_weights(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """What is saved beside the weights: text, and arrays."""
        return {}, {}

    def _restore_beside_weights(
        self, described: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]
    ) -> None:
        """Take back what was saved beside the weights; empty for models saved without it."""

    def save(self, dir_path: str | Path, *, overwrite: bool = False) -> None:
        """Save the model: weights as ``model.safetensors``, everything else as ``model.json``.

        Both files are plain data. The AnnData is not saved.

        Parameters
        ----------
        dir_path
            Folder to write into; made if absent.
        overwrite
            Whether a model that is already there may be replaced.

        Raises
        ------
        FileExistsError
            If the folder holds a model and `overwrite` is False.
        """
        write_saved(self, Path(dir_path), overwrite=overwrite)

    @classmethod
    def load(
        cls,
        dir_path: str | Path,
        adata: AnnData | None = None,
        *,
        accelerator: str = "auto",
        device: int | str = "auto",
    ) -> Self:
        """Load a saved model; no code from the files is executed.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.
        adata
            Data to attach, set up as the training data were; ``None`` to name the data at each
            prediction.
        accelerator, device
            Where to put the model.

        Returns
        -------
        The model, ready to predict.

        Raises
        ------
        FileNotFoundError
            If the folder holds no model.
        ValueError
            If it holds another class of model, a newer format, or damaged weights.
        """
        saved = read_saved(Path(dir_path), cls.__name__)
        if adata is not None:
            setup_args = {
                key: saved.registry[key] for key in saved.registry if key.startswith("setup_")
            }
            with quiet(GeneAlignmentWarning):  # said below, when it is known what stands in
                cls._register(adata, setup_args | {"model_name": cls.__name__}, saved.registry)
        model = cls(adata=adata, registry=saved.registry, **saved.init_params)
        saved.restore(model)
        if adata is not None:
            model._dataset(None)
        _, _, torch_device = parse_device_args(
            accelerator, device, return_device="torch", validate_single_device=True
        )
        model.module.to(torch_device).eval()
        return model

    @staticmethod
    def load_registry(dir_path: str | Path) -> dict[str, Any]:
        """Read how the training data of a saved model were set up.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.

        Returns
        -------
        scvi-tools' registry: genes, categories, arguments of the set-up.
        """
        return read_saved(Path(dir_path)).registry

    @staticmethod
    def view_setup_args(dir_path: str | Path) -> None:
        """Print how the training data of a saved model were set up.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.
        """
        AnnDataManager.view_setup_method_args(read_saved(Path(dir_path)).registry)

    @classmethod
    def convert_legacy_save(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse, whatever the `args` and `kwargs`: there is no other format to convert."""
        msg = f"{cls.__name__} has no other format: `{cls.__name__}.load(folder)` reads its models."
        raise NotImplementedError(msg)
