"""CpGs from bedMethyl and Bismark's coverage files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.files import existing_file
from tgem._tracks._chromosomes import match_chromosomes
from tgem._tracks._lines import (
    DAMAGED,
    first_fields,
    header_length,
    is_header,
    numbered_lines,
    opened,
)
from tgem._tracks._methylation_conventions import Conventions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import NoReturn

    from tgem._tracks._regions import Array, Regions

WHAT = "a bedMethyl or Bismark coverage file"
BLOCK_LINES = 500_000
BISMARK_FIELDS, BEDMETHYL_FIELDS, MODKIT_FIELDS = 6, 11, 18


class MethylationSites(NamedTuple):
    """CpGs of one sample.

    Attributes
    ----------
    sites
        For each chromosome of the file, by its name there: positions of the CpGs (of the C on the
        plus strand, sorted), their methylation between 0 and 1, and their coverage. CpGs far from
        all regions are left out.
    ends
        Behind the last base of each chromosome with a line.
    combined
        Whether the reads of both strands were added up.
    """

    sites: dict[str, tuple[Array, Array, Array]]
    ends: dict[str, int]
    combined: bool


class _Format(NamedTuple):
    """Where a line holds what."""

    name: str
    n_fields: int
    columns: dict[str, int]
    separator: str

    @property
    def first(self) -> int:
        """Least end of a line: a file of Bismark's that starts at 0 is half open."""
        return 1 if self.name == "Bismark" else 0


def read_methylation(
    path: object, regions: Regions, *, combine_strands: bool, min_coverage: int
) -> MethylationSites:
    """CpGs that lie in a region, with at least `min_coverage` reads."""
    file = existing_file(path, WHAT)
    layout = _recognised(file)
    kept: dict[str, list[pd.DataFrame]] = {}
    ends: dict[str, int] = {}
    conventions = Conventions(file)
    for block in _blocks(file, layout, conventions):
        for name, part in block.groupby("chrom", sort=False):
            chromosome = str(name)
            kept.setdefault(chromosome, [])
            names = match_chromosomes(set(regions.chromosomes.tolist()), kept)
            wanted = [wish for wish, there in names.items() if there == chromosome]
            # Up to two bases more: the C on the minus strand, and a file that counts from 0.
            position = part["position"].to_numpy()
            ends[chromosome] = max(ends.get(chromosome, 0), int(position.max()) + 1)
            kept[chromosome].append(part[regions.touched(wanted, position - 1, position + 3)])
    shift = conventions.checked_shift()
    sites = {}
    for name, parts in kept.items():
        table = pd.concat(parts)
        table = _once(table.assign(position=table["position"] + shift), file, name)
        if combine_strands:
            table = _combined(table, by_strand=layout.name != "Bismark")
        table = table[table["coverage"] >= min_coverage].sort_values("position")
        level = (table["methylated"] / table["coverage"]).to_numpy(dtype=np.float32)
        coverage = table["coverage"].to_numpy(dtype=np.float32)
        sites[name] = (table["position"].to_numpy(), level, coverage)
    ends = {name: end + shift for name, end in ends.items()}
    return MethylationSites(sites, ends, combine_strands)


def _recognised(path: Path) -> _Format:
    """Tell the format by the number of fields."""
    fields = first_fields(path)
    skipped = header_length(path)
    line = next(line for number, line in numbered_lines(path) if number > skipped)
    tabs = line.split("\t")
    if len(tabs) >= BEDMETHYL_FIELDS:  # names may hold spaces
        fields, separator = tabs, "\t"
    else:
        separator = r"\s+"
    n = len(fields)
    if n == BISMARK_FIELDS:
        columns = {"chrom": 0, "start": 1, "end": 2, "percent": 3, "methylated": 4, "not": 5}
        return _Format("Bismark", n, columns, separator)
    if n >= BEDMETHYL_FIELDS:
        columns = {"chrom": 0, "start": 1, "end": 2, "code": 3, "strand": 5}
        columns |= {"coverage": 9, "percent": 10}
        return _Format("modkit" if n == MODKIT_FIELDS else "bedMethyl", n, columns, separator)
    msg = (
        f"{path}: expected {WHAT}, with {BEDMETHYL_FIELDS} or more columns (coverage in the 10th, "
        f"percentage in the 11th) or with {BISMARK_FIELDS} (percentage in the 4th, counts of "
        f"methylated and unmethylated reads), found {n} columns."
    )
    raise ValueError(msg)


def _blocks(path: Path, layout: _Format, conventions: Conventions) -> Iterator[pd.DataFrame]:
    """Blocks of lines as chrom, position, strand, coverage, methylated."""
    kinds = {"chrom": str, "code": str, "strand": str, "start": np.int64, "end": np.int64}
    order = sorted(layout.columns, key=layout.columns.__getitem__)
    try:
        with (
            opened(path) as file,
            pd.read_csv(
                file,
                sep=layout.separator,
                header=None,
                names=list(range(layout.n_fields)),
                usecols=list(layout.columns.values()),
                dtype={layout.columns[k]: kinds.get(k, np.float64) for k in order},
                index_col=False,
                skiprows=header_length(path),
                chunksize=BLOCK_LINES,
                keep_default_na=False,
            ) as reader,
        ):
            for block in reader:
                block.columns = pd.Index(order)
                yield _sites(block, path, layout, conventions)
    except (ValueError, OverflowError, *DAMAGED) as error:
        _raise_first_problem(path, layout, error)


def _sites(
    block: pd.DataFrame, path: Path, layout: _Format, conventions: Conventions
) -> pd.DataFrame:
    if layout.name == "Bismark":
        # Its coordinates start at 1, unless the whole file says otherwise.
        block = block.assign(position=block["start"] - 1, strand=".")
        block["coverage"] = block["methylated"] + block["not"]
    else:
        block = block.assign(position=block["start"])
        block["methylated"] = block["coverage"] * block["percent"] / 100
    in_range = block["percent"].between(0, 100) & block["strand"].isin(["+", "-", "."])
    counts = np.isfinite(block["coverage"]) & (block["coverage"] >= 0) & (block["methylated"] >= 0)
    ordered = (block["start"] >= 0) & (block["end"] >= block["start"].clip(lower=layout.first))
    if not (in_range & counts & ordered).all():
        _raise_first_problem(path, layout, None)
    (conventions.add_bismark if layout.name == "Bismark" else conventions.add_percent)(block)
    if layout.name == "modkit":
        # 5mC; other modifications of the same bases have lines of their own.
        block = block[block["code"].str.split(",").str[0] == "m"]
    return block[["chrom", "position", "strand", "coverage", "methylated"]]


def _once(table: pd.DataFrame, path: Path, chromosome: str) -> pd.DataFrame:
    """Raise if a base has several lines."""
    twice = table.duplicated(["position", "strand"])
    if twice.any():
        place = int(table.loc[twice, "position"].iloc[0])
        msg = (
            f"{path}: expected every base once, found {int(twice.sum())} twice, the first "
            f"{chromosome}:{place}-{place + 1}. Add up the reads of replicates before, and keep "
            "one modification and one context (CpG)."
        )
        raise ValueError(msg)
    return table


def _combined(table: pd.DataFrame, *, by_strand: bool) -> pd.DataFrame:
    """Add up the reads of a CpG's two strands, whose Cs are neighbours."""
    table = table.sort_values("position")
    position = table["position"].to_numpy()
    if by_strand:
        position = position - (table["strand"] == "-").to_numpy()
    else:
        # Without strands, a C next to another one is that on the minus strand.
        second = np.zeros(len(position), dtype=bool)
        for i in np.flatnonzero(np.diff(position) == 1) + 1:
            second[i] = not second[i - 1]
        position = position - second
    summed = table[["coverage", "methylated"]].groupby(position).sum()
    return summed.rename_axis("position").reset_index()


def _raise_first_problem(path: Path, layout: _Format, cause: BaseException | None) -> NoReturn:
    """Read line by line up to the first one that is wrong, and name it."""
    for number, line in numbered_lines(path):
        if not is_header(line):
            _check_line(line, layout, f"{path}, line {number}")
    if isinstance(cause, ValueError) and str(cause).startswith(str(path)):
        raise cause
    msg = f"{path}: could not be read as {layout.name} ({cause})."
    raise ValueError(msg) from cause


def _check_line(line: str, layout: _Format, where: str) -> None:
    fields: list[Any] = line.split("\t" if layout.separator == "\t" else None)
    try:
        if len(fields) != layout.n_fields:
            raise ValueError
        named = {key: fields[place] for key, place in layout.columns.items()}
        numbers = [float(v) for k, v in named.items() if k not in ("chrom", "code", "strand")]
        start, end = int(named["start"]), int(named["end"])
    except (ValueError, IndexError):
        msg = (
            f"{where}: expected {layout.n_fields} columns of a {layout.name} file, with whole "
            f"numbers for start and end, found {line[:80]!r}."
        )
        raise ValueError(msg) from None
    first = layout.first if start == end else 0
    percent = float(named["percent"])
    if not (np.isfinite(numbers).all() and min(numbers) >= 0 and 0 <= percent <= 100):
        msg = f"{where}: expected a percentage between 0 and 100 and counts, found {line[:80]!r}."
        raise ValueError(msg)
    if start < first or end < start:
        msg = f"{where}: expected {first} <= start <= end, found start {start} and end {end}."
        raise ValueError(msg)
    if named.get("strand", ".") not in ("+", "-", "."):
        msg = f"{where}: expected a strand of '+', '-' or '.', found {named['strand']!r}."
        raise ValueError(msg)
