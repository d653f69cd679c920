"""What models of labels know of their classes, and which cells they are judged on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.scvi_compat import field_states
from tgem._core.validate import check_key
from tgem.data import (
    FieldDataset,
    LabelField,
    Split,
    describe_labels,
    split_from_column,
    stratified_split,
)
from tgem.model._base._model import SupervisedModel

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base._registered import Cells


class LabelledModel(SupervisedModel):
    """A model of labels: its classes, its split, and the labelled cells of a data set."""

    _labels: ClassVar[str] = "labels"

    @property
    def classes(self) -> np.ndarray[Any, Any]:
        """Labels that the model can assign, in the order of the training categories."""
        state = field_states(self.registry_)[self._labels]
        labels = state.get("categories", [])
        return pd.Index(labels, dtype=object).to_numpy()

    @property
    def class_colors(self) -> list[str] | None:
        """Colours that scanpy gave the training labels, or None."""
        return field_states(self.registry_)[self._labels].get("colors")

    @property
    def _n_targets(self) -> int:
        return len(self.classes)

    def _label_field(self) -> LabelField:
        return next(field for field in self._fields if isinstance(field, LabelField))

    # -- training -------------------------------------------------------------------------

    def _trainable(self, dataset: FieldDataset) -> np.ndarray[Any, Any]:
        if self._label_field().is_empty:
            return super()._trainable(dataset)
        return np.asarray(dataset.read(self._labels) >= 0)

    def _make_split(self, dataset: FieldDataset, split_key: str | None, **sizes: Any) -> Split:
        field = self._label_field()
        if field.is_empty:
            msg = (
                f"Training needs labels, and {type(self).__name__}.setup_anndata was called "
                "without `labels_key`. Set the data up again with "
                f"`{type(self).__name__}.setup_anndata(adata, labels_key=...)`."
            )
            raise ValueError(msg)
        codes = dataset.read(self._labels)
        counts = {label: int((codes == i).sum()) for i, label in enumerate(self.classes)}
        if len([count for count in counts.values() if count]) < 2:
            msg = (
                f"Training needs at least two classes in adata.obs[{field.attr_key!r}], found "
                f"{describe_labels(counts)}."
            )
            raise ValueError(msg)
        if split_key is None:
            return stratified_split(codes, **sizes)
        obs = self._data(None).obs
        check_key(self._data(None), "obs", split_key)
        return self._check_classes(split_from_column(obs[split_key], codes, split_key), codes)

    def _check_classes(self, split: Split, codes: np.ndarray[Any, Any]) -> Split:
        """Warn about classes that a user's own split leaves without training cells."""
        trained = np.unique(codes[split.train])
        if len(trained) < 2:
            msg = (
                "Training needs at least two classes among the training cells, found "
                f"{listed([self.classes[i] for i in trained]) or 'none'}. Change the split."
            )
            raise ValueError(msg)
        absent = [label for i, label in enumerate(self.classes) if i not in trained]
        if absent:
            msg = f"No training cell of {listed(absent)}: the model can never predict these labels."
            warn(msg, TrainingWarning)
        return split

    # -- labelled cells -------------------------------------------------------------------

    def labelled_cells(
        self, adata: AnnData | None = None, indices: Cells = None
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Cells to measure the model on, and their given labels.

        Parameters
        ----------
        adata
            Labelled cells; ``None`` for the training data.
        indices
            As in :meth:`evaluate`: ``None`` means held-out cells of the training data, all cells
            of other data.

        Returns
        -------
        Positions of the cells whose label the model knows, and these labels.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there is no such cell.
        """
        self._check_trained()
        dataset = self._dataset(adata)
        cells, _ = self._observations_to_evaluate(adata, indices)
        codes = dataset.read(self._labels, cells)
        known = codes >= 0
        self._report_unknown(adata, cells[~known], n_known=int(known.sum()))
        return cells[known], self.classes[codes[known]]

    def _report_unknown(
        self, adata: AnnData | None, cells: np.ndarray[Any, Any], n_known: int
    ) -> None:
        key = self._label_field().attr_key
        obs = self._data(adata).obs
        found = (
            f"no column {key!r} in adata.obs"
            if key not in obs
            else (f"adata.obs[{key!r}] with {listed(obs[key].iloc[cells].unique())}")
        )
        if n_known == 0:
            msg = (
                f"Expected cells with labels that the model knows ({listed(self.classes)}), found "
                f"{found}."
            )
            if key in obs and set(map(str, obs[key].iloc[cells])) & set(map(str, self.classes)):
                kinds = [
                    type(label).__name__ for label in (self.classes[0], obs[key].iloc[cells[0]])
                ]
                msg += f" They are of another type: {' and '.join(kinds)}."
            raise ValueError(msg)
        if len(cells):
            msg = (
                f"{len(cells)} cells have no label that the model knows and are left out: {found}."
            )
            warn(msg, TrainingWarning)
