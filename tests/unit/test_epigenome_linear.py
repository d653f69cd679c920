"""The linear part of EpiAttention: penalised, held out by groups, beside the network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

import tgem
from tgem.model import EpiAttention
from tgem.model.epiattention._inputs import Grid
from tgem.model.epiattention._linear import (
    LinearPart,
    calibration,
    chosen_penalty,
    ridge,
)
from tgem.model.epiattention._module import EpiAttentionModule

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
GRIDS = {
    "histone": Grid(2, 45, logarithm=True),
    "methylation": Grid(6, 2, kept=(1,)),
    "tf": Grid(4, 3),
}
KEYS = {"expression_key": "expression", "cell_type_key": "cell_type"}


def drawn(n=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.rand(n, g.n_rows, g.n_columns, generator=generator) for g in GRIDS.values()]
    return inputs, torch.arange(n) % 2


def module(**options):
    torch.manual_seed(0)
    made = EpiAttentionModule(GRIDS, 2, linear=True, standardize=True, **options).eval()
    torch.nn.init.normal_(made.linear.weight)
    return made


@given(seed=st.integers(0, 1000), power=st.integers(-2, 2))
@settings(max_examples=20, deadline=None)
def test_ridge_is_scikit_learns(seed, power):
    rng = np.random.default_rng(seed)
    values, targets = rng.normal(3, 2, (30, 5)), rng.normal(1, 1, 30)
    weight, bias = ridge(values, targets, 10.0**power)
    centred = values - values.mean(0)
    alpha = 10.0**power * (centred**2).sum() / 5
    expected = Ridge(alpha).fit(values, targets)
    np.testing.assert_allclose(weight, expected.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(bias, expected.intercept_, rtol=1e-6, atol=1e-9)


def test_the_penalty_is_chosen_on_other_groups():
    """Values that only tell groups apart predict held-out groups no better than the mean."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    of_group = rng.normal(size=20)
    values = np.eye(20)[groups] + 0.01 * rng.normal(size=(200, 20))
    targets = of_group[groups] + 0.1 * rng.normal(size=200)
    by_group, held_out = chosen_penalty(values, targets, groups)
    by_gene, _ = chosen_penalty(values, targets, np.arange(200))
    assert by_group > by_gene
    assert ((held_out - targets) ** 2).mean() > 0.9 * targets.var()


def test_noise_gets_a_slope_near_zero_and_signal_does_not():
    rng = np.random.default_rng(1)
    targets = np.where(rng.random(500) < 0.5, -1.0, 1.0)
    slope, _ = calibration(rng.normal(size=500) - 0.1 * targets, targets)
    assert slope == 0
    slope, _ = calibration(rng.normal(size=500) + 2 * targets, targets)
    assert slope > 2
    assert calibration(np.zeros(500), targets) == (0.0, 0.0)


def test_what_is_missing_adds_nothing_but_the_mark_that_it_is_missing():
    inputs, cell_type = drawn()
    made = module()
    inputs[0][3] = torch.nan
    inputs[1][3, 2:] = torch.nan
    masked = made.masked(*inputs, cell_type)
    values = made.linear.values(made.scales, *masked)
    assert values.shape[1] == 2 * 20 + 1 + 1 + 1 + 2
    assert (values[3, :41] == 0).all()
    np.testing.assert_allclose(values[3, 41], inputs[1][3, :2, 0].mean(), rtol=1e-5)
    assert values[3, 42:].tolist() == [1, 0, 1]
    assert values[2, 42:].tolist() == [1, 1, 0]


def test_it_counts_only_after_the_training():
    inputs, cell_type = drawn()
    made = module()
    with torch.inference_mode():
        before = made(*inputs, cell_type)
        made.linear.take_part(counts=True)
        after = made(*inputs, cell_type)
        linear = made.linear.values(made.scales, *made.masked(*inputs, cell_type))
    expected = before[:, 0] + 0.5 * (linear @ made.linear.weight + made.linear.bias)
    torch.testing.assert_close(after[:, 0], expected)


def test_factors_alone_have_no_linear_part():
    assert EpiAttentionModule({"tf": Grid(4, 3)}, 0, linear=True).linear is None
    assert EpiAttentionModule(GRIDS, 0).linear is None


def test_one_group_or_one_class_do_not_fail():
    linear = LinearPart({"histone": Grid(1, 3)}, 0, task="binary")
    values = np.random.default_rng(0).normal(size=(10, 4))
    linear.fit(values, np.ones(10), np.arange(10))
    assert (linear.weight == 0).all()
    linear.fit(values, np.tile([-1.0, 1.0], 5), np.zeros(10))
    assert (linear.weight == 0).all()  # nothing was held out that could say how sure it is


@pytest.fixture(scope="module")
def trained():
    mdata = tgem.datasets.synthetic_epigenome(
        n_genes=120, n_marks=3, n_bins=20, max_cpg=8, n_factors=8
    )
    EpiAttention.setup_mudata(mdata, **KEYS, group_key="chrom")
    model = EpiAttention(mdata)
    model.train(max_epochs=2, enable_progress_bar=False)
    return mdata, model


def test_a_model_of_two_epochs_already_knows_what_is_linear(trained):
    mdata, model = trained
    assert model.module.linear.shares.tolist() == [1.0, 0.5]
    with_it = model.evaluate(indices=np.arange(mdata.n_obs)).loc["all", "auroc"]
    model.module.linear.take_part(counts=False)
    without = model.evaluate(indices=np.arange(mdata.n_obs)).loc["all", "auroc"]
    model.module.linear.take_part(counts=True)
    assert with_it > without


def test_it_is_saved_and_explained(trained, tmp_path):
    mdata, model = trained
    model.save(tmp_path / "model")
    loaded = EpiAttention.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(mdata, soft=True), model.predict(soft=True))
    found = model.get_attributions(indices=np.arange(6), n_steps=200)
    assert np.abs(found.residual).max() < 0.02
    model.module.linear.take_part(counts=False)
    alone = model.get_attributions(indices=np.arange(6), n_steps=200)
    model.module.linear.take_part(counts=True)
    assert not np.allclose(found.values["histone"], alone.values["histone"], atol=1e-3)
    np.testing.assert_allclose(found.values["tf"], alone.values["tf"], atol=1e-5)


def test_a_second_training_goes_on_from_the_network_alone(trained):
    _, model = trained
    weight = model.module.linear.weight.clone()
    model.train(max_epochs=1, enable_progress_bar=False)
    assert model.module.linear.shares.tolist() == [1.0, 0.5]
    torch.testing.assert_close(model.module.linear.weight, weight)


def test_regression_takes_the_mean_of_both(trained):
    mdata, _ = trained
    EpiAttention.setup_mudata(mdata, **KEYS)
    model = EpiAttention(mdata, task="regression")
    model.train(max_epochs=1, enable_progress_bar=False)
    assert model.module.linear.shares.tolist() == [0.5, 0.5]
    assert model.evaluate().loc["all", "spearman"] > 0.3
