"""Which cells a model has been trained on, so that a later call does not test on them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.errors import TrainingWarning, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tgem.data import Split

    Array = np.ndarray[Any, Any]

NOT_SAVED = ""  # in place of digests, by earlier versions of tgem
DIGEST_SIZE = 8  # bytes of a name's digest


@dataclass(frozen=True)
class SplitRecord:
    """The split of a model's last training, and which cells any training has seen.

    Attributes
    ----------
    split
        Positions of training, validation and test cells.
    sizes
        Shares that it was drawn by; ``None`` for a column of the user's.
    seed
        Seed that it was drawn with.
    cells
        Digests of the names of all cells, one after the other, as hexadecimal numbers.
    trainable
        Digest of which of them have what training needs, such as a label.
    seen
        Positions of the cells that any call of ``train`` has trained on.
    """

    split: Split
    sizes: tuple[float, float] | None
    seed: int
    cells: str
    trainable: str
    seen: Array

    def positions_of(self, names: Sequence[object]) -> Array:
        """Position of each cell among all cells of the training, by its name; -1 for others."""
        digests = digests_of_names(names)
        if digests == self.cells:  # the very same, though names may repeat
            return np.arange(len(names))
        known = {digest: place for place, digest in enumerate(_separate(self.cells))}
        return np.array([known.get(digest, -1) for digest in _separate(digests)], dtype=np.int64)

    @property
    def n_cells(self) -> int:
        """Number of all cells, with and without a part in the split."""
        return len(self.cells) // (2 * DIGEST_SIZE)

    def on(self, names: Sequence[object]) -> SplitRecord | None:
        """The same cells' record for data that hold them elsewhere; None if they hold none.

        What is not among the data is left out; the split of the rest is no longer one to keep.
        """
        positions = self.positions_of(names)
        if (positions < 0).all():
            return None
        parts = [np.flatnonzero(np.isin(positions, part)) for part in self.split]
        seen = np.flatnonzero(np.isin(positions, self.seen))
        return replace(self, split=type(self.split)(*parts), trainable=NOT_SAVED, seen=seen)

    def keeps(self, train_size: float | None, validation_size: float | None) -> bool:
        """Whether shares that the user names, if any, are those of the split."""
        asked = (train_size, validation_size)
        if self.sizes is None:
            return asked == (None, None)
        return all(
            share is None or math.isclose(share, own)
            for share, own in zip(asked, self.sizes, strict=True)
        )

    @classmethod
    def following(cls, earlier: SplitRecord | None, split: Split, **how: Any) -> SplitRecord:
        """Record of a training that follows another on the same cells, or none."""
        if earlier is None:
            return cls(split, seen=split.train, **how)
        seen = np.union1d(earlier.seen, split.train)
        if all(np.array_equal(a, b) for a, b in zip(earlier.split, split, strict=True)):
            how |= {"sizes": earlier.sizes, "seed": earlier.seed}
        return cls(split, seen=seen, **how)

    def as_saved(self) -> dict[str, Any]:
        """Return what JSON can hold; the split is saved by itself."""
        return {
            "sizes": None if self.sizes is None else list(self.sizes),
            "seed": self.seed,
            "cells": self.cells,
            "trainable": self.trainable,
            "seen": np.setdiff1d(self.seen, self.split.train).tolist(),
        }

    @classmethod
    def from_saved(cls, split: Split, saved: dict[str, Any] | None) -> SplitRecord:
        """Take back what :meth:`as_saved` returned; None for a model saved without it."""
        if saved is None:
            return cls(split, None, 0, NOT_SAVED, NOT_SAVED, split.train)
        sizes = None if saved["sizes"] is None else tuple(saved["sizes"])
        seen = np.union1d(np.asarray(saved["seen"], dtype=np.int64), split.train)
        return cls(split, **(saved | {"sizes": sizes, "seen": seen}))


def digests_of_names(names: Iterable[object]) -> str:
    """Digests of names in their order, one after the other."""
    return "".join(
        hashlib.blake2b(str(name).encode(), digest_size=DIGEST_SIZE).hexdigest() for name in names
    )


def _separate(digests: str) -> list[str]:
    size = 2 * DIGEST_SIZE
    return [digests[start : start + size] for start in range(0, len(digests), size)]


def digest_of_flags(flags: Array) -> str:
    """Digest of which cells are marked."""
    return hashlib.sha256(np.packbits(flags).tobytes()).hexdigest()


def warn_of_seen(split: Split, earlier: SplitRecord | None) -> None:
    """Say that cells to validate or test on have been trained on."""
    if earlier is None:
        return
    held_out = np.concatenate([split.validation, split.test])
    n_seen = int(np.isin(held_out, earlier.seen).sum())
    if n_seen:
        msg = (
            f"{n_seen} of the {len(held_out)} validation and test cells were trained on by an "
            "earlier call of `train`, with another split: what is measured on them is too good. "
            "Train a new model instead. A model keeps its split where `split_key`, `train_size` "
            "and `validation_size` are left out and the data stay the same."
        )
        warn(msg, TrainingWarning)
