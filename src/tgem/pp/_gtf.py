"""Genes and transcripts of a GTF file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from tgem._core.files import existing_file
from tgem._core.progress import track
from tgem.pp._text import open_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GTF_ENDINGS = (".gtf", ".gff", ".gff2", ".gff3")
_ATTRIBUTE = re.compile(r'(\w+) "([^"]*)"')
_CANONICAL = re.compile(r'tag "(?:Ensembl_canonical|MANE[_ ]Select)"')
# the same things under the names that GENCODE and Ensembl give them
_RENAMED = {
    "gene_name": "gene_symbol",
    "gene_type": "biotype",
    "gene_biotype": "biotype",
    "transcript_type": "transcript_biotype",
}
_KEPT = {"gene_id", "gene_symbol", "transcript_id", "biotype", "transcript_biotype"}


def is_gtf(path: Path) -> bool:
    """Whether the name is that of an annotation with nine columns."""
    return path.name.lower().removesuffix(".gz").endswith(GTF_ENDINGS)


def read_gtf(path: str | Path, feature: str) -> pd.DataFrame:
    """Read the lines of one feature, or of the exons where the file has no such lines.

    Parameters
    ----------
    path
        GTF file, plain or gzipped.
    feature
        ``"gene"`` or ``"transcript"``.

    Returns
    -------
    One row for each gene or transcript in the order of the file: ``gene_id``, ``gene_symbol``,
    ``biotype``, ``chrom``, ``start``, ``end``, ``strand``, and for transcripts
    ``transcript_id``; ``is_canonical``, by its tag. Positions count from 0 and exclude the end, as
    in BED.
    """
    file = existing_file(path, "a GTF file")
    if ".gff3" in file.name.lower():
        msg = (
            f"Expected a GTF file, got the GFF3 file {file}. GENCODE and Ensembl offer the same "
            "annotation as GTF; `gffread -T` converts others."
        )
        raise ValueError(msg)
    rows = list(_rows(file, feature))
    if not rows:
        # annotations of some assemblers and old releases list exons only
        rows = list(_rows(file, "exon"))
    if not rows:
        msg = (
            f"Expected lines of the feature {feature!r} or 'exon' in the third column of {file}, "
            "found none. Is it the GTF of another kind of data?"
        )
        raise ValueError(msg)
    return _spans(pd.DataFrame(rows), f"{feature}_id", file)


def _rows(file: Path, feature: str) -> Iterator[dict[str, str | int]]:
    wanted = f"\t{feature}\t"
    with open_text(file) as handle:
        lines = track(handle, f"Reading {feature}s of {file.name}")
        for number, line in enumerate(lines, start=1):
            # most lines are of other features: looking at all columns of each would take minutes
            if wanted not in line or line.startswith("#"):
                continue
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) != 9:
                msg = (
                    f"Expected nine columns, separated by tabs, in line {number} of {file}, found "
                    f"{len(fields)}: {line[:80]!r}."
                )
                raise ValueError(msg)
            if fields[2] == feature:
                yield _row(fields, number, file)


def _row(fields: list[str], number: int, file: Path) -> dict[str, str | int]:
    if not (fields[3].isdigit() and fields[4].isdigit()):
        msg = (
            f"Expected whole numbers as start and end in line {number} of {file}, found "
            f"{fields[3]!r} and {fields[4]!r}."
        )
        raise ValueError(msg)
    row: dict[str, str | int] = {
        "is_canonical": _CANONICAL.search(fields[8]) is not None,
        "chrom": fields[0],
        "start": int(fields[3]) - 1,
        "end": int(fields[4]),
        "strand": fields[6],
    }
    for key, value in _ATTRIBUTE.findall(fields[8]):
        name = _RENAMED.get(key, key)
        if name in _KEPT:
            row.setdefault(name, value)
    return row


def _spans(table: pd.DataFrame, name: str, file: Path) -> pd.DataFrame:
    """One row for each name, from its first start to its last end."""
    for column in dict.fromkeys(("gene_id", name)):
        if column not in table or table[column].isna().any():
            count = len(table) if column not in table else int(table[column].isna().sum())
            msg = f'Expected `{column} "..."` in the last column of {file}, {count} lines lack it.'
            raise ValueError(msg)
    if table[name].is_unique:
        return table
    # a gene may have copies on several chromosomes under one name; the first is kept
    first = table.groupby(name, sort=False)["chrom"].transform("first")
    table = table[table["chrom"] == first]
    others = {key: "first" for key in table if key not in {name, "start", "end"}}
    spans = table.groupby(name, sort=False).agg({"start": "min", "end": "max", **others})
    return spans.reset_index()
