"""From factors to the usage of isoforms, and to counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tgem.datasets._splicing_settings import SplicingSettings

    Array = np.ndarray[Any, Any]

# Spreads follow bulk RNA-seq of one cell type in several conditions.
_LEVEL_SPREAD = 1.6  # standard deviation of the genes' log mean
_FACTOR_LEVEL = 1.5  # splicing factors lie above the average gene, in units of the log mean
_OWN_SPREAD = 0.35  # variation of a gene's log expression between samples, beside the programs
_PROGRAM_LOADING = 0.35  # standard deviation of the loadings on each program
_LEAST_USAGE = 0.02  # mean usage from which on an isoform can be regulated
_USAGE_NOISE = 0.3  # variation of log usage between samples that no factor explains
_DEPTH_SPREAD = 0.3  # standard deviation of the samples' log depth
_DISPERSION = 0.02  # variance of counts = mean + 0.02 mean**2 beside what is simulated above
_SATURATION = 2.0  # standard deviations of a factor at which its effect levels off


def gene_of_isoforms(settings: SplicingSettings, rng: np.random.Generator) -> Array:
    """Gene of each isoform; the factors come first and have one isoform each."""
    left = settings.n_isoforms - settings.n_factors
    sizes = []
    while left > 0:
        # most have two to four, a few have many; one in ten has a single isoform
        size = 1 if rng.random() < 0.1 else 2 + int(rng.negative_binomial(1.2, 0.35))
        sizes.append(min(size, left))
        left -= sizes[-1]
    if max(sizes) == 1:
        sizes = [len(sizes)]
    every = [1] * settings.n_factors + sizes
    return np.repeat(np.arange(len(every)), every)


def gene_levels(
    settings: SplicingSettings, n_genes: int, condition: Array, rng: np.random.Generator
) -> Array:
    """Log expression of each gene in each sample."""
    n_obs, n_factors = settings.n_obs, settings.n_factors
    base = rng.normal(scale=_LEVEL_SPREAD, size=n_genes)
    base[:n_factors] = _FACTOR_LEVEL + 0.4 * base[:n_factors]
    loadings = rng.normal(scale=_PROGRAM_LOADING, size=(settings.n_programs, n_genes))
    programs = rng.normal(size=(n_obs, settings.n_programs))
    others = programs if settings.confounded else rng.normal(size=programs.shape)
    programs, others = programs + condition[:, None], others + condition[:, None]
    levels = base + rng.normal(scale=_OWN_SPREAD, size=(n_obs, n_genes))
    levels[:, :n_factors] += programs @ loadings[:, :n_factors]
    levels[:, n_factors:] += others @ loadings[:, n_factors:]
    return levels


def planted_edges(
    settings: SplicingSettings, gene_of: Array, log_usage: Array, rng: np.random.Generator
) -> pd.DataFrame:
    """Planted edges as positions: each regulator of a gene raises one isoform, lowers another."""
    usage = np.exp(log_usage)
    usage /= np.bincount(gene_of, weights=usage)[gene_of]
    rows = []
    for gene in range(settings.n_factors, int(gene_of.max()) + 1):
        isoforms = np.flatnonzero((gene_of == gene) & (usage >= _LEAST_USAGE))
        if len(isoforms) < 2:
            continue
        expected = settings.edges_per_isoform * len(isoforms) / 2  # two edges per regulator
        n_regulators = min(int(rng.poisson(expected)), settings.n_factors)
        for factor in rng.choice(settings.n_factors, size=n_regulators, replace=False):
            raised, lowered = rng.choice(isoforms, size=2, replace=False)
            weight = settings.effect * rng.uniform(0.6, 1.4)
            rows += [(factor, raised, weight, gene), (factor, lowered, -weight, gene)]
    table = pd.DataFrame(rows, columns=["source", "target", "weight", "gene"])
    return table[table["weight"] != 0].reset_index(drop=True)


def responses_to_factors(settings: SplicingSettings, levels: Array, edges: pd.DataFrame) -> Array:
    """Change of each isoform's log usage by the factors, in each sample."""
    factors = levels[:, : settings.n_factors]
    standardized = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    weights = np.zeros((settings.n_factors, settings.n_isoforms))
    weights[edges["source"].to_numpy(int), edges["target"].to_numpy(int)] = edges["weight"]
    return _SATURATION * np.tanh(standardized / _SATURATION) @ weights


def isoform_usage(
    settings: SplicingSettings, gene_of: Array, log_usage: Array, rng: np.random.Generator
) -> Array:
    """Share of each isoform in its gene, in each sample."""
    noise = rng.normal(scale=_USAGE_NOISE, size=(settings.n_obs, settings.n_isoforms))
    usage = np.exp(log_usage + noise)
    return usage / sums_by_gene(usage, gene_of)[:, gene_of]


def sums_by_gene(values: Array, gene_of: Array) -> Array:
    """Sum of the isoforms of each gene; isoforms of a gene are neighbours."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(gene_of, prepend=-1)), axis=1)


def library_counts(settings: SplicingSettings, weight: Array, rng: np.random.Generator) -> Array:
    """Counts of finite libraries."""
    total = settings.mean_count * settings.n_isoforms
    depth = total * rng.lognormal(-(_DEPTH_SPREAD**2) / 2, _DEPTH_SPREAD, size=(len(weight), 1))
    rate = depth * weight / weight.sum(axis=1, keepdims=True)
    return rng.poisson(rate * rng.gamma(1 / _DISPERSION, _DISPERSION, size=rate.shape))
