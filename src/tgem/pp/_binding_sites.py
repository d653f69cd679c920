"""Binding sites of RNA-binding proteins as BED files and tables hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem._core.progress import track
from tgem.pp._text import broken_file_named, compression_of, open_text

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

File = str | Path
Sites: TypeAlias = File | pd.DataFrame | Mapping[str, File | Sequence[File]]

# columns of BED, counted from 0
BED = {"chrom": 0, "start": 1, "end": 2, "factor": 3, "score": 4, "strand": 5}
_NEEDED = ("chrom", "start", "end")
_HEADS = ("#", "track", "browser")
_STRANDS = ("+", "-", ".")
_KINDS = {"start": "int64", "end": "int64", "score": "float64"}


def read_sites(sites: Sites, columns: Mapping[str, int] | None) -> pd.DataFrame:
    """Return one row for each site.

    Returns
    -------
    DataFrame with ``factor``, ``replicate``, ``chrom``, ``start``, ``end``, ``strand`` and, where
    the files have it, ``score``.
    """
    if isinstance(sites, pd.DataFrame):
        if columns is not None:
            msg = f"Expected `columns` for files; the columns of a DataFrame are named {_NEEDED}."
            raise ValueError(msg)
        return _checked(sites.reset_index(drop=True), "the table of sites", first=0)
    places = _places(columns)
    if isinstance(sites, Mapping):
        files = [
            (str(factor), number, path)
            for factor, paths in sites.items()
            for number, path in enumerate([paths] if isinstance(paths, str | Path) else paths)
        ]
        if not files:
            msg = "Expected a file for each factor in `sites`, got none."
            raise ValueError(msg)
        tables = []
        without_factor = {name: place for name, place in places.items() if name != "factor"}
        for factor, number, path in track(files, "Reading binding sites"):
            table = _read_bed(path, without_factor)
            tables.append(table.assign(factor=factor, replicate=str(number)))
        together = pd.concat(tables, ignore_index=True)
        return together.astype(dict.fromkeys(("factor", "replicate"), "category"))
    table = _read_bed(sites, places)
    return table if "replicate" in table else table.assign(replicate="0")


def _places(columns: Mapping[str, int] | None) -> dict[str, int]:
    """Columns of BED, with those that the user says are elsewhere."""
    given = dict(columns or {})
    unknown = set(given) - {*BED, "replicate"}
    if unknown or any(not isinstance(each, int) or each < 0 for each in given.values()):
        msg = (
            f"Expected `columns` to map {listed([*BED, 'replicate'], 9)} to columns counted from "
            f"0, got {given!r}."
        )
        raise ValueError(msg)
    taken = set(given.values())
    kept = {name: place for name, place in BED.items() if place not in taken}
    return {**kept, **given}


def _read_bed(path: File, places: Mapping[str, int]) -> pd.DataFrame:
    file = existing_file(path, "a BED file of binding sites")
    with open_text(file) as handle:
        n_heads = 0
        for line in handle:
            if line.strip() and not line.startswith(_HEADS):
                break
            n_heads += 1
        else:
            line = ""
    if not line:
        msg = f"Expected binding sites in {file}, found none."
        raise ValueError(msg)
    n_columns = len(line.rstrip("\r\n").split("\t"))
    absent = [name for name in (*_NEEDED, "factor") if places.get(name, 0) >= n_columns]
    if absent:
        msg = (
            f"Expected {listed(absent)} in {file}, found {n_columns} columns separated by tabs in "
            f"line {n_heads + 1}: {line[:80]!r}. Say where they are with `columns`."
        )
        raise ValueError(msg)
    used = {name: place for name, place in places.items() if place < n_columns}
    table = _parsed(file, used, n_heads, n_columns)
    return _checked(table, str(file), first=n_heads + 1)


def _parsed(file: Path, places: Mapping[str, int], n_heads: int, n_columns: int) -> pd.DataFrame:
    """Columns of a file; tens of millions of sites fit, as texts are kept once each."""
    kinds = {place: _KINDS.get(name, "category") for name, place in places.items()}

    def read(dtype: Any) -> pd.DataFrame:
        return pd.read_csv(
            file,
            sep="\t",
            header=None,
            skiprows=n_heads,
            usecols=sorted(set(places.values())),
            dtype=dtype,
            skip_blank_lines=False,
            keep_default_na=False,
            na_values={places["score"]: [".", "NA"]} if "score" in places else None,
            compression=compression_of(file),
        )

    with broken_file_named(file):
        try:
            try:
                table = read(kinds)
            except ValueError:  # a line is bad: as text, it can be found
                table = read(str)
        except pd.errors.ParserError as error:
            msg = f"Expected {n_columns} columns in each line of {file}: {error}"
            raise ValueError(msg) from error
    return pd.DataFrame({name: table[place] for name, place in places.items()})


def _checked(table: pd.DataFrame, location: str, *, first: int) -> pd.DataFrame:
    """Positions as numbers; `first` is the line of the first site."""
    missing = [name for name in _NEEDED if name not in table]
    if missing or table.empty:
        msg = (
            f"Expected columns {listed(_NEEDED)} and sites in {location}, found "
            f"{len(table)} sites with {listed(table, 9)}."
        )
        raise ValueError(msg)
    numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in ("start", "end")}
    start, end = (numbers[name].to_numpy(dtype=float) for name in ("start", "end"))
    bad = np.flatnonzero(~((start >= 0) & (end > start) & (start % 1 == 0) & (end % 1 == 0)))
    if len(bad):
        row = table.iloc[bad[0]]
        msg = (
            f"Expected whole numbers with start below end, found '{row['start']}' and "
            f"'{row['end']}' in line {bad[0] + first} of {location} ({len(bad)} such lines)."
        )
        raise ValueError(msg)
    for name in {"chrom", "factor", "replicate"} & set(table):
        empty = np.flatnonzero((table[name].isna() | (table[name] == "")).to_numpy())
        if len(empty):
            msg = f"Expected a {name} in line {empty[0] + first} of {location}, found none."
            raise ValueError(msg)
    table = table.assign(start=start.astype(np.int64), end=end.astype(np.int64))
    if "strand" not in table:
        table["strand"] = "."
    wrong = ~table["strand"].isin(_STRANDS)
    if wrong.any():
        msg = (
            f"Expected '+', '-' or '.' as strand in {location}, found "
            f"{listed(table['strand'][wrong].unique())} in {int(wrong.sum())} lines. Say where the "
            "strand is with `columns={'strand': ...}`, counted from 0."
        )
        raise ValueError(msg)
    if "replicate" not in table and "factor" in table:
        table["replicate"] = "0"
    return table
