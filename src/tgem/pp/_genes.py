"""Where transcription of each gene starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from tgem._core.errors import GenomeWarning, listed, warn
from tgem._core.validate import check_choice
from tgem._tracks import plain_name
from tgem.data import unversioned
from tgem.pp._start_annotation import GENE_KEYS, STRANDS, read_starts

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    TssRule: TypeAlias = Literal["most_upstream", "most_common", "canonical", "first"]

RULES = ("most_upstream", "most_common", "canonical", "first")
COLUMNS = ("chrom", "tss", "strand")


def transcription_start_sites(
    path: str | Path,
    tss: TssRule = "most_upstream",
    *,
    gene_key: Literal["gene_id", "gene_name"] = "gene_id",
    biotype: str | None = None,
    remove_version: bool = False,
) -> pd.DataFrame:
    r"""Read one transcription start site for each gene from a GTF or BED file.

    Parameters
    ----------
    path
        GTF file (its transcripts, or exons put together) or BED file with at least six
        columns (chromosome, start, end, gene, score, strand), plain or gzip-compressed. A line
        starts transcription at its first base on the plus strand and at its last base on the
        minus strand.
    tss
        Which of several starts of a gene to take. ``"most_upstream"``: the first one in the
        direction of transcription, as annotations of whole genes have it. ``"most_common"``: that
        of most transcripts, the most upstream of several such. ``"canonical"``: that of the
        transcript with the tag ``Ensembl_canonical`` or ``MANE_Select``, the most upstream one for
        genes without (GTF only). ``"first"``: the first one in the file.
    gene_key
        Attribute of a GTF that names the genes: ``"gene_id"``, or ``"gene_name"`` for symbols.
    biotype
        Take genes of this type only, such as ``"protein_coding"`` (GTF only).
    remove_version
        Whether to take the version off identifiers of Ensembl, as ``ENSG00000141510.18``. Other
        names with a dot, such as ``RP11-34P13.7``, stay as they are.

    Returns
    -------
    DataFrame with the gene as index and the columns ``chrom``; ``tss``, the first base
    transcribed, where the chromosome's first base is 0 as in BED; ``strand``; and ``n_tss``, how
    many different starts the file holds. Filter it as you like, and pass it as `genes` to
    :func:`bin_signal` or :func:`methylation_sequence`.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        For a line that is no GTF or BED, a strand other than ``+`` or ``-``, or a file without
        such genes; the message names the line.

    Warns
    -----
    GenomeWarning
        For names that are on several chromosomes or both strands: they are left out. Copies on
        patches, alternative haplotypes and unplaced scaffolds do not count, nor do those on
        chromosome Y of genes on X.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "genes.bed"
    >>> lines = ["chr1 5000 5001 A . +", "chr1 5200 5201 A . +", "chr2 900 901 B . -"]
    >>> _ = path.write_text("\n".join(lines))
    >>> tgem.pp.transcription_start_sites(path)
          chrom   tss strand  n_tss
    gene
    A      chr1  5000      +      2
    B      chr2   900      -      1
    """
    check_choice("tss", tss, RULES)
    check_choice("gene_key", gene_key, GENE_KEYS)
    table = read_starts(path, gene_key=gene_key, biotype=biotype)
    if remove_version:
        table["gene"] = unversioned(pd.Index(table["gene"]))
    if tss == "canonical" and not table["is_canonical"].any():
        msg = (
            f"{path}: expected transcripts with the tag Ensembl_canonical or MANE_Select, found "
            f"none among {len(table)}. Choose another rule with `tss=...`: {listed(RULES)}."
        )
        raise ValueError(msg)
    return _chosen(_on_one_strand(table, path), tss)


def _on_one_strand(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Leave out names that stand for genes in several places."""
    table = _without_copies(table)
    places = table[["gene", "chrom", "strand"]].drop_duplicates()
    several = places.loc[places["gene"].duplicated(), "gene"].unique()
    if len(several):
        msg = (
            f"{path}: {len(several)} names of genes are on several chromosomes or on both strands "
            f"and are left out: {listed(several)}. Name genes by identifiers, with "
            "`gene_key='gene_id'`, to keep them."
        )
        warn(msg, GenomeWarning)
    rest = table[~table["gene"].isin(several)]
    if rest.empty:
        msg = f"{path}: expected genes on one chromosome and strand each, found none."
        raise ValueError(msg)
    return rest


def _without_copies(table: pd.DataFrame) -> pd.DataFrame:
    """Take genes from the assembled chromosomes, and those that X and Y share from X."""
    # Patches, alternative haplotypes and unplaced scaffolds: chr6_GL000250v2_alt, KI270728.1
    is_copy = table["chrom"].str.contains(r"[_.]", regex=True)
    table = table[~is_copy | is_copy.groupby(table["gene"]).transform("all")]
    chromosome = table["chrom"].map(plain_name)
    on_x = table["gene"].isin(table.loc[chromosome == "X", "gene"])
    return table[~(on_x & (chromosome == "Y"))]


def _chosen(table: pd.DataFrame, tss: str) -> pd.DataFrame:
    """One start for each gene, genes in the order of the file."""
    upstream = np.where(table["strand"] == "+", table["tss"], -table["tss"])
    first = {
        "most_upstream": upstream,
        "most_common": -table.groupby(["gene", "tss"])["tss"].transform("size"),
        "canonical": ~table["is_canonical"],
        "first": np.arange(len(table)),
    }[tss]
    ordered = table.assign(first=first, upstream=upstream).sort_values(
        ["first", "upstream"], kind="stable"
    )
    one = ordered.drop_duplicates("gene").set_index("gene").loc[table["gene"].unique()]
    one["n_tss"] = table.groupby("gene")["tss"].nunique()
    return one[[*COLUMNS, "n_tss"]]


def gene_table(genes: str | Path | pd.DataFrame, tss: TssRule | None) -> pd.DataFrame:
    """Genes of a table or a file as chrom, tss, strand; raises for what cannot be used."""
    if not isinstance(genes, pd.DataFrame):
        return transcription_start_sites(genes, tss or "most_upstream")
    if tss is not None:
        msg = (
            f"Expected `tss` with a file of genes only, got {tss!r} with a DataFrame, whose column "
            "`tss` says where transcription starts."
        )
        raise ValueError(msg)
    absent = [column for column in COLUMNS if column not in genes]
    if absent or genes.empty:
        msg = (
            f"Expected `genes` with the columns {listed(COLUMNS)} and the gene as index, found "
            f"{len(genes)} rows and the columns {listed(genes.columns)}."
        )
        raise ValueError(msg)
    names = pd.Index(genes.index.astype(str), name="gene")
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = (
            f"Expected every gene once in `genes.index`, found {len(twice)} several times: "
            f"{listed(twice)}. Keep one start of transcription each, for example with "
            "`genes[~genes.index.duplicated()]`."
        )
        raise ValueError(msg)
    table = genes[list(COLUMNS)].set_axis(names)
    wrong = table.index[~table["strand"].isin(STRANDS)]
    if len(wrong):
        found = table["strand"][wrong].unique()
        msg = (
            f"Expected the strand '+' or '-' in `genes['strand']`, found {listed(found)} for "
            f"{len(wrong)} genes: {listed(wrong)}."
        )
        raise ValueError(msg)
    places = pd.to_numeric(table["tss"], errors="coerce")
    wrong = table.index[~((places >= 0) & (places % 1 == 0)) | table["chrom"].isna()]
    if len(wrong):
        msg = (
            "Expected a chromosome and a whole number of at least 0 in `genes['tss']`, found "
            f"others for {len(wrong)} genes: {listed(wrong)}."
        )
        raise ValueError(msg)
    strand, chrom = (table[column].astype(str) for column in ("strand", "chrom"))
    return pd.DataFrame({"chrom": chrom, "tss": places.astype(np.int64), "strand": strand})
