"""Pairs of gene and factor with a score, evidence and baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem.net._evidence import evidence_table

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = np.ndarray[Any, Any]

SCORE = "score"
ALL, WITHIN_GENE, WITHIN_FACTOR, MATCHED = "all", "within_gene", "within_factor", "matched"


@dataclass(frozen=True)
class EvaluatedPairs:
    """Every pair that has a score and evidence, but those of a factor with itself.

    Attributes
    ----------
    gene_names, factor_names
        Genes and factors.
    genes, factors
        Position of each pair's gene and factor, ``(n_pairs,)``.
    labels
        Whether there is evidence, ``(n_pairs,)``.
    measures
        The score and its baselines, each ``(n_pairs,)``.
    levels
        For each level the group of each pair; pairs are compared within groups.
    strata
        For each covariate the lowest and largest value in each of its strata.
    n_own
        Number of pairs left out because the factor is the gene.
    """

    gene_names: pd.Index
    factor_names: pd.Index
    genes: Array
    factors: Array
    labels: Array
    measures: dict[str, Array]
    levels: dict[str, Array]
    strata: dict[str, list[str]]
    n_own: int

    @property
    def known(self) -> Array:
        """Which pairs there are, ``(n_factors, n_genes)``."""
        table = np.zeros((len(self.factor_names), len(self.gene_names)), dtype=bool)
        table[self.factors, self.genes] = True
        return table


def evaluated_pairs(
    scores: pd.DataFrame,
    evidence: pd.DataFrame,
    *,
    covariates: pd.DataFrame | None,
    baselines: Mapping[str, pd.DataFrame] | None,
    n_strata: int,
    with_evidence: bool,
) -> EvaluatedPairs:
    """Match scores, evidence and baselines by the names of genes and factors."""
    labels = evidence_table(evidence)
    scores = _checked_scores(scores)
    genes = scores.index[scores.index.isin(labels.index)]
    factors = scores.columns[scores.columns.isin(labels.columns)]
    if not len(genes) or not len(factors):
        what, mine, theirs = (
            ("genes", scores.index, labels.index)
            if not len(genes)
            else ("factors", scores.columns, labels.columns)
        )
        msg = (
            f"Expected scores and evidence to share {what}, found none: scores have "
            f"{listed(mine, 3)}, evidence has {listed(theirs, 3)}. Rename those of `evidence`."
        )
        raise ValueError(msg)
    labels = labels.loc[genes, factors]
    if with_evidence:
        genes = genes[(labels == 1).any(axis=1)]
        labels = labels.loc[genes]
    values = scores.loc[genes, factors].to_numpy(dtype=float)
    truth = labels.to_numpy()
    known = ~np.isnan(values) & ~np.isnan(truth)
    own = np.asarray(genes)[:, None] == np.asarray(factors)[None, :]
    n_own = int((known & own).sum())
    known &= ~own
    at_gene, at_factor = np.nonzero(known)
    positive = truth[known] > 0
    if not positive.any() or positive.all():
        msg = (
            f"Expected pairs with and without evidence among the {len(genes)} genes and "
            f"{len(factors)} factors that have a score, found {int(positive.sum())} with and "
            f"{int((~positive).sum())} without."
        )
        raise ValueError(msg)
    measures = {SCORE: values[known]}
    for name, table in _tables(covariates, baselines, genes, factors).items():
        measures[name] = table[known]
    levels, strata = _levels(covariates, genes, at_gene, at_factor, n_strata=n_strata)
    return EvaluatedPairs(
        gene_names=genes,
        factor_names=factors,
        genes=at_gene,
        factors=at_factor,
        labels=positive,
        measures=measures,
        levels=levels,
        strata=strata,
        n_own=n_own,
    )


def _checked_scores(scores: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(scores, pd.DataFrame):
        msg = f"Expected `scores` to be a DataFrame, genes x factors, got {type(scores).__name__}."
        raise TypeError(msg)
    for what, names in (("genes", scores.index), ("factors", scores.columns)):
        if names.has_duplicates:
            twice = names[names.duplicated()].unique()
            msg = f"Expected {what} of `scores` to be there once, repeated: {listed(twice)}."
            raise ValueError(msg)
    wrong = [name for name in scores if not pd.api.types.is_numeric_dtype(scores[name])]
    if wrong:
        msg = f"Expected `scores` to hold numbers, these columns do not: {listed(wrong)}."
        raise ValueError(msg)
    if np.isinf(scores.to_numpy(dtype=float)).any():
        msg = "Expected finite scores, missing where there is none; found infinite ones."
        raise ValueError(msg)
    return scores.set_axis(scores.index.astype(str)).set_axis(
        scores.columns.astype(str), axis="columns"
    )


def _tables(
    covariates: pd.DataFrame | None,
    baselines: Mapping[str, pd.DataFrame] | None,
    genes: pd.Index,
    factors: pd.Index,
) -> dict[str, Array]:
    """Baselines as genes x factors; a covariate of genes is the same for all factors."""
    found: dict[str, Array] = {}
    for name in [] if covariates is None else covariates:
        column = covariates[name].reindex(genes)  # type: ignore[index]
        found[str(name)] = np.repeat(column.to_numpy(dtype=float)[:, None], len(factors), axis=1)
    for name, table in (baselines or {}).items():
        found[str(name)] = table.reindex(index=genes, columns=factors).to_numpy(dtype=float)
    for name, values in found.items():
        if name == SCORE:
            msg = f"Expected another name of a baseline than {SCORE!r}."
            raise ValueError(msg)
        if np.isnan(values).any():
            lost = genes[np.isnan(values).any(axis=1)]
            msg = (
                f"Expected the baseline {name!r} for every gene and factor with a score, missing "
                f"for {len(lost)} of {len(genes)} genes: {listed(lost)}."
            )
            raise ValueError(msg)
    return found


def _levels(
    covariates: pd.DataFrame | None,
    genes: pd.Index,
    at_gene: Array,
    at_factor: Array,
    *,
    n_strata: int,
) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Groups of pairs: all, of a gene, of a factor, of genes alike, of a factor and genes alike."""
    levels = {
        ALL: np.zeros(len(at_gene), dtype=np.int64),
        WITHIN_GENE: at_gene,
        WITHIN_FACTOR: at_factor,
    }
    strata: dict[str, list[str]] = {}
    matched = at_factor
    for name in [] if covariates is None else covariates:
        codes, ranges = _strata(covariates[name].reindex(genes), n_strata)  # type: ignore[index]
        levels[f"within_{name}"] = codes[at_gene]
        strata[f"within_{name}"] = ranges
        matched = matched * len(ranges) + codes[at_gene]
    if strata:
        levels[MATCHED] = np.unique(matched, return_inverse=True)[1]
    return levels, strata


def _strata(values: pd.Series[float], n_strata: int) -> tuple[Array, list[str]]:
    """Strata of about equal size; equal values are in one."""
    numbers = values.to_numpy(dtype=float)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, n_strata + 1)[1:-1]))
    codes = np.searchsorted(edges, numbers, side="left")
    codes = np.unique(codes, return_inverse=True)[1]
    parts = [numbers[codes == code] for code in range(int(codes.max()) + 1)]
    return codes, [f"{part.min():.3g} to {part.max():.3g}" for part in parts]
