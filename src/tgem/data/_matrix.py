"""Rows of any matrix that AnnData can hold, in the order asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from anndata.abc import CSCDataset, CSRDataset
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

# Rows looked at together when a whole matrix is scanned.
SCAN_ROWS = 4096

Matrix = Any
Array = np.ndarray[Any, Any]


def readable(matrix: Matrix, location: str) -> Matrix:
    """Return the matrix in a form whose rows can be read, without touching the original."""
    if isinstance(matrix, CSRDataset | h5py.Dataset) or _is_zarr(matrix):
        return matrix
    if isinstance(matrix, CSCDataset):
        return matrix.to_memory().tocsr()
    if sparse.issparse(matrix):
        return matrix.tocsr()
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix)
    msg = (
        f"Expected {location} to be a numpy array, a scipy sparse matrix or backed on disk, "
        f"got {type(matrix).__name__}. Bring it into memory first, for example with "
        "`adata = adata.to_memory()`."
    )
    raise TypeError(msg)


def _is_zarr(matrix: Matrix) -> bool:
    return type(matrix).__module__.split(".")[0] == "zarr"


def take_rows(matrix: Matrix, rows: Array) -> Array:
    """Dense float32 rows; on-disk matrices are read in file order and put back in `rows` order."""
    if isinstance(matrix, np.ndarray) or sparse.issparse(matrix):
        taken = matrix[rows]
        dense = taken.toarray() if sparse.issparse(taken) else np.asarray(taken)
    else:
        # h5py takes increasing positions only
        unique, inverse = np.unique(rows, return_inverse=True)
        taken = matrix[unique] if unique.size else matrix[0:0]
        dense = (taken.toarray() if sparse.issparse(taken) else np.asarray(taken))[inverse]
    return dense.astype(np.float32, copy=False)


def row_blocks(matrix: Matrix) -> Iterator[Matrix]:
    """Blocks of consecutive rows, so that a scan of backed data never loads all of it."""
    for start in range(0, matrix.shape[0], SCAN_ROWS):
        yield matrix[start : start + SCAN_ROWS]
