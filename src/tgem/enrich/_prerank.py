"""Enrichment of gene sets at the ends of a ranking, by gseapy without its network access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Columns of the result, as gseapy names them.
PRERANK_COLUMNS = (
    "Term",
    "ES",
    "NES",
    "NOM p-val",
    "FDR q-val",
    "Tag %",
    "Gene %",
    "Lead_genes",
)
_P_VALUE, _RATE = "NOM p-val", "FDR q-val"
_TOLERANCE = 1e-9  # of scores; sums in another order differ by rounding
_TEXT = ("Term", "Tag %", "Lead_genes")


def prerank(
    ranking: pd.Series[float],
    gene_sets: Mapping[str, Sequence[str]],
    *,
    n_permutations: int = 1000,
    min_size: int = 5,
    max_size: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Test which gene sets gather at the top or the bottom of a ranking of all genes.

    Gene set enrichment analysis of a ranking that is given (Subramanian and others, PNAS 2005): no
    number of top genes has to be chosen, and many small contributions of one sign count as well
    as a few large ones. The null distribution comes from random sets of the same size. The order
    of equal scores, of which attributions have many at 0, is drawn from `seed`; it does not
    depend on the order of the input, nor on names, whose alphabet would gather families of genes.

    Parameters
    ----------
    ranking
        Score of each gene, with the genes' names as index: large speaks for, negative against.
    gene_sets
        Dictionary from the name of a set to its genes; see
        :func:`tgem.enrich.read_gene_sets`. Genes are matched by exact name.
    n_permutations
        Number of random sets for each size. A set is compared with those whose score has the same
        sign, about half of them, so that the least p-value is about 2 / `n_permutations`.
    min_size, max_size
        Smallest and largest number of ranked genes of a set that is tested.
    seed
        Seed of the random sets and of the order of equal scores.

    Returns
    -------
    One row per tested set, the largest absolute ``NES`` first:

    - ``Term``: name of the set;
    - ``ES``: enrichment score, from -1 (all at the bottom) to 1 (all at the top);
    - ``NES``: the score divided by the mean score of random sets of the same size and sign;
    - ``NOM p-val``: (r + 1) / (n + 1), where r of the n random sets of the same size and sign
      reach the score (Phipson and Smyth, 2010);
    - ``FDR q-val``: gseapy's estimate from the normalised scores of all sets and random sets
      together, but not below the p-value, as it could show more than the permutations can;
    - ``Tag %``: genes that make the score / genes of the set in the ranking, as text such as
      ``"7/12"``, which gseapy's plots read;
    - ``Gene %``: percentage of the ranking, from 0 to 100, up to where the score peaks;
    - ``Lead_genes``: the genes that make the score, outermost first, joined by semicolons.

    No set of a size between the limits gives an empty table with the same columns.

    Raises
    ------
    ValueError
        The ranking has missing or infinite scores, a gene twice or fewer than two genes, or a
        number is below 1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from tgem.enrich import prerank
    >>> genes = [f"Gene{i}" for i in range(100)]
    >>> ranking = pd.Series(np.linspace(1, -1, 100), index=genes)
    >>> table = prerank(ranking, {"first": genes[:8], "last": genes[92:]}, n_permutations=100)
    >>> sorted(zip(table["Term"], table["ES"].round(2), table["Tag %"]))
    [('first', 1.0, '8/8'), ('last', -1.0, '8/8')]
    """
    for name, value in (("n_permutations", n_permutations), ("min_size", min_size)):
        check_count(name, value)
    check_count("max_size", max_size)
    check_ranking(ranking)
    ordered = _strictly_falling(ranking, seed)
    # Neutral names: see over_representation.
    tokens = {gene: f"G{index}" for index, gene in enumerate(ordered.index)}
    coded_sets = {
        str(name): [tokens[gene] for gene in dict.fromkeys(members) if gene in tokens]
        for name, members in gene_sets.items()
    }
    # A set of all ranked genes has nothing to be compared with.
    largest = min(max_size, len(ordered) - 1)
    tested = {
        name: genes for name, genes in coded_sets.items() if min_size <= len(genes) <= largest
    }
    if not tested:
        return _tidy(pd.DataFrame({name: [] for name in PRERANK_COLUMNS}), {}, {})
    coded, p_values = _run_gseapy(
        ordered.rename(index=tokens),
        tested,
        n_permutations=n_permutations,
        largest=largest,
        seed=seed,
    )
    return _tidy(coded, p_values, {token: gene for gene, token in tokens.items()})


def check_ranking(ranking: pd.Series[float], *, missing_allowed: bool = False) -> None:
    """Raise unless each gene has one finite score."""
    names = ranking.index.astype(str)
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        msg = (
            f"Expected each gene once in the ranking but {len(repeated)} occur more than once: "
            f"{listed(repeated)}. Keep the largest with `ranking.groupby(level=0).max()`."
        )
        raise ValueError(msg)
    scores = ranking.to_numpy(dtype=float)
    wrong = np.isinf(scores) | (np.isnan(scores) & (not missing_allowed))
    if wrong.any():
        msg = (
            f"Expected a finite score for every gene but {wrong.sum()} of {len(ranking)} are "
            f"missing or infinite: {listed(names[wrong])}. Drop them with `ranking.dropna()`."
        )
        raise ValueError(msg)
    n_scores = int(np.isfinite(scores).sum())
    if n_scores < 2:
        msg = f"Expected a ranking of at least 2 genes, found {n_scores}."
        raise ValueError(msg)


def _strictly_falling(ranking: pd.Series[float], seed: int) -> pd.Series[float]:
    """Scores from large to small without ties or zeros, all but unchanged.

    A random set of zeros only, likely where most genes are not expressed, has a sum of zero to
    divide by, and gseapy's permutations end the process there.
    """
    scores = ranking.astype(float).set_axis(ranking.index.astype(str)).sort_index()
    scores = scores.iloc[np.random.default_rng(seed).permutation(len(scores))]
    scores = scores.sort_values(ascending=False, kind="stable")
    values = scores.to_numpy(copy=True)
    sizes = np.abs(values[values != 0])
    tiny = max(sizes.min() * 1e-6, np.finfo(float).tiny) if sizes.size else 1.0
    values[values == 0] = tiny
    for i in range(1, len(values)):
        if values[i] >= values[i - 1]:
            values[i] = np.nextafter(values[i - 1], -np.inf)
    return pd.Series(values, index=scores.index)


def _run_gseapy(
    ranking: pd.Series[float],
    gene_sets: dict[str, list[str]],
    *,
    n_permutations: int,
    largest: int,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Table of gseapy, and the p-value of each set, for which the random scores are caught."""
    from gseapy.gsea import Prerank  # noqa: PLC0415 - takes a second to import

    run = Prerank(
        rnk=ranking,
        gene_sets=gene_sets,
        permutation_num=n_permutations,
        min_size=1,
        max_size=largest,
        seed=seed,
        ascending=None,  # sorted already
        outdir=None,
        no_plot=True,
        threads=1,
        verbose=False,
    )
    p_values: dict[str, float] = {}
    make_table = run.to_df

    def catch(gsea_summary: list[Any], **others: Any) -> None:
        p_values.update({each.term: _p_value(each.es, each.esnull) for each in gsea_summary})
        make_table(gsea_summary=gsea_summary, **others)

    run.to_df = catch
    run.run()
    table: pd.DataFrame = run.res2d
    return table, p_values


def _p_value(score: float, random_scores: Sequence[float]) -> float:
    """Share of the random scores of the same sign that reach the score, itself counted too."""
    scores = np.asarray(random_scores, dtype=float)
    same = np.abs(scores[(scores >= 0) == (score >= 0)])
    return float((same >= abs(score) - _TOLERANCE).sum() + 1) / (len(same) + 1)


def _tidy(
    coded: pd.DataFrame, p_values: Mapping[str, float], names: Mapping[str, str]
) -> pd.DataFrame:
    """Numbers as numbers, genes under their names, and one order whatever gseapy returned."""
    table = coded[list(PRERANK_COLUMNS)].copy()
    table["Gene %"] = table["Gene %"].astype(str).str.rstrip("%")
    table["Lead_genes"] = [
        ";".join(names[token] for token in joined.split(";") if token)
        for joined in table["Lead_genes"].astype(str)
    ]
    types = {name: "object" if name in _TEXT else "float64" for name in PRERANK_COLUMNS}
    table = table.astype(types)
    table[_P_VALUE] = table["Term"].map(p_values).astype("float64")
    table[_RATE] = table[_RATE].clip(upper=1.0).clip(lower=table[_P_VALUE])
    order = pd.DataFrame({"size": -table["NES"].abs(), "Term": table["Term"]})
    return table.loc[order.sort_values(["size", "Term"]).index].reset_index(drop=True)
