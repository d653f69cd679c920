"""Mathematics of calibration, prediction sets and novelty, on whatever numbers there are."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from tgem.model._base._calibration import (
    FEWEST_CELLS,
    calibrated,
    calibration_floor,
    calibration_scores,
    expected_calibration_error,
    fit_temperature,
    reliability_table,
)
from tgem.model._base._conformal import conformal_quantile, fewest_cells, prediction_sets
from tgem.model._base._novelty import cells_to_describe, training_space

SEEDS = st.integers(0, 2**16)
PROBABILITIES = st.floats(0.01, 0.99)


def simulated(seed, n_cells=200, n_classes=4, sharpness=1.0):
    """Logits that are right `sharpness` times too sure of themselves."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (n_cells, n_classes))
    drawn = generator.random((n_cells, 1)) < softmax(logits, axis=1).cumsum(axis=1)
    return logits * sharpness, drawn.argmax(axis=1)


def loss(logits, codes, temperature, prior_cells):
    log_p = log_softmax(logits / temperature, axis=1)
    own = np.take_along_axis(log_p, codes[:, None], axis=1).sum()
    return -own + prior_cells * (1 / temperature - 1 + math.log(temperature))


# -- temperature ----------------------------------------------------------------------------


@given(seed=SEEDS, sharpness=st.floats(0.2, 5), prior=st.sampled_from([0.0, 1.0, 10.0]))
@settings(max_examples=40, deadline=None)
def test_temperature_is_the_most_likely_one(seed, sharpness, prior):
    logits, codes = simulated(seed, sharpness=sharpness)
    found = fit_temperature(logits, codes, prior_cells=prior)
    best = minimize_scalar(
        lambda log_t: loss(logits, codes, math.exp(log_t), prior),
        bounds=(-4, 4),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert math.log(found) == pytest.approx(best.x, abs=1e-4)


@given(seed=SEEDS, factor=st.floats(0.25, 4))
@settings(max_examples=20, deadline=None)
def test_temperature_undoes_a_factor(seed, factor):
    logits, codes = simulated(seed)
    once = fit_temperature(logits, codes, prior_cells=0)
    assert fit_temperature(logits * factor, codes, prior_cells=0) == pytest.approx(once * factor)


@given(seed=SEEDS, shift=st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_temperature_does_not_see_what_is_common_to_the_classes(seed, shift):
    logits, codes = simulated(seed)
    expected = fit_temperature(logits, codes)
    assert fit_temperature(logits + shift, codes) == pytest.approx(expected, rel=1e-6)


def test_few_cells_move_the_temperature_less_than_many():
    for n_cells, low, high in ((30, 1.05, 2.6), (3000, 2.7, 3.3)):
        found = np.mean(
            [fit_temperature(*simulated(seed, n_cells, sharpness=3.0)) for seed in range(10)]
        )
        assert low < found < high


def test_cells_that_are_all_typed_rightly_make_no_one_infinitely_sure():
    codes = np.repeat([0, 1], 40)
    logits = np.where(codes[:, None] == np.arange(2), 3.0, -3.0)
    assert 0.3 < fit_temperature(logits, codes) < 1
    assert 1 < fit_temperature(-logits, codes) <= 100  # all wrongly: as unsure as can be


def test_too_few_cells_leave_probabilities_as_they_are():
    logits, codes = simulated(0, FEWEST_CELLS - 1, sharpness=4)
    found = calibrated(logits, codes)
    assert found.temperature == 1
    assert "29 validation cells" in str(found)
    assert "without validation cells" in str(calibrated(logits[:0], codes[:0]))
    enough = calibrated(*simulated(0, FEWEST_CELLS, sharpness=4))
    assert enough.temperature > 1
    assert enough.n_cells == FEWEST_CELLS


def test_cells_that_set_the_scale_before_count_as_validation_cells_do():
    # as many cells say 1 as say T: the logarithm of the temperature is about halfway
    logits, codes = simulated(3, 4000, sharpness=1.2)
    alone = math.log(calibrated(logits, codes).temperature)
    both = math.log(calibrated(logits, codes, n_scaled=4000).temperature)
    assert alone == pytest.approx(math.log(1.2), abs=0.08)
    assert both == pytest.approx(alone / 2, abs=0.02)
    assert abs(math.log(calibrated(logits, codes, n_scaled=10**6).temperature)) < 0.001


# -- errors ---------------------------------------------------------------------------------


@given(n_cells=st.integers(1, 40), p=PROBABILITIES)
@settings(max_examples=25, deadline=None)
def test_floor_of_equal_confidences_is_a_binomials_mean_deviation(n_cells, p):
    counts = np.arange(n_cells + 1)
    expected = np.abs(counts / n_cells - p) @ stats.binom.pmf(counts, n_cells, p)
    found = calibration_floor(np.full(n_cells, p), n_simulations=4000)
    error = math.sqrt(p * (1 - p) / n_cells / 4000)
    assert found == pytest.approx(expected, abs=5 * error)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_floor_is_the_error_of_perfect_probabilities(seed):
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.2, 1, 300)
    errors = [
        expected_calibration_error(confidence, generator.random(300) < confidence)
        for _ in range(400)
    ]
    allowed = 5 * np.std(errors) * math.sqrt(1 / 400 + 1 / 200)
    assert calibration_floor(confidence) == pytest.approx(np.mean(errors), abs=allowed)
    assert calibration_floor(confidence) == calibration_floor(confidence)


@given(
    confidence=arrays(float, 25, elements=st.floats(0, 1)),
    is_correct=arrays(bool, 25),
    n_bins=st.integers(1, 20),
)
@settings(max_examples=50, deadline=None)
def test_table_and_error_agree(confidence, is_correct, n_bins):
    table = reliability_table(confidence, is_correct, n_bins=n_bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    expected = (gaps * table["n_cells"]).sum() / 25
    found = expected_calibration_error(confidence, is_correct, n_bins=n_bins)
    assert found == pytest.approx(expected)
    assert table["n_cells"].sum() == 25
    assert (table["low"] <= table["accuracy"] + 1e-9).all()
    assert (table["accuracy"] <= table["high"] + 1e-9).all()
    assert table["bin"].between(0, n_bins - 1).all()
    edges = table["confidence"] * n_bins
    assert (edges <= table["bin"] + 1 + 1e-9).all()
    assert (edges >= table["bin"] - 1e-9).all()


def test_intervals_are_wilsons():
    for n_correct, n_cells in ((0, 7), (3, 9), (40, 40)):
        table = reliability_table(np.full(n_cells, 0.5), np.arange(n_cells) < n_correct, n_bins=2)
        expected = stats.binomtest(n_correct, n_cells).proportion_ci(method="wilson")
        found = (table["low"].item(), table["high"].item())
        assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_scores_of_certainty_and_of_ignorance():
    codes = np.array([0, 1, 2, 2])
    sure = calibration_scores(np.where(codes[:, None] == np.arange(3), 500.0, -500.0), codes)
    assert sure["brier_score"] == sure["log_likelihood"] == 0
    assert sure["expected_calibration_error"] == sure["expected_calibration_error_floor"] == 0
    wrong = calibration_scores(np.where(codes[:, None] == np.arange(3), -500.0, 500.0), codes)
    assert wrong["brier_score"] > 1
    assert wrong["log_likelihood"] <= -1000  # no probability is rounded to 0
    flat = calibration_scores(np.zeros((4, 3)), codes)
    assert flat["brier_score"] == pytest.approx(2 / 3)
    assert flat["log_likelihood"] == pytest.approx(-math.log(3))


# -- prediction sets ------------------------------------------------------------------------


@given(
    scores=st.lists(st.floats(0, 1), min_size=10, max_size=60, unique=True),
    alpha=st.floats(0.02, 0.6),
)
@settings(max_examples=60, deadline=None)
def test_a_new_score_stays_below_the_quantile_as_often_as_promised(scores, alpha):
    # each score in turn is the new one: any order of exchangeable cells is as likely
    scores = np.array(scores)
    below = [
        score <= conformal_quantile(np.delete(scores, i), 1 - alpha)
        for i, score in enumerate(scores)
    ]
    n_promised = math.ceil(len(scores) * (1 - alpha) - 1e-9)
    assert sum(below) == n_promised


@given(share=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_fewest_cells_are_just_enough(share):
    n_cells = fewest_cells(share)
    assert math.isfinite(conformal_quantile(np.arange(n_cells), share))
    assert math.isinf(conformal_quantile(np.arange(n_cells - 1), share))


@given(seed=SEEDS, alpha=st.sampled_from([0.05, 0.1, 0.3]))
@settings(max_examples=10, deadline=None)
def test_sets_cover_cells_that_are_like_the_validation_cells(seed, alpha):
    logits, codes = simulated(seed, n_cells=6000, sharpness=2.5)  # whatever the probabilities say
    p = softmax(logits, axis=1)
    scores = 1 - np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    chosen = prediction_sets(p[3000:], conformal_quantile(scores[:3000], 1 - alpha))
    coverage = np.take_along_axis(chosen, codes[3000:, None], axis=1).mean()
    assert coverage > 1 - alpha - 5 * math.sqrt(2 * alpha * (1 - alpha) / 3000)
    assert chosen[np.arange(3000), p[3000:].argmax(axis=1)].all()


# -- novelty --------------------------------------------------------------------------------


@pytest.fixture
def space(generator):
    codes = np.repeat([0, 1, 2], 60)
    expression = generator.normal(2, 1, (180, 50)).astype(np.float32)
    expression[np.arange(180), codes] += 3
    logits = 4.0 * (codes[:, None] == np.arange(3))
    return training_space(expression, logits, codes, seed=0), expression, logits, codes


def test_distances_are_mahalanobis_distances_from_the_nearest_class(space):
    found, expression, logits, codes = space
    positions = (expression - expression.mean(axis=0)) @ found.components.T
    means = np.stack([positions[codes == code].mean(axis=0) for code in range(3)])
    within = positions - means[codes]
    covariance = within.T @ within / (180 - 3)
    covariance += 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    apart = positions[:, None] - means
    distances = np.einsum("ncd,de,nce->nc", apart, np.linalg.inv(covariance), apart).min(axis=1)
    energy = -np.log(np.exp(logits).sum(axis=1))
    expected = (np.log(distances) - np.log(distances).mean()) / np.log(distances).std()
    assert np.ptp(energy) == pytest.approx(0)  # says nothing here, and counts for nothing
    assert found.novelty(expression, logits) == pytest.approx(expected / 2, abs=1e-3)


def test_novelty_rises_with_the_distance_and_with_energy(space):
    found, expression, logits, _ = space
    far = expression + 10 * found.components[-1] * 2
    assert (found.novelty(far, logits) > found.novelty(expression, logits)).all()
    assert (found.novelty(expression, logits - 1) > found.novelty(expression, logits)).all()


def test_missing_genes_count_as_average(space):
    found, expression, logits, _ = space
    missing = np.zeros(50, dtype=bool)
    missing[[3, 20]] = True
    filled = np.where(missing, found.gene_mean, expression)
    empty = np.where(missing, 0, expression).astype(np.float32)
    expected = found.novelty(filled, logits)
    assert found.novelty(empty, logits, missing=missing) == pytest.approx(expected, abs=1e-5)


def test_rare_classes_are_described(generator):
    codes = np.zeros(20_000, dtype=int)
    codes[:7] = 1
    drawn = cells_to_describe(codes, 100, generator)
    assert 5_000 <= len(drawn) <= 5_060
    assert set(range(7)) <= set(drawn)
    assert cells_to_describe(codes[:300], 100, generator).tolist() == list(range(300))
    assert len(cells_to_describe(codes, 1_000_000, generator)) < 200
