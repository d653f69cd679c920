"""DeepSF's decoders, context, attributions and knock-downs, against computations by hand."""

import warnings

import mudata
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

import tgem
from tgem._core.errors import ExpressionWarning, GeneAlignmentWarning
from tgem.model import DeepSF
from tgem.model.deepsf import GeneContext
from tgem.nn.segments import segment_centered, segment_softmax, segment_sum

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
QUIET = {"enable_progress_bar": False}
DECODERS = ("usage", "additive", "sigmoid")


# -- segments ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.floats(0, 300), st.integers(0, 99))
def test_segment_softmax_is_the_dense_one(segments, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(3, len(segments), generator=generator, dtype=torch.float64)
    index = torch.tensor(segments)
    expected = torch.zeros_like(logits)
    for segment in set(segments):
        members = index == segment
        expected[:, members] = logits[:, members].softmax(dim=1)
    torch.testing.assert_close(segment_softmax(logits, index, 6), expected)
    single = segment_softmax(logits.float(), index, 6)
    torch.testing.assert_close(single.double(), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        segment_sum(single, index, 6)[:, segments], torch.ones(3, len(segments))
    )
    centred = segment_centered(logits, index, 6)
    assert segment_sum(centred, index, 6).abs().max() < 1e-9 * (1 + scale)


def test_gradient_of_the_segment_softmax():
    logits = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 2, 0, 1, 2, 2, 0])
    assert torch.autograd.gradcheck(lambda z: segment_softmax(z, index, 3), logits)


# -- a small model of each decoder -------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return tgem.datasets.synthetic_splicing(n_obs=60, n_factors=6, n_isoforms=70, seed=2)


@pytest.fixture(scope="module", params=DECODERS)
def model(request, data):
    DeepSF.setup_mudata(data)
    trained = DeepSF(data, decoder=request.param, hidden=(8, 5))
    trained.train(max_epochs=15, plan_kwargs={"lr": 1e-2}, **QUIET)
    return trained


@pytest.fixture(scope="module")
def usage_model(data):
    DeepSF.setup_mudata(data)
    trained = DeepSF(data, hidden=(8, 5))
    trained.train(max_epochs=15, plan_kwargs={"lr": 1e-2}, **QUIET)
    return trained


def by_gene(values, model):
    return pd.DataFrame(values.T).groupby(np.asarray(model.isoform_genes)).sum().T


def test_usage_decoder_starts_at_the_mean_usage(data):
    DeepSF.setup_mudata(data)
    model = DeepSF(data)
    model.train(max_epochs=1, plan_kwargs={"lr": 1e-12, "schedule": "constant"}, **QUIET)
    tpm = data["isoform"][model.train_indices, model.isoform_names].X.mean(0).astype(float)
    gene = np.asarray(model.isoform_genes)
    total = pd.Series(tpm).groupby(gene).transform("sum").to_numpy()
    sizes = pd.Series(tpm).groupby(gene).transform("size").to_numpy()
    expected = np.where(total > 0, tpm / np.maximum(total, 1e-9), 1 / sizes)
    np.testing.assert_allclose(model.get_usage()[0], expected, atol=1e-5)


def test_isoforms_of_a_gene_sum_to_its_tpm(usage_model, data):
    sums = by_gene(usage_model.predict().astype(float), usage_model)
    expected = data["gene"][:, sums.columns].X
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(by_gene(usage_model.get_usage(), usage_model), 1, atol=1e-5)


def test_usage_is_predicted_tpm_over_the_gene(model, data):
    prediction = model.predict().astype(float)
    tpm = data["gene"][:, model.isoform_genes].X
    if model.decoder == "additive":
        totals = by_gene(prediction, model)
        tpm = totals[model.isoform_genes].to_numpy()
    expressed = tpm > 0.1
    found = model.get_usage()[expressed]
    expected = prediction[expressed] / tpm[expressed]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_training_lowers_the_error_below_that_of_the_mean_usage(usage_model):
    score = usage_model.evaluate(indices=usage_model.train_indices)
    assert score["mse"] < score["mse_mean_usage"]
    assert score["usage_r2"] > 0


def test_scores_are_those_computed_by_hand(model, data):
    score = model.evaluate(indices=[3, 8])
    measured = np.log2(1 + data["isoform"][[3, 8], model.isoform_names].X)
    predicted = model.predict(indices=[3, 8], log=True)
    assert score["mse"] == pytest.approx(((measured - predicted) ** 2).mean(), rel=1e-4)
    pearson = [np.corrcoef(m, p)[0, 1] for m, p in zip(measured, predicted, strict=True)]
    spearman = [
        pd.Series(m).corr(pd.Series(p), "spearman")
        for m, p in zip(measured, predicted, strict=True)
    ]
    assert score["pearson"] == pytest.approx(np.mean(pearson), abs=1e-4)
    assert score["spearman"] == pytest.approx(np.mean(spearman), abs=1e-4)


def test_nothing_known_of_usage_is_no_perfect_score(usage_model, data):
    silent = data.copy()
    factors = silent["gene"].var["splicing_factor"].to_numpy(dtype=bool)
    tpm = np.array(silent["gene"].X)
    tpm[:, ~factors] = 0.01
    silent["gene"].X = tpm
    silent["isoform"].X = np.full_like(np.asarray(silent["isoform"].X), 0.001)
    silent["isoform"].X[0, 0] = 2000.0  # of a gene that is hardly there
    found = usage_model.evaluate(silent, range(1, silent.n_obs))
    assert np.isnan(found["usage_r2"])
    assert np.isnan(found["usage_pearson"])
    assert found["mse"] > 0


def of_other_genes(mdata):
    mdata["isoform"].var["gene_id"] = np.roll(mdata["isoform"].var["gene_id"].astype(str), 5)


def of_another_unit(mdata):
    mdata["isoform"].X = 5 * np.asarray(mdata["isoform"].X)


def of_other_samples(mdata):
    mdata["gene"].X = np.asarray(mdata["gene"].X)[::-1]


@pytest.mark.parametrize("wrong", [of_other_genes, of_another_unit, of_other_samples])
def test_isoforms_that_sum_to_more_than_their_gene(data, usage_model, wrong):
    mixed_up = data.copy()
    wrong(mixed_up)
    with pytest.warns(ExpressionWarning, match="more than their gene's TPM"):
        DeepSF.setup_mudata(mixed_up)
    with pytest.warns(ExpressionWarning, match="more than their gene's TPM"):
        usage_model.predict(mixed_up)


def test_filtered_isoforms_may_sum_to_less(data):
    fewer = mudata.MuData({"gene": data["gene"].copy(), "isoform": data["isoform"][:, ::2].copy()})
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExpressionWarning)
        DeepSF.setup_mudata(fewer)


@pytest.mark.parametrize(("decoder", "low", "high"), [("sigmoid", 0, 1), ("usage", -3, 3)])
def test_factors_are_clipped_as_published(data, decoder, low, high):
    DeepSF.setup_mudata(data)
    model = DeepSF(data, decoder=decoder, hidden=(4,))
    model.train(max_epochs=1, **QUIET)
    far = model.module.factor_mean + torch.tensor([[-50.0], [50.0]]) * model.module.factor_scale
    scaled = model.module.scaled(far)
    torch.testing.assert_close(scaled[0], torch.full((6,), float(low)))
    torch.testing.assert_close(scaled[1], torch.full((6,), float(high)))


def test_published_sizes(data):
    DeepSF.setup_mudata(data)
    sizes = {"additive": [183, 82], "sigmoid": [1024, 128]}
    for decoder, expected in sizes.items():
        encoder = DeepSF(data, decoder=decoder).module.encoder
        assert [
            layer.out_features for layer in encoder if hasattr(layer, "in_features")
        ] == expected


# -- attributions ------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["median", "zero", {"condition": "control"}, [0, 4, 9]])
def test_scores_add_up_to_the_change(model, reference):
    regulation = model.get_regulation(reference=reference)
    assert regulation.residual < 1e-3
    names = list(model.isoform_names[[0, 5, 17]])
    scores = model.get_attributions(names, reference=reference)
    assert scores.shape == (60, 6, 3)
    np.testing.assert_allclose(scores.mean(0), regulation.mean[:, [0, 5, 17]], rtol=1e-3, atol=1e-5)
    deviation = scores.std(0, ddof=1)
    expected = scores.mean(0) / np.where(deviation > 0, deviation, np.inf) * 60**0.5
    found = regulation.t_statistic[:, [0, 5, 17]]
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


def test_sums_are_the_change_of_the_output(data):
    DeepSF.setup_mudata(data)
    model = DeepSF(data, decoder="sigmoid", hidden=(8, 5))
    model.train(max_epochs=5, **QUIET)
    sums = model.get_attributions(list(model.isoform_names), reference="zero").sum(1)
    module, genes = model.module, torch.from_numpy(data["gene"].X)
    with torch.no_grad():
        change = module(genes) - module.outputs(module.scaled(torch.zeros(6)).expand(60, -1), genes)
    np.testing.assert_allclose(sums, change, atol=1e-4)


def test_effects_are_scores_over_distances(model):
    scores = model.get_attributions(list(model.isoform_names), reference="median")
    module = model.module
    genes = torch.from_numpy(model.get_expression())
    distance = module.scaled(module.factor_levels(genes)) - module.scaled(module.factor_median)
    expected = (scores / distance.numpy()[:, :, None]).mean(0)
    effect = model.get_regulation(reference="median").effect
    np.testing.assert_allclose(effect, expected, rtol=1e-2, atol=1e-3)


def test_gradients_of_usage_add_up(usage_model):
    names = list(usage_model.isoform_names[[2, 11]])
    scores = usage_model.get_attributions(names, target="usage", reference="zero", n_steps=200)
    usage = usage_model.get_usage()[:, [2, 11]]
    module = usage_model.module
    genes = torch.from_numpy(usage_model.get_expression())
    with torch.no_grad():
        at_zero = usage_model._usage(module.scaled(torch.zeros(6)).expand(60, -1), genes)
    np.testing.assert_allclose(scores.sum(1), usage - at_zero[:, [2, 11]].numpy(), atol=2e-3)


def test_gene_summaries(model):
    regulation = model.get_regulation()
    gene = model.isoform_genes[3]
    own = regulation.effect[:, model.isoform_genes == gene]
    np.testing.assert_allclose(regulation.by_gene("max")[gene], np.abs(own).max(1), rtol=1e-5)
    rms = np.sqrt((own**2).mean(1))
    np.testing.assert_allclose(regulation.by_gene()[gene], rms, rtol=1e-4)


def test_edges_are_the_strongest(model):
    regulation = model.get_regulation()
    edges = regulation.edges(7)
    expected = np.sort(np.abs(regulation.effect).ravel())[::-1][:7]
    np.testing.assert_allclose(edges["weight"].abs(), expected, rtol=1e-5)
    row = edges.iloc[0]
    i, j = regulation.factors.get_loc(row["source"]), regulation.isoforms.get_loc(row["target"])
    assert regulation.effect[i, j] == row["weight"]


def test_unknown_questions_name_the_choices(model, usage_model):
    with pytest.raises(ValueError, match="median"):
        model.get_regulation(reference="mean")
    with pytest.raises(KeyError, match="condition"):
        model.get_regulation(reference={"donor": "a"})
    with pytest.raises(ValueError, match=r"'other' in mdata.obs\['condition'\]"):
        model.get_regulation(reference={"condition": "other"})
    with pytest.raises(ValueError, match="'unknown'"):
        model.get_attributions("unknown")
    with pytest.raises(ValueError, match="splicing factor"):
        model.knockdown("unknown")
    with pytest.raises(ValueError, match="`fold`"):
        model.knockdown(model.factor_names[0], fold=-1)


# -- knock-downs -------------------------------------------------------------------------------


def test_knockdown_is_the_prediction_of_changed_factors(model, data):
    factor = model.factor_names[2]
    found = model.knockdown(factor, fold=0.3)
    changed = data["gene"].X.copy()
    changed[:, data["gene"].var_names.get_loc(factor)] *= 0.3
    changed = mudata.MuData({"gene": AnnData(changed, data["gene"].obs, data["gene"].var)})
    expected = (model.predict(changed, log=True) - model.predict(log=True)).mean(0)
    np.testing.assert_allclose(found["expression_change"], expected, atol=1e-4)
    usage = (model.get_usage(changed) - model.get_usage()).mean(0)
    np.testing.assert_allclose(found["usage_change"], usage, atol=1e-4)
    assert found["usage_change_spread"].isna().all()
    assert np.abs(model.knockdown(factor, fold=1.0)["usage_change"]).max() < 1e-6


def test_knockdown_of_an_ensemble_has_a_spread(data):
    members = []
    for seed in range(2):
        DeepSF.setup_mudata(data)
        members.append(DeepSF(data, hidden=(6,)))
        members[-1].train(max_epochs=4, seed=seed, plan_kwargs={"lr": 1e-2}, **QUIET)
    factor = members[0].factor_names[0]
    both = members[0].knockdown(factor, models=members[1:])
    alone = [member.knockdown(factor)["usage_change"] for member in members]
    np.testing.assert_allclose(both["usage_change"], np.mean(alone, axis=0), atol=1e-6)
    np.testing.assert_allclose(
        both["usage_change_spread"], np.std(alone, axis=0, ddof=1), atol=1e-6
    )


def test_factors_are_called_by_symbol():
    data = tgem.datasets.synthetic_splicing(n_obs=20, n_factors=4, n_isoforms=40)
    data["gene"].var["gene_symbol"] = ["SF" + name for name in data["gene"].var_names]
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(4,))
    model.train(max_epochs=2, plan_kwargs={"lr": 1e-2}, **QUIET)
    name = model.factor_names[1]
    pd.testing.assert_frame_equal(model.knockdown("SF" + name), model.knockdown(name))


# -- PSI ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def psi_data():
    generator = np.random.default_rng(3)
    factors = generator.lognormal(4, 0.5, size=(120, 5))
    levels = np.log2(1 + factors)
    z = (levels - levels.mean(0)) / levels.std(0)
    psi = 1 / (
        1 + np.exp(-(z @ generator.normal(size=(5, 12)) + 0.2 * generator.normal(size=(120, 12))))
    )
    psi[generator.random(psi.shape) < 0.1] = np.nan
    names = [f"s{i}" for i in range(120)]
    gene = AnnData(
        factors.astype(np.float32),
        pd.DataFrame(index=names),
        pd.DataFrame({"splicing_factor": True}, [f"g{i}" for i in range(5)]),
    )
    events = AnnData(
        psi.astype(np.float32),
        pd.DataFrame(index=names),
        pd.DataFrame({"gene_id": ["g0"] * 6 + ["elsewhere"] * 6}, [f"e{i}" for i in range(12)]),
    )
    return mudata.MuData({"gene": gene, "isoform": events})


def test_psi_with_missing_values(psi_data, tmp_path):
    DeepSF.setup_mudata(psi_data)
    model = DeepSF(psi_data, hidden=(16,))
    assert model.decoder == "psi"
    model.train(max_epochs=60, plan_kwargs={"lr": 2e-2}, **QUIET)
    prediction = model.predict()
    assert prediction.shape == (120, 12)
    assert ((prediction > 0) & (prediction < 1)).all()
    assert model.evaluate()["usage_r2"] > 0.3
    assert model.get_regulation().residual < 1e-3
    with pytest.raises(ValueError, match="TPM for"):
        DeepSF(psi_data, decoder="usage")
    model.save(tmp_path / "psi")
    np.testing.assert_array_equal(DeepSF.load(tmp_path / "psi").predict(psi_data), prediction)


def test_events_never_observed_are_set_aside_for_this_reason(psi_data):
    data = psi_data.copy()
    data["isoform"].X[:, [1, 9]] = np.nan  # one of a gene that is there, one of a gene that is not
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(4,))
    assert "2 events set aside, missing in all samples" in repr(model)
    assert "only one of their gene" not in repr(model)
    assert model.isoform_names.tolist() == [f"e{i}" for i in range(12) if i not in (1, 9)]


def test_a_missing_event_takes_no_part_in_the_loss(psi_data):
    DeepSF.setup_mudata(psi_data)
    decoder = DeepSF(psi_data).module.decoder
    outputs = torch.zeros(2, 12)
    targets = torch.full((2, 12), 0.3)
    full = decoder.loss(outputs, targets)
    targets[0, :7] = torch.nan
    torch.testing.assert_close(decoder.loss(outputs, targets), full)


# -- context -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context():
    cohort = tgem.datasets.synthetic_splicing(n_obs=80, n_factors=6, n_isoforms=70, seed=2)
    return DeepSF.pretrain_context(cohort, n_features=12, max_epochs=150, lr=1e-2)


def test_context_explains_held_out_samples_and_survives(context, data, tmp_path):
    assert 0 < context.explained_variance < 1
    context.save(tmp_path / "context")
    loaded = GeneContext.load(tmp_path / "context")
    assert loaded.describe() == context.describe()
    for each in (context, loaded):
        each.network.eval()
    genes = torch.from_numpy(data["gene"][:, context.genes].X)
    torch.testing.assert_close(loaded.network.encode(genes), context.network.encode(genes))
    with pytest.raises(FileNotFoundError, match="pretrain_context"):
        GeneContext.load(tmp_path)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_model_with_context(context, data, tmp_path, fine_tune):
    before = {key: value.clone() for key, value in context.network.state_dict().items()}
    context.save(tmp_path / "context")
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(6,), context=tmp_path / "context", fine_tune_context=fine_tune)
    model.train(max_epochs=4, plan_kwargs={"lr": 1e-2}, **QUIET)
    trained = model.module.context.state_dict()
    changed = any(not torch.equal(before[key], trained[key]) for key in before)
    assert changed is fine_tune
    features = model.get_context()
    assert features.shape == (60, 12)
    assert model.module.decoder.context_weight.abs().max() > 0
    model.save(tmp_path / "model")
    loaded = DeepSF.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(data), model.predict())
    np.testing.assert_array_equal(loaded.get_context(data), features)
    written = data.copy()
    tgem.tl.predict_isoforms(written, model)
    np.testing.assert_array_equal(written.obsm["X_deepsf_context"], features)
    assert model.get_regulation().residual < 1e-3


def test_context_genes_are_matched_by_name(context, data, generator):
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(6,), context=context)
    model.train(max_epochs=1, **QUIET)
    gene = data["gene"]
    other = mudata.MuData({"gene": gene[:, generator.permutation(gene.n_vars)].copy()})
    np.testing.assert_allclose(model.get_context(other), model.get_context(), atol=1e-6)
    fewer = mudata.MuData({"gene": gene[:, :-1].copy(), "isoform": data["isoform"].copy()})
    with pytest.warns(GeneAlignmentWarning):
        DeepSF.setup_mudata(fewer)
    with pytest.warns(GeneAlignmentWarning, match="1 of the context's"):
        DeepSF(fewer, context=context)


def test_context_of_other_genes_is_refused(context, data):
    renamed = GeneContext(
        [f"x{name}" for name in context.genes], context.network, 0.5, context.n_obs
    )
    DeepSF.setup_mudata(data)
    with pytest.raises(ValueError, match="genes of the context"):
        DeepSF(data, context=renamed)


def test_context_needs_tpm(data):
    logged = data["gene"].copy()
    logged.X = np.log2(1 + logged.X)
    with pytest.raises(ValueError, match="logarithms"):
        DeepSF.pretrain_context(logged)


def test_a_model_without_context_says_so(usage_model):
    with pytest.raises(ValueError, match="pretrain_context"):
        usage_model.get_context()
