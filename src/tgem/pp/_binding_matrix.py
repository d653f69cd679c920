"""Which factor binds the transcripts of which gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.validate import check_count
from tgem.data import unversioned
from tgem.pp._binding_sites import File, Sites, read_sites
from tgem.pp._gtf import read_gtf

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, Any]

_COLUMNS = ("chrom", "start", "end", "strand")
_SEQUENCE = 2**40  # longer than any chromosome: each strand of each has a stretch of its own


def binding_matrix(
    sites: Sites,
    genes: File | pd.DataFrame,
    *,
    columns: Mapping[str, int] | None = None,
    stranded: bool = True,
    min_score: float | None = None,
    min_replicates: int = 1,
    counts: bool = False,
    remove_version: bool = False,
) -> pd.DataFrame:
    r"""Turn binding sites of factors, as from eCLIP or POSTAR, into a matrix genes x factors.

    A factor binds a gene if one of its sites shares a base with the gene, introns included.
    Absence of a site is no proof that nothing is bound: sites are found in genes that are
    expressed in the cells used, and more of them in long genes.

    Parameters
    ----------
    sites
        A BED file with the factor as name of each site, plain or gzipped; a dictionary from
        factor to its BED file, or to the files of its replicates; or a DataFrame with ``chrom``,
        ``start``, ``end``, ``strand``, ``factor`` and possibly ``score`` and ``replicate``.
    genes
        GTF file, or DataFrame with the gene as index and ``chrom``, ``start``, ``end``, ``strand``,
        positions counted from 0 and without the end, as in BED.
    columns
        Columns of the files that are not where BED has them, counted from 0, among ``chrom``,
        ``start``, ``end``, ``factor``, ``score``, ``strand``, ``replicate``. For a file with the
        strand in the fifth and the factor in the sixth column, ``{"strand": 4, "factor": 5}``;
        for the enrichment of ENCODE's narrowPeak as score, ``{"score": 6}``.
    stranded
        Whether site and gene must be on the same strand. Sites of strand ``.`` are on both.
    min_score
        Smallest score of a site to be counted; ``None`` for all.
    min_replicates
        Smallest number of replicates with a site in the gene.
    counts
        Whether to return numbers of sites, of all replicates, instead of 0 and 1.
    remove_version
        Whether to leave the versions of Ensembl identifiers away.

    Returns
    -------
    DataFrame, genes x factors, of int8 (0 and 1) or int32 (numbers of sites).

    Warns
    -----
    GeneAlignmentWarning
        If more than a tenth of the sites are on chromosomes without genes.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        For lines that cannot be read, sites without strand or score where these are asked for,
        or if no site is on a chromosome of the genes. ``chr1`` and ``1`` are the same.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "sites.bed"
    >>> _ = path.write_text(
    ...     "chr1\t120\t140\tQKI\t900\t+\n"
    ...     "chr1\t125\t145\tPTBP1\t900\t-\n"
    ...     "chr2\t10\t30\tPTBP1\t900\t-\n"
    ... )
    >>> genes = pd.DataFrame(
    ...     {"chrom": ["1", "2"], "start": [100, 0], "end": [200, 50], "strand": ["+", "-"]},
    ...     index=["A", "B"],
    ... )
    >>> tgem.pp.binding_matrix(path, genes)
       PTBP1  QKI
    A      0    1
    B      1    0
    """
    check_count("min_replicates", min_replicates)
    table = _genes(genes, stranded=stranded)
    if remove_version:
        table.index = unversioned(table.index)
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()].unique()
        msg = f"Expected each gene once, found {len(twice)} repeatedly: {listed(twice)}."
        raise ValueError(msg)
    found = _chosen_sites(read_sites(sites, columns), min_score, stranded=stranded)
    starts, ends, found = _on_one_axis(table, found, stranded=stranded)
    if min_replicates > found["replicate"].nunique():
        msg = (
            f"Expected at least min_replicates={min_replicates} replicates in `sites`, found "
            f"{found['replicate'].nunique()}. Name the files of each factor, or the column."
        )
        raise ValueError(msg)
    bound = {
        str(factor): _sites_of_genes(starts, ends, group, min_replicates)
        for factor, group in found.groupby("factor", sort=True, observed=True)
    }
    matrix = pd.DataFrame(bound, index=table.index)
    return matrix.astype(np.int32) if counts else (matrix > 0).astype(np.int8)


def _genes(genes: File | pd.DataFrame, *, stranded: bool) -> pd.DataFrame:
    if not isinstance(genes, pd.DataFrame):
        return read_gtf(genes, "gene").set_index("gene_id")[list(_COLUMNS)]
    needed = [name for name in _COLUMNS if stranded or name != "strand"]
    missing = [name for name in needed if name not in genes]
    if missing or genes.empty:
        msg = (
            f"Expected genes with the columns {listed(needed)}, found {len(genes)} with "
            f"{listed(genes, 9) or 'none'}."
        )
        raise ValueError(msg)
    if not (genes["end"] > genes["start"]).all():
        wrong = genes.index[~(genes["end"] > genes["start"])]
        msg = f"Expected start below end of each gene, which {len(wrong)} lack: {listed(wrong)}."
        raise ValueError(msg)
    table = genes[needed].copy()
    table.index = table.index.astype(str)
    return table


def _chosen_sites(sites: pd.DataFrame, min_score: float | None, *, stranded: bool) -> pd.DataFrame:
    if "factor" not in sites:
        msg = f"Expected a column 'factor' in the table of sites, found {listed(sites, 9)}."
        raise ValueError(msg)
    if stranded and (sites["strand"] == ".").all():
        msg = (
            "Expected the strand of each site, found none. Say where it is with "
            "`columns={'strand': ...}`, or ignore strands with `stranded=False`."
        )
        raise ValueError(msg)
    if min_score is None:
        return sites
    scores = pd.to_numeric(sites.get("score", pd.Series(dtype=float)), errors="coerce")
    if "score" not in sites or scores.isna().any():
        count = len(sites) if "score" not in sites else int(scores.isna().sum())
        msg = (
            f"Expected a score of each site for min_score={min_score:g}, {count} of {len(sites)} "
            "have none. Say where it is with `columns={'score': ...}`, counted from 0."
        )
        raise ValueError(msg)
    chosen = sites[scores >= min_score]
    if chosen.empty:
        msg = (
            f"Expected sites with a score of at least {min_score:g}, found scores from "
            f"{scores.min():g} to {scores.max():g}."
        )
        raise ValueError(msg)
    return chosen


def _chromosomes(names: Any) -> pd.Index:
    """Names of chromosomes as Ensembl has them."""
    bare = pd.Index(names).astype(str).str.replace(r"^chr", "", regex=True)
    return bare.where(bare != "M", "MT")


def _chromosome_of_sites(names: pd.Series, chromosomes: pd.Index) -> Array:
    """Position of each site's chromosome, -1 where no gene is; each name is looked up once."""
    values = names.astype("category")
    of_category: Array = chromosomes.get_indexer(_chromosomes(values.cat.categories))
    return of_category[values.cat.codes]


def _on_one_axis(
    genes: pd.DataFrame, sites: pd.DataFrame, *, stranded: bool
) -> tuple[Array, Array, pd.DataFrame]:
    """Lay all chromosomes, and strands, end to end.

    Returns
    -------
    Starts and ends of the genes, and the sites with theirs; those of strand ``.`` twice.
    """
    chromosomes = _chromosomes(genes["chrom"]).unique()
    of_genes = chromosomes.get_indexer(_chromosomes(genes["chrom"]))
    of_sites = _chromosome_of_sites(sites["chrom"], chromosomes)
    n_elsewhere = int((of_sites < 0).sum())
    if n_elsewhere == len(sites):
        msg = (
            "Expected sites on the chromosomes of the genes, found none of "
            f"{listed(sites['chrom'].unique())} among {listed(chromosomes)}."
        )
        raise ValueError(msg)
    if n_elsewhere > len(sites) / 10:
        msg = (
            f"{n_elsewhere} of {len(sites)} sites are on chromosomes without genes: "
            f"{listed(sites['chrom'][of_sites < 0].unique())}."
        )
        warn(msg, GeneAlignmentWarning)
    sites = sites.assign(place=of_sites)[of_sites >= 0]
    if stranded:
        wrong = ~genes["strand"].isin(["+", "-"])
        if wrong.any():
            msg = (
                f"Expected '+' or '-' as strand of each gene, {int(wrong.sum())} have another: "
                f"{listed(genes.index[wrong])}. Leave them out, or pass `stranded=False`."
            )
            raise ValueError(msg)
        of_genes = 2 * of_genes + (genes["strand"] == "-").to_numpy()
        both = sites[sites["strand"] == "."]
        sites["place"] = 2 * sites["place"] + (sites["strand"] == "-")  # "." counts as plus
        sites = pd.concat([sites, both.assign(place=2 * both["place"] + 1)])  # and as minus
    shift = sites["place"].to_numpy(dtype=np.int64) * _SEQUENCE
    sites = sites.assign(start=sites["start"] + shift, end=sites["end"] + shift)
    offset = of_genes.astype(np.int64) * _SEQUENCE
    return genes["start"].to_numpy() + offset, genes["end"].to_numpy() + offset, sites


def _sites_of_genes(starts: Array, ends: Array, sites: pd.DataFrame, min_replicates: int) -> Array:
    """Number of sites of one factor in each gene.

    Sites that overlap a gene are those that start before its end, without those that end before
    its start: two look-ups in sorted arrays, whatever the genes' order and overlaps.
    """
    total = np.zeros(len(starts), dtype=np.int64)
    replicates = np.zeros(len(starts), dtype=np.int64)
    for _, group in sites.groupby("replicate", observed=True):
        before_end = np.searchsorted(np.sort(group["start"].to_numpy()), ends, side="left")
        before_start = np.searchsorted(np.sort(group["end"].to_numpy()), starts, side="right")
        overlapping = before_end - before_start
        total += overlapping
        replicates += overlapping > 0
    return np.where(replicates >= min_replicates, total, 0)
