"""Which cells a model has been trained on, so that a later call does not test on them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

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
        Which of them have what training needs, such as a label.
    values
        Digests of the values of a few of them, by position.
    seen
        Positions of the cells that any call of ``train`` has trained on.
    """

    split: Split
    sizes: tuple[float, float] | None
    seed: int
    cells: str
    trainable: Array
    values: dict[int, str]
    seen: Array

    def positions_of(self, names: Sequence[object]) -> Array:
        """Position of each cell among all cells of the training, by its name.

        -1 for others, and for names that several cells have: which of them is meant?
        """
        digests = digests_of_names(names)
        if digests == self.cells:  # the very same, though names may repeat
            return np.arange(len(names))
        known, wanted = pd.Index(_separate(self.cells)), pd.Index(_separate(digests))
        places = np.flatnonzero(~known.duplicated(keep=False))
        found = known[places].get_indexer(wanted)
        is_found = (found >= 0) & ~wanted.duplicated(keep=False)
        positions = np.full(len(wanted), -1)
        positions[is_found] = places[found[is_found]]
        return positions

    def on(self, names: Sequence[object]) -> SplitRecord | None:
        """The same cells' record for data that hold them elsewhere; None if they hold none.

        What is not among the data is left out.
        """
        positions = self.positions_of(names)
        if (positions < 0).all():
            return None
        parts = [np.flatnonzero(np.isin(positions, part)) for part in self.split]
        return replace(
            self,
            split=type(self.split)(*parts),
            cells=digests_of_names(names),
            trainable=(positions >= 0) & self.trainable[positions],
            values={
                row: self.values[position]
                for row, position in enumerate(positions.tolist())
                if position in self.values
            },
            seen=np.flatnonzero(np.isin(positions, self.seen)),
        )

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
            "names": self.cells,
            "not_trainable": np.flatnonzero(~self.trainable).tolist(),
            "values": {str(position): digest for position, digest in self.values.items()},
            "seen": np.setdiff1d(self.seen, self.split.train).tolist(),
        }

    @classmethod
    def from_saved(cls, split: Split, saved: dict[str, Any] | None) -> SplitRecord:
        """Take back what :meth:`as_saved` returned; None for a model saved without it."""
        if saved is None or "names" not in saved:
            return cls(split, None, 0, NOT_SAVED, np.empty(0, dtype=bool), {}, split.train)
        names = saved["names"]
        trainable = np.ones(len(names) // (2 * DIGEST_SIZE), dtype=bool)
        trainable[np.asarray(saved["not_trainable"], dtype=np.int64)] = False
        return cls(
            split,
            sizes=None if saved["sizes"] is None else tuple(saved["sizes"]),
            seed=saved["seed"],
            cells=names,
            trainable=trainable,
            values={int(position): digest for position, digest in saved["values"].items()},
            seen=np.union1d(np.asarray(saved["seen"], dtype=np.int64), split.train),
        )


def digests_of_names(names: Iterable[object]) -> str:
    """Digests of names in their order, one after the other."""
    return "".join(
        hashlib.blake2b(str(name).encode(), digest_size=DIGEST_SIZE).hexdigest() for name in names
    )


def _separate(digests: str) -> list[str]:
    size = 2 * DIGEST_SIZE
    return [digests[start : start + size] for start in range(0, len(digests), size)]


def digest_of_values(parts: Iterable[Array]) -> str:
    """Digest of the values of a cell, to four decimals."""
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    for part in parts:
        digest.update((np.round(part.astype(np.float64), 4) + 0.0).tobytes())
    return digest.hexdigest()


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
