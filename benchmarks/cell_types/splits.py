"""Seeded splits: by class, and never through a patient."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

Array = np.ndarray[Any, Any]
TEST_SHARE = 0.2


class Split(NamedTuple):
    train: Array
    test: Array

    def checksum(self) -> str:
        """Short digest of the positions."""
        digest = hashlib.sha256(self.train.astype("<i8").tobytes())
        digest.update(self.test.astype("<i8").tobytes())
        return digest.hexdigest()[:16]


def make_split(labels: Array, groups: Array, seed: int) -> Split:
    """Split with one fifth of the groups to test, every class in both parts where it can be."""
    train, test = hold_out(labels, groups, share=TEST_SHARE, seed=seed)
    absent = set(labels) - set(labels[train])
    if absent:
        msg = f"Expected every class among the training cells, found none of {sorted(absent)}."
        raise ValueError(msg)
    return Split(train, test)


def hold_out(labels: Array, groups: Array, *, share: float, seed: int) -> tuple[Array, Array]:
    """Positions of the cells to keep, and of those to hold out, sorted.

    Whole groups are drawn, stratified by the classes that occur in each: of tumour and normal
    tissue of one patient, both are kept or both held out. Groups with a unique set of classes are
    kept. For cells without groups this is scikit-learn's stratified ``train_test_split``.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # groups in the order in which they appear
    group = order[group]
    classes: list[set[str]] = [set() for _ in first]
    for label, number in zip(labels, group, strict=True):
        classes[number].add(str(label))
    names = np.array(["|".join(sorted(each)) for each in classes])
    values, sizes = np.unique(names, return_counts=True)
    drawn = np.flatnonzero(np.isin(names, values[sizes > 1]))
    n_held = max(round(share * len(names)), int((sizes > 1).sum()))
    _, held = train_test_split(drawn, test_size=n_held, stratify=names[drawn], random_state=seed)
    is_held = np.isin(group, held)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def inner_folds(labels: Array, groups: Array, n_folds: int, seed: int) -> list[tuple[Array, Array]]:
    """Folds of cross-validation inside the training cells, for tuning."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    n_folds = max(2, min(n_folds, int(sizes.min())))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(folds.split(codes, codes, groups))
