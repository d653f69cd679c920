"""What a score adds to its baselines: two logistic regressions, judged on genes left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]

N_FOLDS = 5
# Penalties of standardised features: of the features themselves, and of squares and products, of
# which there are many.
_RIDGE, _RIDGE_OF_PRODUCTS = 1.0, 30.0
_STEPS = 50


def out_of_fold_logits(features: Array, labels: Array, *, folds: Array, factors: Array) -> Array:
    """Logits of a logistic regression for pairs of genes that it was not fitted on.

    The log odds of each factor among the genes of the fit are a feature, and all features have
    their squares and products: a score is not praised for a bend that the baselines lack.

    Parameters
    ----------
    features
        ``(n_pairs, n_features)``.
    labels
        Whether each pair has evidence.
    folds
        Fold of each pair; all pairs of a gene are in one.
    factors
        Factor of each pair, whole numbers from 0.
    """
    logits = np.zeros(len(labels))
    for fold in np.unique(folds):
        fitted = folds != fold
        columns = np.column_stack([features, _log_odds(labels, factors, fitted)])
        design = _with_products(_standardised(columns, fitted))
        design = _standardised(design, fitted)
        penalty = np.full(design.shape[1], _RIDGE_OF_PRODUCTS)
        penalty[: columns.shape[1]] = _RIDGE
        weights = logistic(design[fitted], labels[fitted].astype(float), penalty)
        logits[~fitted] = weights[0] + design[~fitted] @ weights[1:]
    return logits


def gene_folds(genes: Array, labels: Array, generator: np.random.Generator) -> Array:
    """Fold of each pair; genes with and without evidence are spread evenly."""
    n_genes = int(genes.max()) + 1
    order = generator.permutation(n_genes)
    positives = np.bincount(genes, labels, minlength=n_genes)
    order = order[np.argsort(-positives[order], kind="stable")]
    folds = np.empty(n_genes, dtype=int)
    folds[order] = np.arange(n_genes) % min(N_FOLDS, n_genes)
    found: Array = folds[genes]
    return found


def log_likelihoods(logits: Array, labels: Array) -> Array:
    """Natural logarithm of the probability of each label."""
    signed = np.where(labels, logits, -logits)
    found: Array = -np.logaddexp(0, -signed)
    return found


def normal_ranks(values: Array, groups: Array | None = None) -> Array:
    """Ranks in -1 to 1, over all pairs or within groups; ties share theirs."""
    from tgem.net._ranked_pairs import RankedPairs  # noqa: PLC0415 - reads better beside its use

    groups = np.zeros(len(values), dtype=int) if groups is None else groups
    sizes = np.bincount(groups)[groups]
    found: Array = 2 * (RankedPairs(values, groups).ranks() - 0.5) / sizes - 1
    return found


def _log_odds(labels: Array, factors: Array, fitted: Array) -> Array:
    """Log odds of evidence of each pair's factor, among the pairs of the fit."""
    n_factors = int(factors.max()) + 1
    positives = np.bincount(factors[fitted], labels[fitted], minlength=n_factors)
    sizes = np.bincount(factors[fitted], minlength=n_factors)
    rate = (labels[fitted].sum() + 0.5) / (fitted.sum() + 1)
    share = (positives + rate) / (sizes + 1)
    odds: Array = np.log(share / (1 - share))
    return odds[factors]


def _standardised(columns: Array, fitted: Array) -> Array:
    mean, spread = columns[fitted].mean(axis=0), columns[fitted].std(axis=0)
    found: Array = np.where(spread > 1e-9, (columns - mean) / np.maximum(spread, 1e-9), 0.0)
    return found


def _with_products(columns: Array) -> Array:
    first, second = np.triu_indices(columns.shape[1])
    return np.column_stack([columns, columns[:, first] * columns[:, second]])


def logistic(design: Array, labels: Array, penalty: Array) -> Array:
    """Weights of a ridge logistic regression by Newton's method, intercept first.

    Parameters
    ----------
    design
        ``(n_pairs, n_features)``.
    labels
        0 and 1, ``(n_pairs,)``.
    penalty
        Of the half square of each feature's weight, ``(n_features,)``.
    """
    design = np.column_stack([np.ones(len(design)), design])
    penalty = np.append(1e-6, penalty)
    weights = np.zeros(design.shape[1])
    rate = np.clip(labels.mean(), 1e-6, 1 - 1e-6)
    weights[0] = np.log(rate / (1 - rate))
    best = _objective(design, labels, weights, penalty)
    for _ in range(_STEPS):
        shares = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (shares - labels) + penalty * weights
        curvature = (design * (shares * (1 - shares))[:, None]).T @ design + np.diag(penalty)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while size > 1e-4 and _objective(design, labels, weights - size * step, penalty) > best:
            size /= 2
        weights = weights - size * step
        before, best = best, _objective(design, labels, weights, penalty)
        if before - best < 1e-8 * max(abs(best), 1.0):
            break
    return weights


def _objective(design: Array, labels: Array, weights: Array, penalty: Array) -> float:
    fit = log_likelihoods(design @ weights, labels > 0).sum()
    return float(-fit + 0.5 * (penalty * weights**2).sum())


def score_features(score: Array, genes: Array, baselines: Sequence[Array]) -> tuple[Array, Array]:
    """Features of the baselines alone, and with the score: its rank, also within the gene."""
    alone = np.column_stack([np.ones(len(score)), *map(normal_ranks, baselines)])
    own = [normal_ranks(score), normal_ranks(score, genes)]
    return alone, np.column_stack([alone, *own])
