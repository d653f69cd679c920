"""Registration of data with scvi-tools, and minibatches read by name."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from scvi.data import AnnDataManager
from torch.utils.data import Dataset, Subset

from tgem._core.scvi_compat import field_states
from tgem.data._matrix import Array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tgem.data._field import Data, Field, State


class FieldDataset(Dataset[dict[str, Array]]):
    """Rows of all fields of a data set, genes in the model's order.

    Parameters
    ----------
    adata
        The data to read; not changed.
    fields
        What to read.
    states
        What each field remembered at set-up, by registry key.
    """

    def __init__(self, adata: Data, fields: Sequence[Field], states: Mapping[str, State]) -> None:
        self._n_obs = adata.n_obs
        self._readers = {
            field.registry_key: field.reader(adata, states[field.registry_key])
            for field in fields
            if not field.is_empty
        }

    def __len__(self) -> int:
        return self._n_obs

    def __getitem__(self, rows: Any) -> dict[str, Array]:
        positions = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        return {key: read(positions) for key, read in self._readers.items()}

    def read(self, key: str, rows: Array | None = None) -> Array:
        """One field only, of all observations or of `rows`."""
        return self._readers[key](np.arange(self._n_obs) if rows is None else rows)


class DataManager(AnnDataManager):
    """scvi-tools' manager, holding its data weakly and reading them by name.

    scvi-tools keeps every manager in a table of the model class for ever; with a weak
    reference the AnnData still goes when the user and the model let go of it.
    """

    @property
    def adata(self) -> Data | None:
        """The registered data, or None."""
        return None if self._adata is None else self._adata()

    @adata.setter
    def adata(self, adata: Data | None) -> None:
        self._adata = None if adata is None else weakref.ref(adata)

    def create_torch_dataset(
        self,
        indices: Sequence[int] | Array | None = None,
        data_and_attributes: object = None,
        load_sparse_tensor: bool = False,  # noqa: FBT001, FBT002
    ) -> Dataset[dict[str, Array]]:
        """Create the dataset that scvi-tools' loaders draw from."""
        dataset = FieldDataset(self.adata, self.fields, field_states(self.registry))
        return dataset if indices is None else Subset(dataset, list(indices))
