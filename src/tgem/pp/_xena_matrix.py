"""A matrix of UCSC Xena, genes or transcripts x samples, read line by line."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem._core.progress import track
from tgem.data import unversioned
from tgem.pp._text import open_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Array = np.ndarray[Any, Any]

_VERSION = re.compile(r"\.\d+$")
_BLOCK = 256  # rows turned into columns at a time
LARGEST_LOG_TPM = 25.0  # log2 of a million is 20


@dataclass(frozen=True)
class XenaMatrix:
    """Chosen part of a matrix.

    Attributes
    ----------
    names
        Names of the rows read, as in the file.
    places
        Position of each of them among the names wanted.
    tpm
        Samples x rows, float32.
    n_unknown
        Rows of the file that are not among the names known.
    unknown
        A few of their names.
    """

    names: list[str]
    places: Array
    tpm: Array
    n_unknown: int
    unknown: list[str]


def samples_of(path: str | Path) -> list[str]:
    """Names of the samples in the first line."""
    file = existing_file(path, "a matrix of UCSC Xena")
    with open_text(file) as handle:
        samples = handle.readline().rstrip("\r\n").split("\t")[1:]
    if not samples:
        msg = f"Expected names of samples, separated by tabs, in the first line of {file}."
        raise ValueError(msg)
    return samples


def check_columns(header: pd.Index, wanted: Sequence[str], file: Path) -> None:
    """Raise for a wanted sample that has several columns."""
    twice = header[header.duplicated()].unique()
    twice = twice[twice.isin(wanted)]
    if len(twice):
        columns = ", ".join(str(place + 2) for place in np.flatnonzero(header == twice[0]))
        msg = (
            f"Expected each sample once in the first line of {file}, found {listed(twice)} "
            f"repeatedly, {twice[0]!r} in columns {columns}. Keep one of them, or name the other "
            "samples as `samples`."
        )
        raise ValueError(msg)


def read_matrix(
    path: str | Path, wanted: pd.Index, samples: Sequence[str], *, known: pd.Index, offset: float
) -> XenaMatrix:
    """Read the wanted rows and samples; other rows are skipped without being parsed.

    Parameters
    ----------
    path
        Matrix with a line for each gene or transcript and a column for each sample.
    wanted
        Names of rows to read, with or without version.
    samples
        Samples in the order wanted.
    known
        Names that are no surprise in the file, beside the wanted ones.
    offset
        What was added to TPM before the logarithm to base 2.
    """
    file = existing_file(path, "a matrix of UCSC Xena")
    reader = _Reader(file, samples, len(wanted), offset)
    position = {**_positions(unversioned(wanted)), **_positions(wanted)}
    others = {*known, *unversioned(known)}
    places: dict[int, str] = {}
    unknown: list[str] = []
    n_unknown = 0
    with open_text(file) as handle:
        handle.readline()
        lines = track(handle, f"Reading {file.name}")
        for number, line in enumerate(lines, start=2):
            name, _, rest = line.partition("\t")
            place = position.get(name, position.get(_VERSION.sub("", name)))
            if place is None:
                if name.strip() and name not in others and _VERSION.sub("", name) not in others:
                    n_unknown += 1
                    unknown += [name] if len(unknown) < 5 else []
                continue
            if place in places:
                msg = (
                    f"Expected each row once in {file}, found {name!r} in line {number} and "
                    f"{places[place]!r} before."
                )
                raise ValueError(msg)
            places[place] = name
            reader.add(rest, number)
    tpm = reader.finished()
    return XenaMatrix(list(places.values()), np.array(list(places)), tpm, n_unknown, unknown)


def _positions(names: pd.Index) -> dict[str, int]:
    return {str(name): place for place, name in enumerate(names)}


class _Reader:
    """Fills TPM, samples x rows, from lines of logarithms."""

    def __init__(self, file: Path, samples: Sequence[str], n_rows: int, offset: float) -> None:
        header = pd.Index(samples_of(file))
        missing = [name for name in samples if name not in header]
        if missing:
            msg = (
                f"Expected the samples in the first line of {file}, {len(missing)} of "
                f"{len(samples)} are not there: {listed(missing)}. It has {len(header)}, such as "
                f"{listed(header[:3])}."
            )
            raise ValueError(msg)
        check_columns(header, samples, file)
        self._file, self._header = file, header
        self._columns = [int(header.get_loc(name)) for name in samples]
        _check_memory(len(samples) * n_rows * 4)
        self._tpm = np.empty((len(samples), n_rows), dtype=np.float32)
        self._block = np.empty((_BLOCK, len(samples)))
        self._n_rows, self._offset = 0, offset
        self._smallest = np.inf

    def add(self, text: str, number: int) -> None:
        """Parse one line."""
        fields = text.rstrip("\r\n").split("\t")
        if len(fields) != len(self._header):
            msg = (
                f"Expected {len(self._header)} values in line {number} of {self._file}, as many as "
                f"samples in its first line, found {len(fields)}. Was the file cut off?"
            )
            raise ValueError(msg)
        row = self._block[self._n_rows % _BLOCK]
        try:
            row[:] = [float(fields[column]) for column in self._columns]
        except ValueError as error:
            msg = f"Expected numbers in line {number} of {self._file}, {self._wrong(fields)}."
            raise ValueError(msg) from error
        self._n_rows += 1
        if self._n_rows % _BLOCK == 0:
            self._turn(_BLOCK)

    def _wrong(self, fields: Sequence[str]) -> str:
        """Name the first sample whose value is no number."""
        for column in self._columns:
            try:
                float(fields[column])
            except ValueError:
                shown = repr(fields[column]) if fields[column].strip() else "an empty cell"
                return f"found {shown} for sample {self._header[column]!r} (column {column + 2})"
        raise AssertionError

    def finished(self) -> Array:
        """Turn what is left, and return the TPM of the rows that were there."""
        if self._n_rows % _BLOCK:
            self._turn(self._n_rows % _BLOCK)
        return self._tpm[:, : self._n_rows]

    def _turn(self, size: int) -> None:
        values = self._block[:size]
        self._check(values)
        tpm = np.maximum(np.exp2(values) - self._offset, 0)  # rounding leaves less than 0
        self._tpm[:, self._n_rows - size : self._n_rows] = tpm.T

    def _check(self, values: Array) -> None:
        """Raise for values that are not log2(TPM + offset)."""
        if not np.isfinite(values).all():
            msg = (
                f"Expected log2(TPM + {self._offset:g}) in {self._file}, found "
                f"{int((~np.isfinite(values)).sum())} missing or infinite values."
            )
            raise ValueError(msg)
        self._smallest = min(self._smallest, float(values.min()))
        largest, floor = float(values.max()), float(np.log2(self._offset))
        if largest > LARGEST_LOG_TPM:
            msg = (
                f"Expected log2(TPM + {self._offset:g}) in {self._file}, found {largest:g}: no "
                "logarithm of TPM is so large. Take the file in log2(TPM + 0.001)."
            )
            raise ValueError(msg)
        looks_like_one = self._smallest == 0 and self._offset < 0.5
        if self._smallest < floor - 0.01 or looks_like_one:
            msg = (
                f"Expected log2(TPM + {self._offset:g}) in {self._file}, where 0 TPM are "
                f"{floor:.4g}; the smallest value found is {self._smallest:.4g}. Where that is 0 "
                f"TPM, the offset is {float(f'{2**self._smallest:.2g}'):g}: pass `offset=...`."
            )
            raise ValueError(msg)


def _check_memory(needed: int) -> None:
    """Raise for a matrix larger than the machine's memory, where that can be known."""
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        msg = (
            f"The matrix asked for takes {needed / 1e9:.0f} GB, this machine has "
            f"{memory / 1e9:.0f} GB. Choose `genes` or `samples`."
        )
        raise MemoryError(msg)
