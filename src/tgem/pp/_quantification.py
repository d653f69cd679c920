"""Quantified samples of salmon, kallisto and RSEM as MuData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.progress import track
from tgem._core.validate import check_choice
from tgem.pp._isoform_tables import annotated, isoforms_and_genes, without_versions
from tgem.pp._quantification_files import SampleFile, Samples, find_sample_files
from tgem.pp._quantification_tables import COLUMNS, Quantified, read_quantified
from tgem.pp._sample_table import SampleTable, sample_table
from tgem.pp._transcripts import Annotation, read_transcripts

if TYPE_CHECKING:
    from mudata import MuData

    Array = np.ndarray[Any, Any]

_PIPED = ("transcript_id", "gene_id", "gene_symbol")  # fields 0, 1, 5 of GENCODE's names


def read_quantification(
    samples: Samples,
    annotation: Annotation | None = None,
    *,
    tool: str = "auto",
    obs: SampleTable | None = None,
    remove_version: bool = False,
) -> MuData:
    r"""Read what salmon, kallisto or RSEM quantified, ready for :class:`tgem.model.DeepSF`.

    Parameters
    ----------
    samples
        A folder with one subfolder for each sample (salmon, kallisto) or one
        ``*.isoforms.results`` for each (RSEM); the folder of one sample; a list of such folders
        or files; or a dictionary from the name of a sample to its folder or file. Without a
        dictionary, samples are named after their folders, or after files which do not have
        the tool's own name.
    annotation
        The gene of each transcript: path of the GTF file, plain or gzipped; path of a table,
        DataFrame with columns such as ``transcript_id``, ``gene_id`` and ``gene_symbol``; or a
        dictionary from transcript to gene. Versions of Ensembl identifiers are left away where
        only that makes names match. ``None`` where the files name the genes themselves: RSEM, and
        indices made of GENCODE's FASTA (``ENST...|ENSG...|...``).
    tool
        ``"salmon"``, ``"kallisto"``, ``"rsem"``, or ``"auto"`` to go by the columns.
    obs
        Table of the samples with their names as index, or a file whose first column has them.
        Samples that it lacks have missing values; rows of other samples are left out.
    remove_version
        Whether to leave the versions of Ensembl identifiers away in the result.

    Returns
    -------
    MuData, samples x (genes, isoforms):

    - ``mdata["isoform"].X``: TPM, float32; ``.layers["counts"]``: estimated counts; ``.var``:
      ``gene_id``, ``length`` (of the first sample), what the annotation says
      (``gene_symbol``, ``biotype`` of the gene, ``transcript_biotype``, ``chrom``);
    - ``mdata["gene"].X``, ``.layers["counts"]``: sums of the isoforms; ``.var``: ``gene_symbol``,
      ``biotype``, ``chrom``, ``protein_coding`` as far as known, ``n_isoforms``;
    - ``.obs`` of all three: the columns of `obs`.

    TPM are not scaled again after transcripts without annotation were left out.

    Warns
    -----
    GeneAlignmentWarning
        If transcripts are not in the annotation or samples not in `obs`, with their number.

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist, or a folder holds no quantification.
    ValueError
        For files that are empty, cut off, or not of the tool, with the line; for samples of
        different transcripts, repeated names, and an annotation with less than half of the
        transcripts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tgem
    >>> folder = Path(tempfile.mkdtemp())
    >>> for sample in ("control", "knockdown"):
    ...     (folder / sample).mkdir()
    ...     _ = (folder / sample / "quant.sf").write_text(
    ...         "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
    ...         "ENST01.1\t900\t700\t600000\t42\n"
    ...         "ENST02.1\t900\t700\t400000\t28\n"
    ...     )
    >>> mdata = tgem.pp.read_quantification(folder, {"ENST01.1": "ENSG01", "ENST02.1": "ENSG01"})
    >>> mdata["isoform"].to_df().loc["control"].tolist()
    [600000.0, 400000.0]
    >>> mdata["gene"].var_names.tolist()
    ['ENSG01']
    """
    check_choice("tool", tool, ["auto", *COLUMNS])
    files = find_sample_files(samples, tool)
    table = sample_table(obs, [file.name for file in files])
    transcripts = None if annotation is None else read_transcripts(annotation)
    first = read_quantified(files[0].path, tool)
    isoforms = _isoforms(first, transcripts, files[0])
    if remove_version:
        isoforms = without_versions(isoforms)
    values = _read_all(files, first, isoforms["column"].to_numpy(), tool=tool)
    return isoforms_and_genes(isoforms, values, table)


def _isoforms(first: Quantified, transcripts: pd.DataFrame | None, file: SampleFile) -> Any:
    """Table of the isoforms to keep: gene, length, and their place in the files."""
    named = _genes_in_names(first)
    names = pd.Index(first.names if named is None else named["transcript_id"], dtype=object)
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = (
            f"Expected each transcript once in {file.path}, found {len(twice)} that occur more "
            f"often: {listed(twice)}."
        )
        raise ValueError(msg)
    if transcripts is None:
        if named is None:
            msg = (
                f"Expected `annotation`: {file.path} does not name the genes of its transcripts "
                f"({listed(names[:3])}). Pass the GTF file that the samples were quantified with, "
                "or a table of transcripts and genes."
            )
            raise ValueError(msg)
        transcripts = named.set_index("transcript_id")
    isoforms = annotated(names, transcripts, source=f"sample {file.name!r}")
    return isoforms.assign(length=first.length[isoforms["column"]])


def _genes_in_names(sample: Quantified) -> pd.DataFrame | None:
    """Genes as RSEM lists them or GENCODE's names have them; None if they are not there."""
    if all(str(name).count("|") >= 5 for name in sample.names[:100]):
        fields = pd.Series(sample.names).str.split("|", expand=True)
        return fields.iloc[:, [0, 1, 5]].set_axis(_PIPED, axis=1)
    if sample.genes is not None:
        return pd.DataFrame({"transcript_id": sample.names, "gene_id": sample.genes})
    return None


def _read_all(
    files: list[SampleFile], first: Quantified, columns: Array, *, tool: str
) -> dict[str, Array]:
    """Fill TPM and counts sample by sample; one file at a time is in memory."""
    shape = (len(files), len(columns))
    tpm, counts = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    names = pd.Index(first.names)
    for row, file in enumerate(track(files, "Reading samples")):
        sample = first if row == 0 else read_quantified(file.path, tool)
        if sample.tool != first.tool:
            msg = (
                f"Expected all samples from one tool, found {first.tool} in {files[0].path} and "
                f"{sample.tool} in {file.path}: their differences would look like biology."
            )
            raise ValueError(msg)
        chosen = columns
        if not np.array_equal(sample.names, first.names):
            chosen = _places(names, sample, file, files[0])[columns]
        tpm[row], counts[row] = sample.tpm[chosen], sample.counts[chosen]
    return {"tpm": tpm, "counts": counts}


def _places(names: pd.Index, sample: Quantified, file: SampleFile, first: SampleFile) -> Array:
    """Positions of the first sample's transcripts in another whose order differs."""
    own = pd.Index(sample.names)
    missing, extra = names.difference(own), own.difference(names)
    if len(missing) or len(extra) or not own.is_unique:
        examples = listed([*missing[:2], *extra[:2], *own[own.duplicated()][:2]])
        msg = (
            f"Expected the same transcripts in all samples; {file.path} has {len(own)}, "
            f"{first.path} has {len(names)}: {len(missing)} of the latter are missing and "
            f"{len(extra)} are new, for example {examples}. Was a file cut off, or were the "
            "samples quantified with different indices? Quantify them with one."
        )
        raise ValueError(msg)
    places: Array = own.get_indexer(names)
    return places
