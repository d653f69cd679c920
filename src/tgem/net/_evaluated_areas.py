"""Areas of a score and its baselines, with bootstrap intervals and p-values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem.net._evaluated_pairs import ALL, SCORE, WITHIN_FACTOR, WITHIN_GENE
from tgem.net._evidence_null import shuffled_with_margins, shuffled_within_factors
from tgem.net._ranked_pairs import RankedPairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tgem.net._evaluated_pairs import EvaluatedPairs

Array = np.ndarray[Any, Any]

INTERVAL = (0.025, 0.975)
_TOLERANCE = 1e-9
_FEWEST_DRAWS = 0.5  # share of the bootstrap samples in which an area must be defined


def areas_table(
    pairs: EvaluatedPairs, *, n_permutations: int, n_bootstrap: int, generator: np.random.Generator
) -> pd.DataFrame:
    """One row for each measure and level."""
    ranked = {
        (measure, level): RankedPairs(values, groups)
        for level, groups in pairs.levels.items()
        for measure, values in pairs.measures.items()
    }
    values = bootstrapped(ranked, pairs, n_bootstrap=n_bootstrap, generator=generator)
    rows = pd.DataFrame(
        [
            {"measure": measure, "level": level, **columns}
            for (measure, level), columns in values.items()
        ]
    )
    null = _null_areas(ranked, pairs, n_permutations=n_permutations, generator=generator)
    for name, (mean, p_value) in null.items():
        if name == "":
            rows["null_mean"] = mean
        rows[f"p_value{name}"] = p_value
    return rows


def bootstrapped(
    ranked: dict[tuple[str, str], RankedPairs],
    pairs: EvaluatedPairs,
    *,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> dict[tuple[str, str], dict[str, float]]:
    """Areas and average precisions with 95 % intervals; genes are drawn with replacement."""
    labels, n_genes = pairs.labels.astype(float), len(pairs.gene_names)
    draws = [np.ones(n_genes)]
    draws += list(generator.multinomial(n_genes, np.full(n_genes, 1 / n_genes), size=n_bootstrap))
    areas = {key: np.empty(len(draws)) for key in ranked}
    precisions = {key: np.empty(len(draws)) for key in ranked}
    rates, groups, comparisons = {}, {}, {}
    # A gene that is drawn twice is two groups within genes, not one with twice the pairs.
    within = {
        key: each.areas(labels, 1 - labels) for key, each in ranked.items() if key[1] == WITHIN_GENE
    }
    for number, draw in enumerate(draws):
        weight = draw[pairs.genes].astype(float)
        for key, each in ranked.items():
            if key in within:
                found = within[key].drawn(draw[: len(within[key].positives)])
            else:
                found = each.areas(weight * labels, weight * (1 - labels))
            areas[key][number] = found.area
            precisions[key][number] = found.average_precision
            if number == 0:
                rates[key] = found.base_rate
                groups[key] = int((found.comparisons > 0).sum())
                comparisons[key] = int(found.comparisons.sum())
    rows = {}
    for key in ranked:
        of_score = (SCORE, key[1])
        # a gene drawn twice into a group would raise the precision of its own copy
        whole = key[1] in (ALL, WITHIN_GENE)
        rows[key] = {
            **with_interval("auc", areas[key]),
            **with_interval("average_precision", precisions[key][: None if whole else 1]),
            "base_rate": rates[key],
            **with_interval("score_minus", areas[of_score] - areas[key]),
            "n_groups": groups[key],
            "n_comparisons": comparisons[key],
        }
    return rows


def with_interval(name: str, draws: Array) -> dict[str, float]:
    """The first value, and the interval of the others if most of them are defined."""
    others = draws[1:][np.isfinite(draws[1:])]
    lower = upper = np.nan
    if len(others) > max(_FEWEST_DRAWS * (len(draws) - 1), 1) and np.isfinite(draws[0]):
        lower, upper = np.quantile(others, INTERVAL)
    return {name: float(draws[0]), f"{name}_lower": float(lower), f"{name}_upper": float(upper)}


def _null_areas(
    ranked: dict[tuple[str, str], RankedPairs],
    pairs: EvaluatedPairs,
    *,
    n_permutations: int,
    generator: np.random.Generator,
) -> dict[str, tuple[Array, Array]]:
    """Mean area under each null, and p-values."""
    known = pairs.known
    position = np.full(known.shape, -1)
    position[pairs.factors, pairs.genes] = np.arange(len(pairs.labels))
    labels = np.zeros_like(known)
    labels[pairs.factors, pairs.genes] = pairs.labels
    options: dict[str, Any] = {"n_draws": n_permutations, "generator": generator}
    within = shuffled_within_factors(pairs.labels, pairs.factors, **options)
    margins = (position[state] for state in shuffled_with_margins(labels, known, **options))
    ranks = {key: each.ranks() for key, each in ranked.items()}
    observed = _areas_of([np.flatnonzero(pairs.labels)], ranks, pairs)[0]
    found = {}
    for name, draws in (("", within), ("_margins", margins)):
        null = _areas_of(draws, ranks, pairs)
        if not len(null):
            missing = np.full(len(observed), np.nan)
            found[name] = (missing, missing)
            continue
        reached = (null >= observed - _TOLERANCE).sum(axis=0)
        p_values = np.where(np.isnan(observed), np.nan, (reached + 1) / (len(null) + 1))
        found[name] = (null.mean(axis=0), p_values)
    return found


def _areas_of(
    draws: Iterable[Array], ranks: dict[tuple[str, str], Array], pairs: EvaluatedPairs
) -> Array:
    """Area of each measure and level, by sums of ranks, ``(n_draws, n_measures * n_levels)``."""
    stacked = np.column_stack(list(ranks.values()))
    sizes = {level: np.bincount(groups) for level, groups in pairs.levels.items()}
    rows = []
    for positive in draws:
        least, comparisons = {}, {}
        for level, groups in pairs.levels.items():
            number = np.bincount(groups[positive], minlength=len(sizes[level]))
            least[level] = (number * (number + 1)).sum() / 2
            comparisons[level] = float((number * (sizes[level] - number)).sum())
        sums = stacked[positive].sum(axis=0)
        rows.append(
            [
                (total - least[level]) / comparisons[level] if comparisons[level] else np.nan
                for total, (_, level) in zip(sums, ranks, strict=True)
            ]
        )
    return np.array(rows).reshape(len(rows), len(ranks))


def groups_table(pairs: EvaluatedPairs) -> pd.DataFrame:
    """Area and average precision of every measure in each gene, factor and stratum."""
    labels = pairs.labels.astype(float)
    tables = []
    for level, groups in pairs.levels.items():
        names = _group_names(pairs, level)
        if names is None:
            continue
        for measure, values in pairs.measures.items():
            found = RankedPairs(values, groups).areas(labels, 1 - labels)
            both = found.comparisons > 0
            table = pd.DataFrame(
                {
                    "level": level,
                    "group": names[: len(both)],
                    "measure": measure,
                    "auc": found.ordered / np.maximum(found.comparisons, 1),
                    "average_precision": found.precision / np.maximum(found.positives, 1),
                    "n_positive": found.positives.astype(int),
                    "n_negative": found.negatives.astype(int),
                }
            )
            tables.append(table[both])
    return pd.concat(tables, ignore_index=True)


def _group_names(pairs: EvaluatedPairs, level: str) -> list[str] | None:
    if level == WITHIN_GENE:
        return [str(name) for name in pairs.gene_names]
    if level == WITHIN_FACTOR:
        return [str(name) for name in pairs.factor_names]
    return None if level == ALL else pairs.strata.get(level)
