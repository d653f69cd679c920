"""Starts of transcription as annotation files hold them: GTF, or BED with a strand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem._tracks import first_fields, is_header, numbered_lines
from tgem.pp._gtf import read_gtf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHAT = "a GTF or BED file of genes"
STRANDS = ("+", "-")
GTF_FIELDS, BED_FIELDS = 9, 6
GENE_KEYS = {"gene_id": "gene_id", "gene_name": "gene_symbol"}


def read_starts(path: object, *, gene_key: str, biotype: str | None) -> pd.DataFrame:
    """All starts of a file, in its order: gene, chrom, tss, strand, is_canonical."""
    file = existing_file(path, WHAT)
    fields = first_fields(file)
    if len(fields) > 2 and fields[1].isdigit() and fields[2].isdigit():
        if biotype is not None:
            msg = f"{file}: `biotype` chooses among genes of a GTF, and this is a BED file."
            raise ValueError(msg)
        table = pd.DataFrame(_bed_lines(file))
    elif len(fields) >= GTF_FIELDS and fields[3].isdigit() and fields[4].isdigit():
        table = _gtf_transcripts(file, gene_key, biotype)
    else:
        msg = (
            f"{file}: expected {WHAT}, found {' '.join(fields)[:80]!r}. A BED file has at least "
            f"{BED_FIELDS} columns: chromosome, start, end, gene, score, strand."
        )
        raise ValueError(msg)
    tss = np.where(table["strand"] == "+", table["start"], table["end"] - 1)
    return table.assign(tss=tss)[["gene", "chrom", "tss", "strand", "is_canonical"]]


def _bed_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in numbered_lines(path):
        if is_header(line):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        where = f"{path}, line {number}"
        if len(fields) < BED_FIELDS or not (fields[1].isdigit() and fields[2].isdigit()):
            msg = (
                f"{where}: expected chromosome, start, end, gene, score and strand, found "
                f"{line[:80]!r}."
            )
            raise ValueError(msg)
        start, end, strand = int(fields[1]), int(fields[2]), fields[5]
        if strand not in STRANDS:
            msg = f"{where}: expected the strand '+' or '-', found {strand!r}."
            raise ValueError(msg)
        if start > end:
            msg = f"{where}: expected the start below the end, found {start} and {end}."
            raise ValueError(msg)
        # Some files mark a single place by an interval of no length.
        place = {"gene": fields[3], "chrom": fields[0], "start": start, "end": max(end, start + 1)}
        yield place | {"strand": strand, "is_canonical": False}


def _gtf_transcripts(path: Path, gene_key: str, biotype: str | None) -> pd.DataFrame:
    table = read_gtf(path, "transcript")
    own = table["gene_id"]
    name = GENE_KEYS[gene_key]
    # Genes without a symbol go by their identifier.
    table["gene"] = table[name].fillna(own) if name in table else own
    if biotype is not None:
        known = table["biotype"].dropna() if "biotype" in table else pd.Series(dtype=str)
        if not (known == biotype).any():
            msg = (
                f"{path}: expected genes of biotype {biotype!r}, found "
                f"{listed(sorted(known.unique()))}."
            )
            raise ValueError(msg)
        table = table[table["biotype"] == biotype]
    wrong = ~table["strand"].isin(STRANDS)
    if wrong.any():
        msg = (
            f"{path}: expected the strand '+' or '-', found "
            f"{listed(table.loc[wrong, 'strand'].unique())} for {wrong.sum()} transcripts of "
            f"{listed(table.loc[wrong, 'gene'].unique())}."
        )
        raise ValueError(msg)
    return table
