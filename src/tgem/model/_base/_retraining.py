"""The same model trained again: on other cells, from another seed, or on permuted labels."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tgem._core.errors import TgemWarning, quiet
from tgem._core.scvi_compat import SETUP_ARGS
from tgem.data import Split, split_column
from tgem.model._base._attention_network import AttentionNetwork
from tgem.model._base._cell_groups import NoCellsError
from tgem.model._base._part_networks import PartNetworkClassifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData

    from tgem.model._base._registered import Cells

    Array = np.ndarray[Any, Any]

_LIGHTNING = ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero")
_SPLIT = "split_of_retraining"


class RetrainedClassifier(PartNetworkClassifier):
    """A classifier that can be trained again as it was, to say what of its network is chance."""

    def retrained(
        self,
        *,
        labels: pd.Series[Any] | None = None,
        cells: Cells = None,
        seed: int | None = None,
    ) -> Self:
        """Train a new model as this one was trained.

        Preset, options, split and settings of every call of :meth:`train` are the same. Neither
        this model nor its data change. Training that was interrupted is run to its end.

        Parameters
        ----------
        labels
            Labels of all cells of the training data, in their order, in place of theirs.
        cells
            Positions of the cells to train on, in place of :attr:`train_indices`.
        seed
            Seed in place of the one that this model was trained with; of the initial weights, the
            order of the cells and dropout. The split stays.

        Returns
        -------
        The new model. It holds its data, which share the expression with this model's.

        Raises
        ------
        RuntimeError
            If this model is not trained.
        ValueError
            If it does not hold its training cells or its settings.
        """
        self._check_retrainable()
        label_key = str(self._label_field().attr_key)
        train = self.train_indices if cells is None else np.unique(np.asarray(cells))
        split = Split(train, self._part("validation"), self._part("test"))
        columns = {_SPLIT: split_column(split, self._data(None).obs_names)}
        if labels is not None:
            columns[label_key] = labels
        data = self._with_columns(None, **columns)
        with _quiet_lightning(), quiet():  # all was said when this model was trained
            # Lightning keeps what an interrupted training has reached; here it is worth nothing
            warnings.filterwarnings("error", message="Training was interrupted")
            setup_args = self.registry_[SETUP_ARGS] | {"layer": None, "use_raw": False}
            type(self).setup_anndata(data, **setup_args)
            model = type(self)(data, **self._init_params)
            for settings in self._trainings:
                given = settings if seed is None else settings | {"seed": seed}
                try:
                    model.train(split_key=_SPLIT, **given | {"enable_progress_bar": False})
                except TgemWarning as warning:
                    raise KeyboardInterrupt from warning
        model.deregister_manager(data)  # scvi-tools would keep its tables for ever
        return model

    def get_null_network(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        permutation: int = 0,
        permutation_seed: int = 0,
        **options: Any,
    ) -> AttentionNetwork:
        """Return the network of a model trained on permuted labels.

        Labels are permuted within training, validation and test cells, so that each part keeps its
        number of cells of each class; of `adata`, cells with the names of training data get their
        label, the others' are permuted among them. Then the model is trained again
        (:meth:`retrained`, from the same seed), and its network is read from the same cells in
        the same way, correctly typed ones being those that are typed as the permuted labels say.
        Attention that would be set aside, because it predicts no cell held out, is not: its
        noise is what a network is to be compared with.

        Parameters
        ----------
        adata, indices, options
            As in :meth:`get_attention_network`.
        permutation, permutation_seed
            Number of the permutation, and the seed of all of them.

        Returns
        -------
        The network; without edges if no cell is typed as its permuted label says.

        Raises
        ------
        RuntimeError
            If this model is not trained.
        ValueError
            If it does not hold its training cells or its settings.
        """
        self._check_retrainable()
        generator = np.random.default_rng([permutation_seed, permutation])
        label_key = str(self._label_field().attr_key)
        own = self._data(None)
        labels = self._permuted_labels(generator)
        model = self.retrained(labels=labels)
        model._count_attention()
        data = None
        if adata is not None and adata is not own:
            columns = {}
            if label_key in adata.obs:
                values = adata.obs[label_key].copy()
                places = own.obs_names.get_indexer(adata.obs_names)
                others = np.flatnonzero(places < 0)
                values.iloc[places >= 0] = labels.iloc[places[places >= 0]].to_numpy()
                values.iloc[others] = values.iloc[generator.permutation(others)].to_numpy()
                columns[label_key] = values
            data = self._with_columns(adata, **columns)
        with quiet():
            try:
                return model.get_attention_network(data, indices, **options)
            except NoCellsError:
                return AttentionNetwork.empty()

    def for_retrained(self, adata: AnnData) -> AnnData | None:
        """Return cells as models that :meth:`retrained` made read them: expression in ``.X``.

        Parameters
        ----------
        adata
            Cells as this model reads them, from a layer or ``.raw`` if it was set up so.

        Returns
        -------
        ``None`` for the training data, which retrained models hold.
        """
        return None if adata is self._data(None) else self._with_columns(adata)

    def bootstrapped_cells(self, generator: np.random.Generator) -> Array:
        """Return the training cells that a bootstrap within each class draws, each once.

        Parameters
        ----------
        generator
            Random numbers.

        Returns
        -------
        Positions of the cells, about 63 % of them, of every class at least one.
        """
        self._check_retrainable()
        cells = np.asarray(self.train_indices)
        codes = self._dataset(None).read(self._labels, cells)
        drawn = [
            generator.choice(cells[codes == code], size=int((codes == code).sum()))
            for code in np.unique(codes)
        ]
        return np.unique(np.concatenate(drawn))

    @property
    def label_key(self) -> str | None:
        """Column of the labels that the model was set up with."""
        return self._label_field().attr_key

    def _count_attention(self) -> None:
        """Let attention count as it was trained, whatever cells held out said of it."""

    def _check_retrainable(self) -> None:
        self._check_trained()
        if self.adata is None or self.train_indices is None:
            msg = (
                "Expected the training cells, to train the model again, but it holds no data. "
                f"Attach them: `{type(self).__name__}.load(folder, adata=adata)`."
            )
            raise ValueError(msg)
        if not self._trainings:
            msg = (
                "Expected the settings that the model was trained with, to train it again, but "
                "it was saved without them by an earlier version of tgem. Call `model.train()` "
                "of a new model."
            )
            raise ValueError(msg)

    def _part(self, name: str) -> Array:
        cells = getattr(self, f"{name}_indices")
        return np.empty(0, dtype=int) if cells is None else np.asarray(cells)

    def _permuted_labels(self, generator: np.random.Generator) -> pd.Series[Any]:
        """Labels permuted among the labelled cells of each part of the split."""
        own = self._data(None)
        labels = own.obs[str(self._label_field().attr_key)].copy()
        codes = self._dataset(None).read(self._labels)
        part = np.zeros(len(codes), dtype=int)
        for number, name in enumerate(("train", "validation", "test"), 1):
            part[self._part(name)] = number
        for number in np.unique(part):
            cells = np.flatnonzero((part == number) & (codes >= 0))
            labels.iloc[cells] = labels.iloc[generator.permutation(cells)].to_numpy()
        return labels


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says of every single training."""
    loggers = [logging.getLogger(name) for name in _LIGHTNING]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
