"""Isoforms and genes of UCSC Xena's matrices as MuData."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.validate import check_positive
from tgem.data import unversioned
from tgem.pp._isoform_tables import gene_table, isoforms_and_genes, storable, without_versions
from tgem.pp._sample_table import SampleTable, sample_table
from tgem.pp._transcripts import Annotation, read_transcripts
from tgem.pp._xena_matrix import XenaMatrix, check_columns, read_matrix, samples_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mudata import MuData


def read_xena(
    isoform_path: str | Path,
    annotation: Annotation,
    gene_path: str | Path | None = None,
    *,
    samples: Sequence[str] | None = None,
    genes: Collection[str] | None = None,
    obs: SampleTable | None = None,
    offset: float = 0.001,
    remove_version: bool = False,
) -> MuData:
    r"""Read TCGA and GTEx as UCSC Xena offers them, ready for :class:`tgem.model.DeepSF`.

    The matrices of the Toil recompute, such as ``TcgaTargetGtex_rsem_isoform_tpm.gz``, have a line
    for each transcript, a column for each sample, and :math:`\log_2(\mathrm{TPM} + 0.001)` as
    values. They are read line by line: memory is needed for the genes and samples asked for only,
    and lines of other genes are not parsed.

    Parameters
    ----------
    isoform_path
        Matrix of the isoforms, plain or gzipped.
    annotation
        The gene of each transcript, as in :func:`read_quantification`: the GTF file of GENCODE 23
        for the Toil recompute, or a table.
    gene_path
        Matrix of the genes, in the same logarithm; ``None`` to sum the isoforms.
    samples
        Samples to read, in this order; ``None`` for all.
    genes
        Genes to read, by identifier, with or without version, or by symbol, with all of their
        isoforms; ``None`` for all. Splicing factors are genes too: name them along.
    obs
        Table of the samples, such as the phenotypes of the same site: their names as index, or a
        file whose first column has them.
    offset
        What was added to TPM before the logarithm. It is taken off again; the little below 0
        that rounding leaves is set to 0.
    remove_version
        Whether to leave the versions of Ensembl identifiers away in the result.

    Returns
    -------
    MuData, samples x (genes, isoforms), in TPM, float32:

    - ``mdata["isoform"].var``: ``gene_id`` and what the annotation says;
    - ``mdata["gene"].var``: ``gene_symbol``, ``biotype``, ``chrom``, ``protein_coding`` as far as
      known, ``n_isoforms``;
    - ``.obs`` of all three: the columns of `obs`.

    Warns
    -----
    GeneAlignmentWarning
        If rows are not in the annotation, or genes or samples not in the files.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        For values that are not logarithms of TPM with this offset, lines that are cut off, samples
        or genes that are not there, and an annotation with less than half of the transcripts.
    MemoryError
        If what is asked for is larger than the memory of the machine.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "isoform_tpm"
    >>> _ = path.write_text(
    ...     "sample\tTCGA-01\tGTEX-02\n"
    ...     "ENST01.1\t3.0001\t-9.9658\n"
    ...     "ENST02.4\t1.0007\t4.0001\n"
    ... )
    >>> genes = {"ENST01.1": "ENSG01", "ENST02.4": "ENSG01"}
    >>> tgem.pp.read_xena(path, genes)["isoform"].to_df().round(1)
             ENST01.1  ENST02.4
    TCGA-01       8.0       2.0
    GTEX-02       0.0      16.0
    """
    check_positive("offset", offset)
    every = read_transcripts(annotation)
    transcripts = every if genes is None else _of_genes(every, genes)
    samples = _all_samples(isoform_path) if samples is None else _different(samples)
    table = sample_table(obs, samples)
    matrix = read_matrix(isoform_path, transcripts.index, samples, known=every.index, offset=offset)
    _report(matrix, isoform_path, "transcripts")
    isoforms = transcripts.iloc[matrix.places].set_axis(matrix.names, axis=0)
    if remove_version:
        isoforms = without_versions(isoforms)
    gene_tpm = None
    if gene_path is not None:
        gene_tpm = _genes(
            gene_path,
            isoforms,
            transcripts,
            known=pd.Index(every["gene_id"].unique()),
            table=table,
            offset=offset,
            remove_version=remove_version,
        )
    return isoforms_and_genes(isoforms, {"tpm": matrix.tpm}, table, gene_tpm=gene_tpm)


def _all_samples(path: str | Path) -> list[str]:
    """Samples of a matrix, each once."""
    samples = samples_of(path)
    check_columns(pd.Index(samples), samples, Path(path))
    return samples


def _different(samples: Sequence[str]) -> list[str]:
    """Samples asked for, each once."""
    names = pd.Index([str(name) for name in samples], dtype=object)
    if names.empty or names.has_duplicates:
        twice = names[names.duplicated()].unique()
        found = f"got {listed(twice)} repeatedly" if len(twice) else "got none"
        msg = f"Expected different samples in `samples`, {found}."
        raise ValueError(msg)
    return names.tolist()


def _of_genes(transcripts: pd.DataFrame, genes: Collection[str]) -> pd.DataFrame:
    """Transcripts of the genes asked for."""
    wanted = {str(gene) for gene in ([genes] if isinstance(genes, str) else genes)}
    bare = set(unversioned(pd.Index(list(wanted), dtype=object)))
    ids = unversioned(pd.Index(transcripts["gene_id"], dtype=object))
    chosen = ids.isin(bare)
    found = set(ids[chosen])
    if "gene_symbol" in transcripts:
        by_symbol = transcripts["gene_symbol"].isin(wanted).to_numpy()
        found |= set(transcripts["gene_symbol"][by_symbol])
        chosen |= by_symbol
    if not chosen.any():
        msg = (
            f"Expected the genes of `genes` in the annotation, found none of {len(wanted)}: "
            f"{listed(sorted(wanted)[:3])} against {listed(ids[:3])}."
        )
        raise ValueError(msg)
    missing = sorted(bare - found)
    if missing:
        msg = f"{len(missing)} of {len(bare)} genes are not in the annotation: {listed(missing)}."
        warn(msg, GeneAlignmentWarning)
    return transcripts[chosen]


def _report(matrix: XenaMatrix, path: str | Path, kind: str) -> None:
    """Say how many rows the annotation does not know; raise if it knows few."""
    if matrix.n_unknown > len(matrix.names):
        msg = (
            f"Expected the {kind} of {path} in the annotation, {matrix.n_unknown} are not and "
            f"{len(matrix.names)} were read. Not there: {listed(matrix.unknown)}. Give the "
            "annotation of the matrix's release (GENCODE 23 for the Toil recompute)."
        )
        raise ValueError(msg)
    if not matrix.names:
        msg = f"Expected {kind} of the chosen genes in {path}, found none."
        raise ValueError(msg)
    if matrix.n_unknown:
        msg = (
            f"{matrix.n_unknown} {kind} of {path} are not in the annotation; they are left out: "
            f"{listed(matrix.unknown)}."
        )
        warn(msg, GeneAlignmentWarning)


def _genes(
    path: str | Path,
    isoforms: pd.DataFrame,
    transcripts: pd.DataFrame,
    *,
    known: pd.Index,
    table: pd.DataFrame,
    offset: float,
    remove_version: bool,
) -> AnnData:
    """Measured genes, under the annotation's names, which those of the isoforms refer to."""
    names = pd.Index(transcripts["gene_id"].unique(), dtype=object)
    matrix = read_matrix(path, names, list(table.index), known=known, offset=offset)
    _report(matrix, path, "genes")
    genes = gene_table(transcripts)
    if remove_version:
        names = unversioned(names)
        genes.index = unversioned(genes.index).astype(object)
    genes = genes.loc[names[matrix.places]]
    counts = isoforms["gene_id"].value_counts()
    genes["n_isoforms"] = counts.reindex(genes.index, fill_value=0).to_numpy(dtype=int)
    absent = np.setdiff1d(isoforms["gene_id"].unique(), genes.index)
    if len(absent):
        msg = f"{len(absent)} genes of the isoforms are not in {path}: {listed(absent)}."
        warn(msg, GeneAlignmentWarning)
    return AnnData(matrix.tpm, obs=table.copy(), var=storable(genes))
