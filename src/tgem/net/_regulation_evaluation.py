"""Agreement of a score of regulation with evidence, beyond what its baselines know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.validate import check_count
from tgem.net._added_information import (
    gene_folds,
    log_likelihoods,
    out_of_fold_logits,
    score_features,
)
from tgem.net._evaluated_areas import areas_table, groups_table, with_interval
from tgem.net._evaluated_pairs import SCORE, EvaluatedPairs, evaluated_pairs
from tgem.net._ranked_pairs import RankedPairs
from tgem.net._verdict import reading, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = np.ndarray[Any, Any]

_MOST_PAIRS = 300_000  # that the two regressions read; beyond, genes are drawn at random


@dataclass(frozen=True, repr=False)
class RegulationEvaluation:
    """Agreement of a score of regulation with evidence.

    Attributes
    ----------
    table
        One row for each ``measure`` (the score and its baselines) and ``level``: ``auc``,
        ``average_precision``, ``score_minus`` (area of the score less that of the measure), each
        with the limits of its 95 % interval in ``..._lower`` and ``..._upper``, ``base_rate``
        (average precision of a measure that knows nothing), ``n_groups``, ``n_comparisons``,
        ``null_mean`` and ``p_value`` (evidence dealt anew within each factor),
        ``p_value_margins`` (each gene keeps its number of factors as well).
    groups
        One row for each gene, factor and stratum with both kinds of pairs, and measure:
        ``level``, ``group``, ``measure``, ``auc``, ``average_precision``, ``n_positive``,
        ``n_negative``.
    added
        What the score adds on genes left out: ``metric``, ``baselines``, ``with_score``,
        ``gain``, ``gain_lower``, ``gain_upper``.
    reading
        ``"adds to its baselines"``, ``"does not tell factors apart"``,
        ``"explained by its baselines"``, ``"no better than chance"``,
        ``"too few permutations"`` (to tell it from chance) or ``"too little evidence"``.
    verdict
        The reading with the numbers behind it.
    counts
        ``n_genes``, ``n_factors``, ``n_pairs``, ``n_positive``, ``n_own`` (pairs of a factor
        with its own gene, left out).
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    added: pd.DataFrame
    reading: str
    verdict: str
    counts: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = (
            f"RegulationEvaluation: {self.counts['n_positive']} of {self.counts['n_pairs']} pairs "
            f"of {self.counts['n_genes']} genes and {self.counts['n_factors']} factors have "
            "evidence"
        )
        return f"{sizes}\n{self.verdict}"


def evaluate_regulation(
    scores: pd.DataFrame,
    evidence: pd.DataFrame,
    *,
    covariates: pd.DataFrame | None = None,
    baselines: Mapping[str, pd.DataFrame] | None = None,
    with_evidence: bool = False,
    n_strata: int = 5,
    n_permutations: int = 1000,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> RegulationEvaluation:
    """Compare a score of regulation with evidence, and with what needs no score.

    The area under the curve is the share of comparisons between a pair with evidence and one
    without that the score orders right, ties half. It is taken over all pairs, and over the
    comparisons within groups: of one gene (is the right factor chosen?), of one factor (is the
    right gene chosen?), of genes alike in a covariate, and of one factor and genes alike in all of
    them. Average precision is that of each group, weighted by its pairs with evidence.

    Evidence is often found where a gene is expressed and long, and a score is often large where a
    gene has many isoforms, so that a score that knows nothing of regulation can reach a large
    area over all pairs. Within a gene nothing of the kind helps. Three comparisons guard against
    it: baselines beside the score, evidence dealt anew such that each factor and each gene keep
    their number, and logistic regressions of the baselines without and with the score (ranks,
    their squares and products, and the log odds of the factor), judged on genes that neither saw.

    Parameters
    ----------
    scores
        Genes x factors; larger where regulation is more likely. Missing pairs are left out.
    evidence
        Genes x factors of 0 and 1, missing where nothing was measured, or a long table with the
        columns ``factor``, ``gene`` and ``significant`` or ``value`` (0 and 1), such as that of
        knock-downs.
    covariates
        Genes x covariates: baselines that are the same for all factors, and form the strata.
    baselines
        Other baselines, each genes x factors.
    with_evidence
        Whether genes without any evidence are left out.
    n_strata
        Number of strata of each covariate, of about equal size.
    n_permutations
        Number of times that evidence is dealt anew, in each of two ways; at least 59 for a verdict.
    n_bootstrap
        Number of bootstrap samples of genes.
    seed
        Seed of the random numbers.

    Returns
    -------
    Tables, and a verdict in words. The score is said to add to its baselines only if it makes
    evidence on genes left out more likely, and orders the factors of a gene better than dealt
    evidence (p-value of at most 0.05).

    Raises
    ------
    TypeError
        If scores or evidence are no DataFrame.
    ValueError
        If they share no genes or factors, there are not both kinds of pairs, evidence is not 0
        and 1, a baseline is missing for a gene, or a number is below 1.

    References
    ----------
    The trades that keep genes' and factors' numbers: Strona et al. (2014). Their p-values: Besag
    and Clifford (1989). The scores that made this needed: :cite:t:`deeprbp2024`.

    Examples
    --------
    A score that counts isoforms, of genes that are found bound more often if they have many:

    >>> import numpy as np, pandas as pd
    >>> from tgem import net
    >>> generator = np.random.default_rng(0)
    >>> genes, factors = [f"gene {i}" for i in range(150)], [f"factor {i}" for i in range(12)]
    >>> n_isoforms = generator.integers(2, 20, size=150)
    >>> bound = generator.random((150, 12)) < n_isoforms[:, None] / 40
    >>> noise = generator.normal(size=(150, 12))
    >>> found = net.evaluate_regulation(
    ...     pd.DataFrame(n_isoforms[:, None] + noise, genes, factors),
    ...     pd.DataFrame(bound.astype(int), genes, factors),
    ...     covariates=pd.DataFrame({"n_isoforms": n_isoforms}, genes),
    ...     n_permutations=200,
    ... )
    >>> found.reading
    'explained by its baselines'
    """
    for name, value in (("n_permutations", n_permutations), ("n_bootstrap", n_bootstrap)):
        check_count(name, value)
    check_count("n_strata", n_strata)
    pairs = evaluated_pairs(
        scores,
        evidence,
        covariates=covariates,
        baselines=baselines,
        n_strata=n_strata,
        with_evidence=with_evidence,
    )
    streams = np.random.default_rng(seed).spawn(2)
    table = areas_table(
        pairs, n_permutations=n_permutations, n_bootstrap=n_bootstrap, generator=streams[0]
    )
    added = _added(pairs, n_bootstrap=n_bootstrap, generator=streams[1])
    n_positive = int(pairs.labels.sum())
    n_genes = len(np.unique(pairs.genes[pairs.labels]))
    found = reading(
        table, added, n_positive=n_positive, n_genes=n_genes, n_permutations=n_permutations
    )
    return RegulationEvaluation(
        table=table,
        groups=groups_table(pairs),
        added=added,
        reading=found,
        verdict=verdict(table, added, found, n_permutations),
        counts={
            "n_genes": len(pairs.gene_names),
            "n_factors": len(pairs.factor_names),
            "n_pairs": len(pairs.labels),
            "n_positive": n_positive,
            "n_own": pairs.n_own,
        },
    )


def _added(
    pairs: EvaluatedPairs, *, n_bootstrap: int, generator: np.random.Generator
) -> pd.DataFrame:
    """What the score adds to the baselines; genes are drawn with replacement for the intervals."""
    read = _read_pairs(pairs, generator)
    genes = np.unique(pairs.genes[read], return_inverse=True)[1]
    factors = np.unique(pairs.factors[read], return_inverse=True)[1]
    labels = pairs.labels[read]
    folds = gene_folds(genes, labels, generator)
    others = [values[read] for name, values in pairs.measures.items() if name != SCORE]
    designs = score_features(pairs.measures[SCORE][read], genes, others)
    logits = [out_of_fold_logits(each, labels, folds=folds, factors=factors) for each in designs]
    likelihoods = [log_likelihoods(each, labels) for each in logits]
    together = np.zeros(len(labels), dtype=np.int64)
    ranked = [RankedPairs(each, together) for each in logits]
    of_genes = [RankedPairs(each, genes).areas(labels, ~labels) for each in logits]
    n_genes = int(genes.max()) + 1
    draws = [np.ones(n_genes)]
    draws += list(generator.multinomial(n_genes, np.full(n_genes, 1 / n_genes), size=n_bootstrap))
    values = np.empty((len(draws), 4, 2))
    for number, draw in enumerate(draws):
        weight = draw[genes].astype(float)
        for side in range(2):
            whole = ranked[side].areas(weight * labels, weight * ~labels)
            values[number, :, side] = (
                (weight * likelihoods[side]).sum() / weight.sum(),
                whole.area,
                whole.average_precision,
                of_genes[side].drawn(draw).area,  # a gene drawn twice is two groups
            )
    rows = []
    metrics = ("log_likelihood", "auc", "average_precision", "auc_within_gene")
    for at, metric in enumerate(metrics):
        alone, both = values[:, at].T
        sides = {"metric": metric, "baselines": alone[0], "with_score": both[0]}
        rows.append(sides | with_interval("gain", both - alone))
    return pd.DataFrame(rows)


def _read_pairs(pairs: EvaluatedPairs, generator: np.random.Generator) -> Array:
    """All pairs, or those of as many genes as two regressions read in reasonable time."""
    n_pairs, n_genes = len(pairs.labels), len(pairs.gene_names)
    if n_pairs <= _MOST_PAIRS:
        return np.arange(n_pairs)
    kept = generator.permutation(n_genes)[: max(int(n_genes * _MOST_PAIRS / n_pairs), 2)]
    return np.flatnonzero(np.isin(pairs.genes, kept))
