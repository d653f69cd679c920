"""Signal of tracks around the starts of transcription, in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.validate import check_count
from tgem._tracks import chromosome_sizes
from tgem.pp._genes import gene_table
from tgem.pp._genome import Genome
from tgem.pp._mark_files import mark_file_table, mark_files
from tgem.pp._places import check_window, observations, regions_around
from tgem.pp._signal import read_signal, transformed
from tgem.pp._transform import fingerprint, shown_steps, transform_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tgem.pp._genes import TssRule

    Array = np.ndarray[Any, Any]
    File: TypeAlias = str | Path

MEASUREMENT = "histone"


def bin_signal(
    tracks: Mapping[str, File] | Mapping[str, Mapping[str, File]],
    genes: File | pd.DataFrame,
    window: tuple[int, int] = (-2000, 2000),
    *,
    n_bins: int = 40,
    tss: TssRule | None = None,
    genome: str | None = None,
    transform: str | Sequence[str] | None = None,
    reference: AnnData | None = None,
    n_jobs: int = 1,
) -> AnnData:
    r"""Bin the signal of histone marks or accessibility around starts of transcription.

    Each value is the mean of a track over the bases of one bin. Bases for which a track holds
    nothing count as 0, and so do those beyond the ends of a chromosome. Bins run in the direction
    of transcription: the window of a gene on the minus strand is the mirror image of that of a
    gene on the plus strand, and the first base transcribed is the first base of the bin that
    starts at 0.

    Parameters
    ----------
    tracks
        Files of the marks, ``{"H3K4me3": "h3k4me3.bw", ...}``, or of the same marks in several
        cell types, ``{"liver": {"H3K4me3": ...}, "brain": {...}}``. bigWig (which needs
        ``pip install 'tgem[epigenome]'``), or bedGraph, plain or gzip-compressed. Chromosomes may
        be named ``chr1`` or ``1`` in tracks and genes alike.
    genes
        GTF or BED file (see :func:`transcription_start_sites`), or a DataFrame with the columns
        ``chrom``, ``tss`` (first base transcribed, counted from 0) and ``strand`` and the gene as
        index.
    window
        First base, and the base behind the last one, counted from the start of transcription.
    n_bins
        Bins of each window, all of the same number of whole bases.
    tss
        Which of several starts of a gene in a file to take, ``"most_upstream"`` by default; see
        :func:`transcription_start_sites`.
    genome
        Name of the assembly, such as ``"hg38"``. ``None`` to tell human and mouse assemblies by
        the length of chromosome 1 in a bigWig; others stay unnamed.
    transform
        What to do to the signal, in this order; nothing by default. ``"library_size"``: divide by
        the signal of the whole file and multiply by 10^9, so that sequencing depths are
        comparable. ``"log1p"``: logarithm of 1 + signal. ``"quantile"``: give each mark the same
        distribution over genes and bins in all cell types, their mean quantiles.
    reference
        Earlier result of this function, to whose quantiles to bring these data.
    n_jobs
        Files to read at the same time, each in a process of its own; -1 for all cores.

    Returns
    -------
    AnnData, genes or genes x cell types (named ``"gene|cell type"``) x marks x bins:

    - ``.X``: float32 signal; NaN throughout for genes on chromosomes that a track lacks, which
      models take as not measured;
    - ``.var``: ``mark``, ``bin`` (from 0), ``start`` and ``end`` (bases from the start of
      transcription, in its direction);
    - ``.obs``: ``gene_id``, ``cell_type`` (if there are several), ``chrom``, ``tss``, ``strand``,
      and ``n_padded``, the bases of the window beyond the ends of the chromosome, as far as files
      state its length;
    - ``.uns["epi_preparation"]``: ``settings`` (genome, window, bin width, transformation), which
      models compare with those of their training data; ``files`` (cell type, mark, file, total
      signal); ``quantiles`` and ``marks`` after ``"quantile"``.

    It is the ``histone`` modality of :class:`tgem.model.EpiAttention`.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ImportError
        For a bigWig without pybigtools.
    ValueError
        For truncated, unsorted, overlapping or malformed files, naming the line or place; files
        or genes of different genomes; bins that are not whole bases; strands other than ``+`` and
        ``-``.

    Warns
    -----
    GenomeWarning
        If a track lacks some of the genes' chromosomes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "h3k4me3.bedgraph"
    >>> _ = path.write_text("chr1 5000 5100 8\nchr1 9000 9100 4\n")
    >>> genes = pd.DataFrame(
    ...     {"chrom": ["1", "1"], "tss": [5000, 9099], "strand": ["+", "-"]}, index=["A", "B"]
    ... )
    >>> adata = tgem.pp.bin_signal({"H3K4me3": path}, genes, (-200, 200), n_bins=4)
    >>> adata.to_df()
       H3K4me3|bin_0  H3K4me3|bin_1  H3K4me3|bin_2  H3K4me3|bin_3
    A            0.0            0.0            8.0            0.0
    B            0.0            0.0            4.0            0.0
    """
    window = check_window(window)
    width = _bin_width(window, n_bins)
    steps = transform_steps(transform)
    samples, marks, files = mark_files(tracks)
    quantiles = _reference_quantiles(reference, marks, steps, len(files))
    table = gene_table(genes, tss)
    regions = regions_around(table, window)
    assembly = Genome(genome)
    for file in (file for row in files for file in row):
        assembly.add_sizes(chromosome_sizes(file), file)
    table["n_padded"] = assembly.check_genes(table, regions)

    signal = read_signal(files, regions, n_bins, genome=assembly, n_jobs=n_jobs)
    on_minus = (table["strand"] == "-").to_numpy()
    signal.values[:, :, on_minus] = signal.values[:, :, on_minus, ::-1]
    values, quantiles = transformed(signal, files, steps, quantiles)
    adata = AnnData(
        np.ascontiguousarray(values.swapaxes(1, 2)).reshape(len(files) * len(table), -1),
        obs=observations(table, samples),
        var=_bins(marks, window[0], width, n_bins),
    )
    settings: dict[str, Any] = {"measurement": MEASUREMENT}
    if assembly.name is not None:
        settings["genome"] = assembly.name
    settings |= {"window": list(window), "bin_width": width, "transform": shown_steps(steps)}
    preparation: dict[str, Any] = {"settings": settings}
    preparation["files"] = mark_file_table(samples, marks, files, signal.total)
    if quantiles is not None:
        settings["quantiles"] = fingerprint(quantiles)
        preparation |= {"quantiles": quantiles, "marks": np.array(marks, dtype=object)}
    keys.PREPARATION.write(adata, preparation)
    return adata


def _bin_width(window: tuple[int, int], n_bins: int) -> int:
    """Bases of each bin; raises unless they are whole."""
    check_count("n_bins", n_bins)
    length = window[1] - window[0]
    if length % n_bins:
        fitting = [n for n in range(1, length + 1) if length % n == 0]
        near = sorted(sorted(fitting, key=lambda n: abs(n - n_bins))[:3])
        msg = (
            f"Expected bins of whole bases, got {n_bins} bins of a window of {length} bases, "
            f"{length / n_bins:.2f} each. Choose `n_bins` among {listed(near)}, or another window."
        )
        raise ValueError(msg)
    return length // n_bins


def _reference_quantiles(
    reference: AnnData | None, marks: list[str], steps: Sequence[str], n_samples: int
) -> Array | None:
    """Quantiles of an earlier result, in the order of these marks."""
    if "quantile" not in steps:
        if reference is not None:
            msg = f"`reference` serves `transform='quantile'`, got the transform {list(steps)}."
            raise ValueError(msg)
        return None
    if reference is None:
        if n_samples == 1:
            msg = (
                "Expected several cell types for `transform='quantile'`, or a `reference` to whose "
                "quantiles to bring this one, got one cell type."
            )
            raise ValueError(msg)
        return None
    prepared = keys.PREPARATION.read(reference)
    known = [str(mark) for mark in prepared.get("marks", [])]
    earlier = prepared["settings"]["transform"]
    if earlier != shown_steps(steps) or not set(marks) <= set(known):
        msg = (
            f"Expected `reference` to hold the quantiles of {listed(marks)} after the transform "
            f"{shown_steps(steps)!r}, found those of {listed(known)} after {earlier!r}."
        )
        raise ValueError(msg)
    quantiles: Array = np.asarray(prepared["quantiles"])[[known.index(mark) for mark in marks]]
    return quantiles


def _bins(marks: Sequence[str], first: int, width: int, n_bins: int) -> pd.DataFrame:
    """Columns of the matrix: mark after mark, bin after bin."""
    bins = np.tile(np.arange(n_bins), len(marks))
    names = np.repeat(marks, n_bins)
    index = pd.Index([f"{mark}|bin_{each}" for mark, each in zip(names, bins, strict=True)])
    start = first + bins * width
    columns = {"mark": names.astype(object), "bin": bins, "start": start, "end": start + width}
    return pd.DataFrame(columns, index=index)
