"""CpGs around the starts of transcription, each gene with as many as it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData
from joblib import Parallel, delayed

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.progress import track
from tgem._core.validate import check_count
from tgem._tracks import MethylationSites, Regions, match_chromosomes, read_methylation
from tgem.pp._cpgs import Cpgs, cpgs_of_genes, padded
from tgem.pp._genes import gene_table
from tgem.pp._genome import Genome
from tgem.pp._places import (
    cell_type_names,
    check_most_present,
    check_window,
    observations,
    regions_around,
    report_absent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.pp._genes import TssRule

    Array = np.ndarray[Any, Any]

File: TypeAlias = str | Path
MEASUREMENT = "methylation"
FEATURES = ("methylation", "position", "coverage")


def methylation_sequence(
    files: File | Mapping[str, File],
    genes: File | pd.DataFrame,
    window: tuple[int, int] = (-2000, 2000),
    *,
    min_coverage: int = 1,
    max_cpg: int | None = None,
    combine_strands: bool = True,
    with_coverage: bool = False,
    tss: TssRule | None = None,
    genome: str | None = None,
    n_jobs: int = 1,
) -> AnnData:
    r"""Collect the CpGs around starts of transcription: methylation and position of each.

    Parameters
    ----------
    files
        bedMethyl (ENCODE's, or modkit's, of which 5mC is taken) or Bismark coverage file, plain or
        gzip-compressed, or one for each cell type: ``{"liver": ..., "brain": ...}``. Only CpGs
        should be in it. Whether Bismark counted from 1 or (``--zero_based``) from 0, and merged
        the strands, is told by the file's starts and ends.
    genes
        As in :func:`bin_signal`: GTF or BED file, or a DataFrame with ``chrom``, ``tss`` and
        ``strand``.
    window
        First base, and the base behind the last one, counted from the start of transcription.
    min_coverage
        Fewest reads of a CpG; CpGs with fewer are left out.
    max_cpg
        Most CpGs of a gene; those closest to the start of transcription are kept. ``None`` for
        all.
    combine_strands
        Whether to add up the reads of the two strands of a CpG, whose Cs are neighbours.
    with_coverage
        Whether the number of reads is a third feature of each CpG.
    tss, genome
        As in :func:`bin_signal`; these files do not tell the genome.
    n_jobs
        Files to read at the same time, each in a process of its own; -1 for all cores.

    Returns
    -------
    AnnData, genes or genes x cell types (named ``"gene|cell type"``) x CpG slots x features:

    - ``.X``: float32, the gene's CpGs in the direction of transcription: ``methylation`` between 0
      and 1, ``position`` from -1 to 1 over the window, and ``coverage`` if asked for; NaN in the
      slots behind the gene's last CpG;
    - ``.var``: ``slot`` (from 0) and ``feature``;
    - ``.obs``: ``gene_id``, ``cell_type`` (if there are several), ``chrom``, ``tss``, ``strand``,
      ``n_cpg``, and ``n_left_out``, CpGs beyond `max_cpg`. A gene without a CpG is NaN throughout,
      which models take as not measured;
    - ``.uns["epi_preparation"]``: ``settings``, which models compare with those of their training
      data, and ``files``.

    It is the ``methylation`` modality of :class:`tgem.model.EpiAttention`.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        For truncated or malformed files, shares in place of percentages, and bases that occur
        twice, naming line or place; for files that hold the chromosomes of less than half of the
        genes, or no CpG near any gene.

    Warns
    -----
    GenomeWarning
        If a file lacks some of the genes' chromosomes, or does not tell where it counts from.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "sample.bismark.cov"
    >>> _ = path.write_text("chr1\t4901\t4901\t25\t1\t3\nchr1\t5101\t5101\t100\t4\t0\n")
    >>> genes = pd.DataFrame({"chrom": "chr1", "tss": 5000, "strand": "+"}, index=["A"])
    >>> adata = tgem.pp.methylation_sequence(path, genes, (-200, 200))
    >>> adata.to_df().round(2)
       cpg_0|methylation  cpg_0|position  cpg_1|methylation  cpg_1|position
    A               0.25            -0.5                1.0             0.5
    """
    window = check_window(window)
    check_count("min_coverage", min_coverage)
    if max_cpg is not None:
        check_count("max_cpg", max_cpg)
    samples = cell_type_names(files, "files") if isinstance(files, Mapping) else []
    paths = list(files.values()) if isinstance(files, Mapping) else [files]
    table = gene_table(genes, tss)
    regions = regions_around(table, window)
    assembly = Genome(genome)
    assembly.check_genes(table, regions)
    options: dict[str, Any] = {"combine_strands": combine_strands, "min_coverage": min_coverage}
    work = (delayed(read_methylation)(path, regions, **options) for path in paths)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(work)
    found: list[Cpgs] = []
    absent: dict[str, Array] = {}
    for path in track(paths, "Reading methylation"):
        read = next(results)
        assembly.check_ends(read.ends, path)
        absent[str(path)] = _lacking(read, regions)
        check_most_present(path, absent[str(path)], regions.chromosomes)
        found.append(cpgs_of_genes(read, regions, table, max_cpg=max_cpg))
    report_absent(absent, regions.chromosomes)

    settings: dict[str, Any] = {"measurement": MEASUREMENT}
    if assembly.name is not None:
        settings["genome"] = assembly.name
    settings |= {"window": list(window), **options, "max_cpg": max_cpg or 0}
    names = FEATURES if with_coverage else FEATURES[:2]
    adata = _assembled(found, observations(table, samples), names, paths)
    files_read = pd.DataFrame({"file": [Path(path).name for path in paths]})
    if samples:
        files_read.insert(0, "cell_type", samples)
    keys.PREPARATION.write(adata, {"settings": settings, "files": files_read})
    return adata


def _lacking(read: MethylationSites, regions: Regions) -> Array:
    """Which genes are on chromosomes that the file lacks."""
    names = match_chromosomes(set(regions.chromosomes.tolist()), read.sites)
    return ~np.isin(regions.chromosomes.astype(str), list(names))


def _assembled(
    found: Sequence[Cpgs], obs: pd.DataFrame, names: Sequence[str], paths: Sequence[File]
) -> AnnData:
    values, counts = padded(found, len(obs) // len(found), len(names))
    n_slots = values.shape[1]
    if n_slots == 0:
        msg = (
            f"Expected CpGs in the windows of some genes, found none in {listed(paths)} with "
            "enough reads. Are files and genes of the same genome?"
        )
        raise ValueError(msg)
    obs["n_cpg"] = counts
    obs["n_left_out"] = np.concatenate([each.left_out for each in found])
    var = pd.DataFrame(
        {"slot": np.repeat(np.arange(n_slots), len(names)), "feature": list(names) * n_slots}
    )
    var.index = pd.Index([f"cpg_{slot}|{name}" for slot, name in var.itertuples(index=False)])
    return AnnData(values.reshape(len(obs), -1), obs=obs, var=var)
