"""Stretches of the genome, all of the same length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Array = np.ndarray[Any, Any]


class Regions(NamedTuple):
    """Stretches of the genome, all of the same length.

    Attributes
    ----------
    chromosomes
        Name of each one's chromosome.
    starts
        First base of each, below 0 where it reaches beyond the chromosome.
    width
        Their length in bases.
    """

    chromosomes: Array
    starts: Array
    width: int

    @property
    def ends(self) -> Array:
        """Base behind the last one of each."""
        return self.starts + self.width

    def on_chromosomes(self, names: Mapping[str, str]) -> Iterator[tuple[str, Array]]:
        """Each chromosome's name in a file, and its regions in the order of their starts.

        `names` says what the file calls the chromosomes; those that it lacks are left out.
        """
        own = np.array([names.get(name, "") for name in self.chromosomes.tolist()], dtype=object)
        for name in sorted(set(own.tolist()) - {""}):
            rows = np.flatnonzero(own == name)
            yield name, rows[np.argsort(self.starts[rows], kind="stable")]

    def touched(self, chromosomes: Collection[str], start: Array, end: Array) -> Array:
        """Which intervals reach into a region on chromosomes of these names."""
        starts = np.sort(self.starts[np.isin(self.chromosomes, list(chromosomes))])
        if starts.size == 0:
            return np.zeros(len(start), dtype=bool)
        # All regions are of one length: the last that starts before an interval's end is the one
        # that reaches furthest.
        before = np.searchsorted(starts, end, side="left") - 1
        reached: Array = (before >= 0) & (starts[before] + self.width > start)
        return reached

    def named(self, row: int) -> str:
        """Show one as users write it: ``chr1:900-1100``."""
        start = int(self.starts[row])
        return f"{self.chromosomes[row]}:{start}-{start + self.width}"
