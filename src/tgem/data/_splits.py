"""Training, validation and test cells: stratified by class, grouped by donor, by seed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from tgem._core.errors import listed

if TYPE_CHECKING:
    from tgem.data._matrix import Array

SPLIT_NAMES = ("train", "validation", "test")
MOST_FOLDS = 10  # that groups are dealt into, unless the share is smaller than one of them


class Split(NamedTuple):
    """Positions of the cells of each part, increasing."""

    train: Array
    validation: Array
    test: Array


def check_sizes(train_size: float, validation_size: float) -> None:
    """Raise unless the two shares fit into the whole."""
    if not (0 < train_size <= 1 and 0 <= validation_size < 1):
        msg = (
            "Expected `train_size` above 0 and at most 1 and `validation_size` from 0 to below 1, "
            f"got {train_size} and {validation_size}."
        )
        raise ValueError(msg)
    if train_size + validation_size > 1 + 1e-9:
        msg = (
            f"Expected `train_size` + `validation_size` to be at most 1, got {train_size} + "
            f"{validation_size}. What is left over becomes the test set."
        )
        raise ValueError(msg)


def stratified_split(
    codes: Array, *, train_size: float, validation_size: float, seed: int
) -> Split:
    """Split each class by the same shares; a class of one cell goes to training.

    Parameters
    ----------
    codes
        Class of each cell, ``(n_obs,)``; cells with a negative code are in no part.
    train_size, validation_size
        Shares of the labelled cells; the rest is the test set.
    seed
        Seed of the permutation.
    """
    check_sizes(train_size, validation_size)
    generator = np.random.default_rng(seed)
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for code in np.unique(codes[codes >= 0]):
        cells = generator.permutation(np.flatnonzero(codes == code))
        n_train, n_validation = _allocate(cells.size, train_size, validation_size)
        for part, chosen in zip(
            parts, np.split(cells, [n_train, n_train + n_validation]), strict=True
        ):
            part.append(chosen)
    return Split(*(np.sort(np.concatenate(part)) if part else np.empty(0, int) for part in parts))


def _allocate(n_cells: int, train_size: float, validation_size: float) -> tuple[int, int]:
    """Number of training and validation cells of a class: training first, then test."""
    n_test = round(n_cells * max(1 - train_size - validation_size, 0.0))
    n_validation = round(n_cells * validation_size)
    n_test = min(n_test, n_cells - 1)
    n_validation = min(n_validation, n_cells - 1 - n_test)
    return n_cells - n_test - n_validation, n_validation


def grouped_split(
    codes: Array, groups: Array, *, train_size: float, validation_size: float, seed: int
) -> Split:
    """Split whole groups (donors, patients), keeping the classes as balanced as they allow.

    Parameters
    ----------
    codes
        Class of each cell; cells with a negative code are in no part.
    groups
        Group of each cell: all cells of one group are in the same part.
    train_size, validation_size
        Shares of the cells to aim at; the rest is the test set.
    seed
        Seed of the shuffling.
    """
    check_sizes(train_size, validation_size)
    labelled = np.flatnonzero(codes >= 0)
    test_size = max(1 - train_size - validation_size, 0.0)
    n_parts = 1 + (validation_size > 0) + (test_size > 1e-9)
    n_groups = len(pd.unique(groups[labelled]))
    if n_groups < n_parts:
        msg = (
            f"Expected at least {n_parts} groups for {n_parts} parts, found {n_groups}: "
            f"{listed(pd.unique(groups[labelled]))}. Take smaller groups, or fewer parts: the "
            "share of a part may be 0."
        )
        raise ValueError(msg)
    rest, test = _hold_out(labelled, codes, groups, share=test_size, seed=seed)
    share = validation_size / (train_size + validation_size)
    train, validation = _hold_out(rest, codes, groups, share=share, seed=seed + 1)
    return Split(train, validation, test)


def _hold_out(
    cells: Array, codes: Array, groups: Array, *, share: float, seed: int
) -> tuple[Array, Array]:
    """Hold out about `share` of the cells as whole groups."""
    if share <= 1e-9:
        return cells, np.empty(0, dtype=int)
    n_held, n_folds = _nearest_fraction(share, len(pd.unique(groups[cells])))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    parts = folds.split(cells, dense_codes(codes[cells], n_folds), groups[cells])
    held = np.sort(np.concatenate([fold for _, fold in islice(parts, n_held)]))
    return np.delete(cells, held), cells[held]


def _nearest_fraction(share: float, n_groups: int) -> tuple[int, int]:
    """How many folds of how many are nearest to a share; as few as will do."""
    most = min(max(round(1 / share), MOST_FOLDS), n_groups)
    fractions = [(held, n) for n in range(2, most + 1) for held in range(1, n)]
    return min(fractions, key=lambda each: (round(abs(each[0] / each[1] - share), 9), each[1]))


def dense_codes(codes: Array, n_folds: int) -> Array:
    """Classes with fewer cells than folds cannot be balanced: put them into one.

    If even together they are too few, they join the largest class.
    """
    values, counts = np.unique(codes, return_counts=True)
    rare = np.isin(codes, values[counts < n_folds])
    too_few = 0 < rare.sum() < n_folds and not rare.all()
    return np.where(rare, values[counts.argmax()] if too_few else -1, codes)


WRITE_SPLIT = "Write such a column with `tgem.pp.split(adata, ...)`."
LEAVE_SPLIT = (
    "Rename these values in the column, or leave `split_key` out and say how much to hold out "
    "with `train_size` and `validation_size`."
)


def split_from_column(
    column: pd.Series[Any],
    codes: Array,
    key: str,
    *,
    table: str = "adata.obs",
    advice: str = WRITE_SPLIT,
) -> Split:
    """Read a split that the user wrote: a column of train, validation and test.

    Parameters
    ----------
    column
        One of the three names for each cell; missing values are in no part.
    codes
        Class of each cell; cells without a label are in no part.
    key
        Name of the column, for messages.
    table
        Where the column is, for messages.
    advice
        What to do about other values.
    """
    names = column.astype(object)
    known = names[names.notna()].unique()
    unknown = sorted({str(name) for name in known} - set(SPLIT_NAMES))
    if unknown:
        msg = (
            f"Expected 'train', 'validation' and 'test' in {table}[{key!r}], found "
            f"{listed(unknown)}. {advice}"
        )
        raise ValueError(msg)
    values = names.to_numpy()
    parts = Split(*(np.flatnonzero((values == name) & (codes >= 0)) for name in SPLIT_NAMES))
    if parts.train.size == 0:
        what = "labelled cells" if table == "adata.obs" else "measured observations"
        msg = f"Expected {what} marked 'train' in {table}[{key!r}], found none."
        raise ValueError(msg)
    return parts


def split_column(split: Split, index: pd.Index) -> pd.Series[Any]:
    """Write a split as a categorical column."""
    values = np.full(len(index), None, dtype=object)
    for name, cells in zip(SPLIT_NAMES, split, strict=True):
        values[cells] = name
    return pd.Series(pd.Categorical(values, categories=list(SPLIT_NAMES)), index=index)
