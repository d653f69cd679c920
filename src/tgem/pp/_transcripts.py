"""Which gene each transcript belongs to, from a GTF file or a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem.pp._gtf import is_gtf, read_gtf
from tgem.pp._text import broken_file_named, compression_of, first_line

Annotation: TypeAlias = str | Path | pd.DataFrame | pd.Series | Mapping[str, str]

# names of columns in the tables of tximport, biomaRt, Ensembl BioMart, sleuth, UCSC Xena
_COLUMNS = {
    "transcript_id": (
        "transcript_id",
        "transcript",
        "target_id",
        "tx",
        "tx_id",
        "txname",
        "ensembl_transcript_id_version",
        "ensembl_transcript_id",
        "transcript_stable_id_version",
        "transcript_stable_id",
        "id",
    ),
    "gene_id": (
        "gene_id",
        "gene",
        "geneid",
        "ensembl_gene_id_version",
        "ensembl_gene_id",
        "gene_stable_id_version",
        "gene_stable_id",
        "ens_gene",
    ),
    "gene_symbol": ("gene_symbol", "gene_name", "symbol", "external_gene_name", "ext_gene"),
    "biotype": ("biotype", "gene_biotype", "gene_type"),
    "transcript_biotype": ("transcript_biotype", "transcript_type"),
    "chrom": ("chrom", "chromosome_name", "seqname", "seqnames"),
}
_KB_COLUMNS = 8  # of the t2g.txt of kb-python, which has no names of columns


def read_transcripts(annotation: Annotation) -> pd.DataFrame:
    """Return a table indexed by transcript, with at least ``gene_id``.

    Further columns, where they are known: ``gene_symbol``, ``biotype`` (of the gene),
    ``transcript_biotype``, ``chrom``.
    """
    if isinstance(annotation, str | Path):
        file = existing_file(annotation, "a GTF file or a table of transcripts and genes")
        table = read_gtf(file, "transcript") if is_gtf(file) else _read_table(file)
        source = str(file)
    elif isinstance(annotation, pd.DataFrame):
        table, source = _named_columns(annotation, "the table of transcripts"), "the table"
    elif isinstance(annotation, Mapping | pd.Series):
        pairs: Any = pd.Series(annotation)
        table = pd.DataFrame({"transcript_id": pairs.index, "gene_id": pairs.to_numpy()})
        source = "the mapping"
    else:
        msg = (
            "Expected `annotation` to be the path of a GTF file or table, a DataFrame, or a "
            f"mapping from transcript to gene, got {type(annotation).__name__}."
        )
        raise TypeError(msg)
    return _indexed(table, source)


def _read_table(file: Path) -> pd.DataFrame:
    line = first_line(file)
    separator = next((mark for mark in ("\t", ",", ";") if mark in line), r"\s+")
    names = line.split() if separator == r"\s+" else line.split(separator)
    has_header = "transcript_id" in _renaming(names)
    with broken_file_named(file):
        try:
            table = pd.read_csv(
                file,
                sep=separator,
                header=0 if has_header else None,
                dtype=str,
                compression=compression_of(file),
                engine="python" if separator == r"\s+" else "c",
            )
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            msg = f"Expected a table of transcripts and genes in {file}: {error}"
            raise ValueError(msg) from error
    if has_header:
        return _named_columns(table, str(file))
    if table.shape[1] not in (2, 3, _KB_COLUMNS):
        msg = (
            f"Expected columns named 'transcript_id' and 'gene_id' in {file}, or two or three "
            f"columns without names (transcript, gene, symbol); found {listed(line.split())}."
        )
        raise ValueError(msg)
    table = table.iloc[:, :3]
    return table.set_axis(["transcript_id", "gene_id", "gene_symbol"][: table.shape[1]], axis=1)


def _renaming(columns: list[Any]) -> dict[str, Any]:
    """Our name of a column -> the name in the table, for those recognised."""
    plain = {
        str(column).strip().strip('"').lower().replace(" ", "_").replace(".", "_"): column
        for column in columns
    }
    found = {
        ours: next((plain[name] for name in names if name in plain), None)
        for ours, names in _COLUMNS.items()
    }
    return {ours: column for ours, column in found.items() if column is not None}


def _named_columns(table: pd.DataFrame, location: str) -> pd.DataFrame:
    renaming = _renaming(list(table.columns))
    if "transcript_id" not in renaming and "gene_id" in renaming:
        named = table.rename_axis(index="transcript_id").reset_index()  # transcripts as index
        if not isinstance(table.index, pd.RangeIndex):
            table, renaming = named, {**renaming, "transcript_id": "transcript_id"}
    missing = {"transcript_id", "gene_id"} - renaming.keys()
    if missing:
        msg = (
            f"Expected columns {listed(sorted(missing))} in {location}, found "
            f"{listed(table.columns, 12)}."
        )
        raise ValueError(msg)
    return pd.DataFrame({ours: table[column].to_numpy() for ours, column in renaming.items()})


def _indexed(table: pd.DataFrame, source: str) -> pd.DataFrame:
    table = table.dropna(subset=["transcript_id", "gene_id"])
    table = table.astype({"transcript_id": str, "gene_id": str})
    table = table.drop_duplicates(["transcript_id", "gene_id"])
    if table.empty:
        msg = f"Expected transcripts and their genes in {source}, found none."
        raise ValueError(msg)
    twice = table["transcript_id"][table["transcript_id"].duplicated()]
    if len(twice):
        msg = (
            f"Expected one gene for each transcript in {source}, found {len(twice)} transcripts "
            f"with several: {listed(twice.unique())}. Keep one row of each."
        )
        raise ValueError(msg)
    kept = ["gene_id", *(name for name in _COLUMNS if name in table)]
    kept = [name for name in dict.fromkeys(kept) if name != "transcript_id"]
    return table.set_index("transcript_id")[kept]
