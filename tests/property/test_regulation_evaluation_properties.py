"""Areas within groups, and evidence dealt anew."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from tgem import net
from tgem.net._added_information import log_likelihoods, logistic
from tgem.net._evidence_null import shuffled_with_margins, shuffled_within_factors
from tgem.net._ranked_pairs import RankedPairs

FAST = {"n_permutations": 20, "n_bootstrap": 20}


@st.composite
def grouped_pairs(draw, max_size=60):
    """Values with ties, labels and groups."""
    size = draw(st.integers(2, max_size))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    n_values = draw(st.integers(1, 30))
    values = generator.integers(0, n_values, size=size).astype(float)
    labels = generator.random(size) < draw(st.floats(0.1, 0.9))
    groups = generator.integers(0, draw(st.integers(1, 6)), size=size)
    return values, labels, groups


@settings(deadline=None, max_examples=60)
@given(grouped_pairs())
def test_areas_equal_those_of_scikit_learn(data):
    values, labels, groups = data
    found = RankedPairs(values, groups).areas(labels.astype(float), (~labels).astype(float))
    areas, precisions, weights, positives = [], [], [], []
    for group in range(groups.max() + 1):
        own = groups == group
        if 0 < labels[own].sum() < own.sum():
            areas.append(roc_auc_score(labels[own], values[own]))
            precisions.append(average_precision_score(labels[own], values[own]))
            positives.append(labels[own].sum())
            weights.append(labels[own].sum() * (~labels[own]).sum())
            assert found.ordered[group] / found.comparisons[group] == pytest.approx(areas[-1])
            assert found.precision[group] / found.positives[group] == pytest.approx(precisions[-1])
    if areas:
        assert found.area == pytest.approx(np.average(areas, weights=weights))
        assert found.average_precision == pytest.approx(np.average(precisions, weights=positives))
    else:
        assert np.isnan(found.area)
        assert np.isnan(found.average_precision)


@settings(deadline=None, max_examples=30)
@given(grouped_pairs(), st.integers(0, 100))
def test_whole_weights_are_repetitions(data, seed):
    values, labels, groups = data
    weights = np.random.default_rng(seed).integers(0, 3, size=len(values))
    found = RankedPairs(values, groups).areas(weights * labels, weights * ~labels)
    rows = np.repeat(np.arange(len(values)), weights)
    if not len(rows):
        assert np.isnan(found.area)
        return
    values, labels, groups = values[rows], labels[rows], groups[rows]
    repeated = RankedPairs(values, groups).areas(labels.astype(float), (~labels).astype(float))
    assert found.area == pytest.approx(repeated.area, nan_ok=True)
    assert found.average_precision == pytest.approx(repeated.average_precision, nan_ok=True)


def simulated(seed, n_genes=30, n_factors=6):
    generator = np.random.default_rng(seed)
    genes, factors = [f"g{i}" for i in range(n_genes)], [f"f{i}" for i in range(n_factors)]
    scores = pd.DataFrame(generator.normal(size=(n_genes, n_factors)), genes, factors)
    evidence = pd.DataFrame(generator.random(scores.shape) < 0.3, genes, factors).astype(float)
    return scores, evidence, generator


def row(found, level, measure="score"):
    table = found.table
    return table[(table["level"] == level) & (table["measure"] == measure)].iloc[0]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**16))
def test_within_gene_area_ignores_what_is_the_same_for_all_factors(seed):
    scores, evidence, generator = simulated(seed)
    slope = np.exp(generator.normal(size=len(scores)))
    shift = 5 * generator.normal(size=len(scores))
    changed = np.exp(scores.mul(slope, axis=0)).add(shift, axis=0)
    first, second = (net.evaluate_regulation(each, evidence, **FAST) for each in (scores, changed))
    names = ["auc", "average_precision", "auc_lower", "p_value_margins", "n_comparisons"]
    assert row(first, "within_gene")[names].tolist() == row(second, "within_gene")[names].tolist()
    assert row(first, "all")["auc"] != row(second, "all")["auc"]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**16))
def test_orders_of_genes_and_factors_do_not_matter(seed):
    scores, evidence, generator = simulated(seed)
    evidence.iloc[3, 2] = np.nan
    shuffled = scores.iloc[generator.permutation(30), generator.permutation(6)]
    first, second = (net.evaluate_regulation(each, evidence, **FAST) for each in (scores, shuffled))
    columns = ["measure", "level", "auc", "average_precision", "base_rate", "n_comparisons"]
    pd.testing.assert_frame_equal(first.table[columns], second.table[columns])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**16))
def test_dealt_evidence_keeps_its_numbers(seed):
    generator = np.random.default_rng(seed)
    labels = generator.random((5, 20)) < generator.random((5, 1))
    known = generator.random(labels.shape) < 0.9
    labels &= known
    for state in shuffled_with_margins(labels, known, n_draws=5, generator=generator):
        np.testing.assert_array_equal(state.sum(axis=0), labels.sum(axis=0))
        np.testing.assert_array_equal(state.sum(axis=1), labels.sum(axis=1))
        assert not (state & ~known).any()
    factors, _ = np.nonzero(known)
    drawn = shuffled_within_factors(labels[known], factors, n_draws=5, generator=generator)
    for positive in drawn if labels.any() else []:
        assert len(set(positive)) == len(positive)
        counts = np.bincount(factors[positive], minlength=5)
        np.testing.assert_array_equal(counts, labels.sum(axis=1))


def test_trades_reach_every_table_equally_often():
    labels = np.zeros((3, 4), dtype=bool)
    labels[[0, 0, 1, 2], [0, 1, 2, 3]] = True
    seen = {}
    draws = shuffled_with_margins(
        labels, np.ones_like(labels), n_draws=6000, generator=np.random.default_rng(0)
    )
    for state in draws:
        key = state.tobytes()
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 12  # choose two genes of the first factor, then one of the second
    counts = np.array(list(seen.values()))
    assert ((counts - 500) ** 2 / 500).sum() < 60  # dependent draws: wider than chi-square's


@pytest.mark.parametrize("column", ["p_value", "p_value_margins"])
@pytest.mark.parametrize("level", ["all", "within_gene", "within_factor"])
def test_p_values_are_uniform_where_nothing_is_to_be_found(null_p_values, column, level):
    """Genes and factors differ in how often they have evidence, and the score ignores it."""
    values = null_p_values[(column, level)]
    assert len(values) == 150
    for limit in (0.1, 0.3, 0.5, 0.8):
        expected = limit * len(values)
        spread = np.sqrt(len(values) * limit * (1 - limit))
        assert abs((values <= limit).sum() - expected) < 3.5 * spread + 1


@pytest.fixture(scope="module")
def null_p_values():
    found = {}
    for seed in range(150):
        generator = np.random.default_rng(seed)
        scores, _, _ = simulated(1000 + seed, n_genes=20, n_factors=5)
        odds = generator.random(20)[:, None] * generator.random(5)
        evidence = pd.DataFrame(generator.random((20, 5)) < odds, scores.index, scores.columns)
        result = net.evaluate_regulation(
            scores, evidence.astype(int), n_permutations=39, n_bootstrap=1, seed=seed
        )
        for column in ("p_value", "p_value_margins"):
            for level in ("all", "within_gene", "within_factor"):
                values = found.setdefault((column, level), [])
                values.append(row(result, level)[column])
    return {key: np.array(values) for key, values in found.items()}


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**16))
def test_logistic_regression_equals_scikit_learns(seed):
    generator = np.random.default_rng(seed)
    design = generator.normal(size=(80, 4))
    labels = (design[:, 0] + generator.normal(size=80) > 0.5).astype(float)
    ours = logistic(design, labels, np.ones(4))
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(design, labels)
    np.testing.assert_allclose(ours[1:], theirs.coef_[0], atol=1e-4)
    np.testing.assert_allclose(ours[0], theirs.intercept_[0], atol=1e-4)
    probability = theirs.predict_proba(design)[np.arange(80), labels.astype(int)]
    found = log_likelihoods(ours[0] + design @ ours[1:], labels > 0)
    np.testing.assert_allclose(found, np.log(probability), atol=1e-3)
