"""What only a whole methylation file tells: its first base, and percentages or shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tgem._core.errors import GenomeWarning, warn

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FEWEST_READS = 0.5  # of a percentage above 0, where rounding made the most of it


class _Share(NamedTuple):
    """A line whose percentage is less than one read."""

    percent: float
    coverage: float


class Conventions:
    """Gathered from the blocks of a file while they are read.

    Parameters
    ----------
    path
        The file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spans: set[int] = set()
        self._has_neighbours, self._starts_at_zero = False, False
        self._largest_percent = 0.0
        self._share: _Share | None = None

    def add_bismark(self, block: pd.DataFrame) -> None:
        """Look at the coordinates of a coverage file."""
        start = block["start"].to_numpy()
        self._spans.update(np.unique(block["end"].to_numpy() - start).tolist())
        same = block["chrom"].to_numpy()[1:] == block["chrom"].to_numpy()[:-1]
        self._has_neighbours |= bool((same & (np.abs(np.diff(start)) == 1)).any())
        self._starts_at_zero |= bool((start == 0).any())

    def checked_shift(self) -> int:
        """What is missing to positions that were read as the format has it; raise for shares."""
        self._check_percent()
        return int(bool(self._spans) and self._counts_from_zero())

    def _counts_from_zero(self) -> bool:
        """Whether the start of a coverage file's lines is 0 for the first base.

        Bismark's lines end where they start, or, counted from 0, one base later. Its files of
        whole CpGs (``--merge_CpG``) end one base later, at the G, or, counted from 0, two: where
        all lines are one base longer, neighbours tell single Cs from CpGs, which have none.
        """
        if self._spans == {2}:
            return True
        if self._spans != {1}:
            self._check_first_base()
            return False
        name = self._path.name.lower()
        if self._has_neighbours or self._starts_at_zero or ".zero." in name:
            return True
        if "merged_cpg" not in name:
            msg = (
                f"All lines of {self._path} end one base behind their start, and no two are "
                "neighbours: read as Bismark's merged CpGs, whose first base is 1. If its first "
                "base is 0, let its name hold '.zero.', as Bismark's own does."
            )
            warn(msg, GenomeWarning)
        return False

    def _check_first_base(self) -> None:
        if self._starts_at_zero:
            msg = (
                f"{self._path}: expected a start of 1 or more, as the first base is 1 where lines "
                "end at their start, found 0. Write all lines in one way."
            )
            raise ValueError(msg)

    def add_percent(self, block: pd.DataFrame) -> None:
        """Look at the percentages of a bedMethyl file."""
        percent, coverage = block["percent"].to_numpy(), block["coverage"].to_numpy()
        self._largest_percent = max(self._largest_percent, float(percent.max(initial=0.0)))
        few = np.flatnonzero((percent > 0) & (coverage * percent / 100 < FEWEST_READS))
        if self._share is None and len(few):
            self._share = _Share(float(percent[few[0]]), float(coverage[few[0]]))

    def _check_percent(self) -> None:
        """Raise for shares in place of percentages."""
        if self._share is not None and self._largest_percent <= 1:
            msg = (
                f"{self._path}: expected percentages from 0 to 100 in the 11th column, found none "
                f"above {self._largest_percent:g}, and {self._share.percent:g} of "
                f"{self._share.coverage:g} reads: these look like shares. Multiply the column by "
                "100."
            )
            raise ValueError(msg)
