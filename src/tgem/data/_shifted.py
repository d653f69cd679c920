"""A data set whose expression is moved by an amount of each batch and gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem.data._manager import FieldDataset

if TYPE_CHECKING:
    from tgem.data._matrix import Array


class ShiftedDataset(FieldDataset):
    """Rows of another data set, one of its matrices with an offset of the row's batch added.

    Parameters
    ----------
    dataset
        The data set; not changed.
    key
        Matrix that is moved.
    offsets
        What to add, ``(n_batches, n_genes)``.
    batches
        Batch of each observation, ``(n_obs,)``.
    """

    def __init__(self, dataset: FieldDataset, key: str, *, offsets: Array, batches: Array) -> None:
        self._n_obs = dataset._n_obs
        read = dataset._readers[key]
        self._readers = dataset._readers | {
            key: lambda rows: (read(rows) + offsets[batches[rows]]).astype("float32")
        }
