"""What the benchmark of isoforms compares with: linear models, constants, folds."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Ridge

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def regression():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(40, 12))
    targets = inputs[:, :3] @ generator.normal(size=(3, 5)) + generator.normal(size=(40, 5))
    return inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)


def simulated_samples():
    from isoforms.baselines import samples_of
    from isoforms.cohorts import simulated
    from isoforms.decoders import lines_of

    mdata = simulated()
    return mdata, samples_of(mdata, lines_of(mdata))


def test_ridge_is_that_of_sklearn(benchmarks, regression):
    from isoforms.linear import RIDGE_PENALTIES, ridge

    inputs, targets = regression
    for penalty, found in zip(RIDGE_PENALTIES, ridge(inputs, targets), strict=True):
        expected = Ridge(alpha=penalty * 12, fit_intercept=False).fit(inputs, targets).coef_.T
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_elastic_net_is_that_of_sklearn(benchmarks, regression):
    from isoforms.linear import L1_SHARE, NET_PENALTIES, elastic_net

    inputs, targets = regression
    for penalty, found in zip(NET_PENALTIES, elastic_net(inputs, targets), strict=True):
        for output, own in enumerate(targets.T):
            model = ElasticNet(alpha=penalty, l1_ratio=L1_SHARE, fit_intercept=False, tol=1e-8)
            expected = model.fit(inputs, own / own.std()).coef_ * own.std()
            np.testing.assert_allclose(found[:, output], expected, atol=2e-3)


def test_mean_usage_and_scores_are_those_of_the_model(benchmarks):
    from isoforms.baselines import baseline, compared, mean_usage
    from isoforms.decoders import Setting, lines_of, scores, trained

    mdata, samples = simulated_samples()
    held = lines_of(mdata) == "line 0"
    model, _ = trained(mdata, held, Setting("a", {}, {"max_epochs": 2}), decoder="usage")
    training, unseen = samples.rows(~held), samples.rows(held)
    own = scores(model)
    (row,) = baseline("mean usage", training, [unseen])
    assert row["mse"] == row["mse_mean_usage"] == pytest.approx(own["mse_mean_usage"], rel=1e-4)
    assert row["usage_r2"] == 0
    # both keep the order of the isoforms
    mean = mean_usage(training)
    np.testing.assert_allclose(model.module.mean_usage.numpy(), mean, atol=1e-6)
    usage, log = model.get_usage(indices=held), model.predict(indices=held, log=True)
    again = compared(unseen, usage, log, mean=mean)
    for name, value in own.items():
        assert again[name] == pytest.approx(value, rel=1e-3, abs=1e-4)


def test_held_out_samples_play_no_part_in_the_choice_of_the_penalty(benchmarks):
    from isoforms.baselines import BASELINES, baseline

    _, samples = simulated_samples()
    held = samples.groups == "line 0"
    training, unseen = samples.rows(~held), samples.rows(held)
    other = unseen._replace(isoforms=np.roll(unseen.isoforms, 7, axis=1))
    for name in BASELINES:
        (one,), (two,) = (baseline(name, training, [each]) for each in (unseen, other))
        assert one.get("setting") == two.get("setting")
        assert np.isfinite(one["mse"])
        if name != "mean usage":
            assert one["mse"] < two["mse"]


def test_linear_models_find_what_the_factors_do(benchmarks):
    from isoforms.baselines import baseline

    _, samples = simulated_samples()
    held = samples.groups == "line 0"
    for name in ("ridge, usage", "ridge, log2 TPM"):
        (row,) = baseline(name, samples.rows(~held), [samples.rows(held)])
        assert row["usage_r2"] > 0.05
        assert row["mse"] < row["mse_mean_usage"]


def test_samples_of_a_patient_stay_together(benchmarks):
    from isoforms.comparison import folds_of

    groups = np.array([f"patient {i // 3}" for i in range(60)])
    parts = folds_of(groups, 4)
    assert set(parts) == {0, 1, 2, 3}
    for group in np.unique(groups):
        assert len(set(parts[groups == group])) == 1


def test_differences_are_paired(benchmarks):
    from isoforms.comparison import differences

    ours = {"folds": [{"mse": 1.0, "usage_r2": 0.2}, {"mse": 3.0, "usage_r2": 0.1}]}
    other = {"folds": [{"mse": 2.0, "usage_r2": 0.1}, {"mse": 2.5, "usage_r2": 0.4}]}
    row = differences(ours, {"other": other})["other"]
    assert row["mse"] == pytest.approx(-0.25)
    assert row["mse_sd"] == pytest.approx(np.std([-1, 0.5], ddof=1))
    assert (row["mse_better"], row["usage_r2_better"], row["n_folds"]) == (1, 1, 2)
