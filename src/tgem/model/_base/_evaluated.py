"""What a model may be evaluated on: observations that it was not trained on, wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.errors import TrainingWarning, warn
from tgem._core.validate import cell_indices
from tgem.model._base._reading import ReadingModel
from tgem.model._base._split_record import NOT_SAVED, digest_of_values, digests_of_names

if TYPE_CHECKING:
    from tgem.data import Data, FieldDataset
    from tgem.model._base._registered import Cells

    Array = np.ndarray[Any, Any]


N_KNOWN_VALUES = 64  # observations that are known by their values too


class EvaluatedModel(ReadingModel):
    """A model that knows its training observations by name, and a few of them by their values."""

    def _follow_names(self) -> None:
        """Move the split along with the model's own data, which may have been sorted or cut."""
        record, own = self._split_record, self.adata
        if record is None or own is None or record.cells == NOT_SAVED:
            return
        if record.cells != digests_of_names(own.obs_names):
            moved = record.on(own.obs_names)
            if moved is not None:
                self._split_record = moved
                self.train_indices, self.validation_indices, self.test_indices = moved.split

    def _observations_to_evaluate(self, data: Data | None, indices: Cells) -> tuple[Array, str]:
        """Positions of the observations to evaluate on, and what they are.

        Those named; of training data, whole or in part and in any order, the test observations or
        if there are none the validation observations; all of other data.
        """
        self._check_trained()
        rows = self._data(data)
        dataset = self._dataset(data)
        if indices is not None:
            return cell_indices(indices, rows.n_obs), "given"
        positions = self._positions_in_training(rows)
        is_own = rows is self.adata or self._has_own_values(dataset, positions)
        if is_own and len(positions) and (positions >= 0).all():
            for name in ("test", "validation"):
                held_out = getattr(self, f"{name}_indices")
                place = {position: row for row, position in enumerate(positions.tolist())}
                held_out = [] if held_out is None else held_out
                found = [place[position] for position in held_out if position in place]
                if found:
                    return np.array(found), name
        if rows is self.adata and (positions >= 0).all():
            msg = (
                "Expected test or validation observations to evaluate on: the model was trained on "
                "all. Name others, or other data."
            )
            raise ValueError(msg)
        self._warn_of_seen(positions)
        return np.arange(rows.n_obs), "all"

    def _positions_in_training(self, data: Data) -> Array:
        """Place of each observation among those of the training, by its name; -1 for others."""
        record = self._split_record
        if record is not None and record.cells != NOT_SAVED:
            return record.positions_of(data.obs_names)
        own = self.adata
        if own is not None and data.obs_names.equals(own.obs_names):
            return np.arange(data.n_obs)
        return np.full(data.n_obs, -1)

    def _has_own_values(self, dataset: FieldDataset, positions: Array) -> bool:
        """Whether observations are those of the training and do not only share their names.

        The values of a few of them say so; of a part without these few it is taken for granted.
        """
        record = self._split_record
        if record is None:
            return False
        row = {position: at for at, position in enumerate(positions.tolist()) if position >= 0}
        return all(
            self._value_of(dataset, row[position]) == digest
            for position, digest in record.values.items()
            if position in row
        )

    def _some_values(self, dataset: FieldDataset) -> dict[int, str]:
        """Digests of the values of a few observations, from everywhere in the data."""
        n_known = min(len(dataset), N_KNOWN_VALUES)
        rows = np.unique(np.linspace(0, len(dataset) - 1, n_known).astype(np.int64))
        return {int(row): self._value_of(dataset, int(row)) for row in rows}

    def _value_of(self, dataset: FieldDataset, row: int) -> str:
        parts = (dataset.read(key, np.array([row])) for key in self.module.input_keys)
        return digest_of_values(parts)

    def _warn_of_seen(self, positions: Array) -> None:
        """Say that other data hold what the model was trained on, or that nobody knows."""
        record = self._split_record
        if record is None or record.cells == NOT_SAVED:
            msg = (
                "The model was saved by an earlier version of tgem, which did not note its "
                "observations: all of these are scored, also those that it was trained on."
            )
            warn(msg, TrainingWarning)
            return
        n_seen = int(np.isin(positions, record.seen).sum())
        # barcodes of different samples may coincide by chance, but not most of them
        if n_seen > len(positions) / 2:
            msg = (
                f"{n_seen} of {len(positions)} observations have names that the model was trained "
                "on: unless they only happen to have the same names, the scores are too good. "
                "Evaluate on the training data, of which those held out are scored."
            )
            warn(msg, TrainingWarning)
