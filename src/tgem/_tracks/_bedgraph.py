"""Mean signal of bins from a bedGraph, read in blocks of lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._tracks._chromosomes import match_chromosomes
from tgem._tracks._lines import (
    DAMAGED,
    first_fields,
    header_length,
    is_header,
    numbered_lines,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import NoReturn

    from tgem._tracks._regions import Array, Regions

COLUMNS = {"chrom": str, "start": np.int64, "end": np.int64, "value": np.float64}
BLOCK_LINES = 500_000


def bin_bedgraph(path: Path, regions: Regions, n_bins: int) -> tuple[Array, float, dict[str, int]]:
    """Mean signal ``(n_regions, n_bins)``, total signal, and last ends on chromosomes.

    The signal is NaN on chromosomes that the file lacks. Bases between the intervals, and those
    beyond a chromosome's ends, count as 0.
    """
    intervals, total, ends = _intervals(path, regions)
    names = match_chromosomes(set(regions.chromosomes.tolist()), intervals)
    values = np.full((len(regions.starts), n_bins), np.nan, dtype=np.float32)
    width = regions.width // n_bins
    for name, rows in regions.on_chromosomes(names):
        edges = regions.starts[rows, None] + width * np.arange(n_bins + 1)
        values[rows] = np.diff(_signal_before(edges, *intervals[name]), axis=1) / width
    return values, total, ends


def _signal_before(places: Array, start: Array, end: Array, value: Array) -> Array:
    """Signal summed over all bases before each place."""
    if start.size == 0:
        return np.zeros(places.shape)
    before = np.concatenate([[0.0], np.cumsum((end - start) * value)])
    last = np.searchsorted(start, places, side="right") - 1  # the interval begun last
    inside = np.clip(places - start[last], 0, (end - start)[last])
    summed: Array = np.where(last < 0, 0.0, before[last] + inside * value[last])
    return summed


def _intervals(
    path: Path, regions: Regions
) -> tuple[dict[str, tuple[Array, ...]], float, dict[str, int]]:
    """Intervals of each chromosome that touch a region, in order; total signal; last ends."""
    kept: dict[str, list[pd.DataFrame]] = {}
    names: dict[str, str] = {}
    ends: dict[str, int] = {}
    total, last = 0.0, ""
    for block in _blocks(path):
        changes = np.flatnonzero(block["chrom"].ne(block["chrom"].shift()))
        for first, end in zip(changes, [*changes[1:], len(block)], strict=True):
            part = block.iloc[first:end]
            chromosome = str(part["chrom"].iloc[0])
            if chromosome not in kept:
                kept[chromosome], ends[chromosome], last = [], 0, chromosome
                names = match_chromosomes(set(regions.chromosomes.tolist()), kept)
            if chromosome != last or not _in_order(part, ends[chromosome]):
                _raise_first_problem(path)
            ends[chromosome] = int(part["end"].iloc[-1])
            wanted = [wish for wish, there in names.items() if there == chromosome]
            touched = regions.touched(wanted, part["start"].to_numpy(), part["end"].to_numpy())
            kept[chromosome].append(part[touched])
        total += float(((block["end"] - block["start"]) * block["value"]).sum())
    joined = {name: pd.concat(parts) for name, parts in kept.items()}
    columns = list(COLUMNS)[1:]
    arrays = {n: tuple(table[c].to_numpy() for c in columns) for n, table in joined.items()}
    return arrays, total, ends


def _in_order(part: pd.DataFrame, previous_end: int) -> bool:
    """Whether intervals are in order, do not overlap, and hold finite values."""
    start, end = part["start"].to_numpy(), part["end"].to_numpy()
    ends = np.concatenate([[previous_end], end[:-1]])
    return bool((start >= ends).all() and (end > start).all() and np.isfinite(part["value"]).all())


def _blocks(path: Path) -> Iterator[pd.DataFrame]:
    """Blocks of lines; any line that pandas cannot read is named."""
    if len(first_fields(path)) != len(COLUMNS):
        _raise_first_problem(path)
    try:
        with (
            opened(path) as file,
            pd.read_csv(
                file,
                sep=r"\s+",
                header=None,
                index_col=False,
                names=[*COLUMNS, "further"],
                dtype={**COLUMNS, "further": str},
                skiprows=header_length(path),
                comment="#",
                chunksize=BLOCK_LINES,
                keep_default_na=False,
                na_values={"further": [""]},
            ) as reader,
        ):
            for block in reader:
                if block["further"].notna().any():
                    _raise_first_problem(path)
                yield block
    except (ValueError, OverflowError, *DAMAGED) as error:
        # Also pandas' ParserError.
        _raise_first_problem(path, error)


def _raise_first_problem(path: Path, cause: BaseException | None = None) -> NoReturn:
    """Read line by line up to the first one that is wrong, and name it."""
    finished: set[str] = set()
    chromosome, previous = "", 0
    for number, line in numbered_lines(path):
        if is_header(line):
            if chromosome and line.startswith("track"):
                msg = f"{path}, line {number}: expected one track, found the start of another one."
                raise ValueError(msg) from None
            continue
        name, start, end = _parsed(line, f"{path}, line {number}")
        if name != chromosome:
            finished.add(chromosome)
            chromosome, previous = name, 0
        if name in finished or start < previous:
            where = "after another chromosome" if name in finished else f"after base {previous}"
            msg = (
                f"{path}, line {number}: expected intervals in order and without overlap, found "
                f"{name}:{start}-{end} {where}. Sort the file with "
                "`sort -k1,1 -k2,2n`; if intervals overlap, merge them, for example with "
                "`bedtools merge -c 4 -o mean`."
            )
            raise ValueError(msg) from None
        previous = end
    msg = f"{path}: could not be read as a bedGraph ({cause})."
    raise ValueError(msg) from cause


def _parsed(line: str, where: str) -> tuple[str, int, int]:
    """Chromosome, start and end of a line; raises unless all four fields are right."""
    fields: list[Any] = line.split("#", maxsplit=1)[0].split()
    try:
        name, start, end, value = fields[0], int(fields[1]), int(fields[2]), float(fields[3])
    except (IndexError, ValueError):
        value, start, end, name = math.nan, 0, 1, ""
    if len(fields) != len(COLUMNS) or not math.isfinite(value):
        msg = (
            f"{where}: expected chromosome, start, end and a number, separated by tabs or spaces, "
            f"found {line[:80]!r}."
        )
        raise ValueError(msg) from None
    if not 0 <= start < end:
        msg = f"{where}: expected 0 <= start < end, found start {start} and end {end}."
        raise ValueError(msg) from None
    return name, start, end
