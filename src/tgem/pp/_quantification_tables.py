"""The tables that salmon, kallisto and RSEM write for one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem.pp._text import broken_file_named, compression_of, first_line, open_text

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

# columns with name, TPM, estimated counts, length; RSEM also names the gene
COLUMNS = {
    "salmon": ("Name", "TPM", "NumReads", "Length"),
    "kallisto": ("target_id", "tpm", "est_counts", "length"),
    "rsem": ("transcript_id", "TPM", "expected_count", "length", "gene_id"),
}


@dataclass(frozen=True)
class Quantified:
    """Transcripts of one sample."""

    names: Array
    tpm: Array
    counts: Array
    length: Array
    tool: str
    genes: Array | None = None


def read_quantified(path: Path, tool: str) -> Quantified:
    """Read one sample's file; errors name the file and the line."""
    file = existing_file(path, "the quantification of a sample")
    if h5py.is_hdf5(file):
        if tool not in ("auto", "kallisto"):
            msg = f"Expected the text file of {tool}, and {file} is HDF5, as kallisto writes it."
            raise ValueError(msg)
        return _read_kallisto_h5(file)
    header = first_line(file).split("\t")
    tool = _tool_of(header, tool, file)
    columns = COLUMNS[tool]
    name, tpm, counts, length, *gene = columns
    texts, numbers = [name, *gene], [tpm, counts, length]
    kinds = {**dict.fromkeys(texts, str), **dict.fromkeys(numbers, np.float64)}
    with broken_file_named(file):
        try:
            # an empty field is an error here, and no missing value
            table = pd.read_csv(
                file,
                sep="\t",
                usecols=list(columns),
                dtype=kinds,
                skip_blank_lines=False,
                keep_default_na=False,
                compression=compression_of(file),
            )
        except (ValueError, pd.errors.ParserError) as error:
            raise _bad_line(file, header, columns) from error
    values = {key: table[key].to_numpy() for key in columns}
    good = all(np.isfinite(values[key]).all() and (values[key] >= 0).all() for key in numbers)
    if not good or not all(table[key].astype(bool).all() for key in texts):
        raise _bad_line(file, header, columns)
    if table.empty:
        msg = f"Expected transcripts in {file}, found the names of the columns alone."
        raise ValueError(msg)
    return Quantified(
        names=values[name],
        tpm=values[tpm],
        counts=values[counts],
        length=values[length],
        tool=tool,
        genes=values[gene[0]] if gene else None,
    )


def _tool_of(header: list[str], tool: str, file: Path) -> str:
    """The tool whose columns these are."""
    if "transcript_id(s)" in header:
        msg = (
            f"Expected the transcripts of RSEM, and {file} holds its genes. Read "
            "`<sample>.isoforms.results` instead."
        )
        raise ValueError(msg)
    fitting = [name for name, columns in COLUMNS.items() if set(columns) <= set(header)]
    if tool == "auto" and fitting:
        return fitting[0]
    if tool in fitting:
        return tool
    expected = (
        "the columns of salmon, kallisto or RSEM"
        if tool == "auto"
        else f"the columns {listed(COLUMNS[tool])} of {tool}"
    )
    looks = f"These are the columns of {fitting[0]}: pass `tool='auto'`. " if fitting else ""
    msg = (
        f"Expected {expected} in the first line of {file}, found {listed(header, 8)}. {looks}"
        "Files must be as the tool wrote them, separated by tabs."
    )
    raise ValueError(msg)


def _bad_line(file: Path, header: list[str], columns: tuple[str, ...]) -> ValueError:
    """Look for the line that cannot be read."""
    positions = {name: header.index(name) for name in columns}
    names = {columns[0], *columns[4:]}
    with open_text(file) as handle:
        next(handle)
        for number, line in enumerate(handle, start=2):
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) != len(header):
                problem = f"{len(header)} columns, as in the first line, found {len(fields)}"
                return ValueError(f"Expected {problem} in line {number} of {file}: {line[:80]!r}.")
            for name, position in positions.items():
                field = fields[position]
                if name in names and not field:
                    return ValueError(f"Expected a name as {name} in line {number} of {file}.")
                if name not in names and not _is_amount(field):
                    msg = (
                        f"Expected a number of at least 0 as {name} in line {number} of {file}, "
                        f"found {field!r}."
                    )
                    return ValueError(msg)
    return ValueError(f"Expected a table separated by tabs in {file}; it cannot be read.")


def _is_amount(field: str) -> bool:
    try:
        value = float(field)
    except ValueError:
        return False
    return 0 <= value < float("inf")


def _read_kallisto_h5(file: Path) -> Quantified:
    """Read kallisto's ``abundance.h5``, which holds counts and effective lengths."""
    wanted = ("aux/ids", "aux/eff_lengths", "aux/lengths", "est_counts")
    with h5py.File(file) as handle:
        missing = [name for name in wanted if name not in handle]
        if missing:
            msg = (
                f"Expected kallisto's abundance.h5, and {file} lacks {listed(missing)}; it holds "
                f"{listed(handle)}."
            )
            raise ValueError(msg)
        ids, effective, length, counts = (np.asarray(handle[name][()]) for name in wanted)
    names = np.array([each.decode() for each in ids], dtype=object)
    rate = counts / np.maximum(effective, 1e-9)
    tpm = rate * (1e6 / max(float(rate.sum()), 1e-300)) if rate.sum() > 0 else rate
    length = length.astype(np.float64)
    return Quantified(names=names, tpm=tpm, counts=counts, length=length, tool="kallisto")
