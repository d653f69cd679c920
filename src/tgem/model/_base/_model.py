"""The base of all models: their data, their training, and their folder on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from scvi.data import AnnDataManager

from tgem._core.errors import GeneAlignmentWarning, quiet
from tgem._core.scvi_compat import parse_device_args
from tgem.model._base._saving import read_saved, write_saved
from tgem.model._base._training import TrainedModel

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


class SupervisedModel(TrainedModel):
    """Base class of the models.

    A model writes `_make_fields`, `_make_module`, `_make_split`, `_n_targets` and its own getters.
    How it is saved and loaded is here; what it may be evaluated on in :class:`EvaluatedModel`, its
    training in :class:`TrainedModel`, its outputs in :class:`ReadingModel`, and its data in
    :class:`RegisteredModel`.
    """

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
