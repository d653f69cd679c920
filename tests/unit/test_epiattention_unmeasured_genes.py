"""Genes without any measured track: no result for them, and the same one for all others."""

import warnings

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import MeasurementWarning, TrainingWarning
from tgem.model import EpiAttention

pytestmark = [
    # mudata announces changes of its own
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    pytest.mark.filterwarnings("ignore:.*modality.*:UserWarning:mudata"),
]
SIZES = {"n_genes": 40, "n_marks": 3, "n_bins": 9, "max_cpg": 8, "n_factors": 8}
KEYS = {"expression_key": "expression", "cell_type_key": "cell_type"}
LOST = np.arange(80) % 10 == 3  # genes of a chromosome that no track covers


def warned():
    return pytest.warns(MeasurementWarning, match="8 of 80 observations were measured in no")


def make_data(*names):
    """The modalities, without values for some genes."""
    full = tgem.datasets.synthetic_epigenome(**SIZES, seed=3)
    parts = {name: full[name].copy() for name in names}
    for table in parts.values():
        table.X[LOST] = np.nan
    mdata = mudata.MuData(parts)
    mdata.obs = full.obs.reindex(mdata.obs_names)
    return mdata


@pytest.fixture(scope="module", params=[("histone",), ("histone", "methylation", "tf")], ids=len)
def data(request):
    return make_data(*request.param)


@pytest.fixture(scope="module", params=["binary", "regression"])
def model(request, data):
    EpiAttention.setup_mudata(data, **KEYS)
    model = EpiAttention(data, task=request.param)
    with pytest.warns(TrainingWarning, match="8 of 80 observations were measured in no"):
        model.train(max_epochs=2, enable_progress_bar=False)
    return model


def check(found, alone):
    """NaN throughout where nothing was measured, the others as if they were alone."""
    assert found.shape == (80, *alone.shape[1:])
    assert np.isnan(found[LOST]).all()
    np.testing.assert_allclose(found[~LOST], alone, atol=1e-5)
    assert np.isfinite(found[~LOST]).all()


@pytest.mark.parametrize("new", [False, True])
def test_getters(model, data, new):
    of = data.copy() if new else None
    rest = np.flatnonzero(~LOST)
    calls = {
        "predict": lambda **k: model.predict(of, soft=True, **k),
        "latent": lambda **k: model.get_latent_representation(of, **k),
        "fusion": lambda **k: model.get_attention(of, modality="fusion", **k),
        "histone": lambda **k: model.get_attention(of, modality="histone", **k),
        "attribution": lambda **k: model.get_attributions(of, n_steps=3, batch_size=7, **k).values[
            "histone"
        ],
        "change": lambda **k: model.get_attributions(of, n_steps=3, **k).change,
    }
    for call in calls.values():
        alone = call(indices=rest)
        with warned() as said:
            found = call()
        assert len(said) == 1
        check(found, alone)


def test_decisions_keep_the_missing_apart_from_the_low(model):
    with warned():
        decided = model.predict()
    assert np.isnan(decided[LOST]).all()
    rest = model.predict(indices=np.flatnonzero(~LOST))
    assert rest.dtype == (bool if model.task == "binary" else np.float32)
    np.testing.assert_allclose(decided[~LOST], rest.astype(np.float32), atol=1e-5)


def test_scores_are_those_of_the_measured_genes(model, data):
    assert np.isfinite(model.evaluate().loc["all", "spearman"])
    with warned():
        scores = model.evaluate(data, range(80))
    pd.testing.assert_frame_equal(scores, model.evaluate(data, np.flatnonzero(~LOST)))


@pytest.mark.parametrize("method", ["ablation", "integrated_gradients"])
def test_importance_is_that_of_the_measured_genes(model, method):
    options = {"by": "mark", "method": method, "n_steps": 4}
    with warned() as said:
        table = model.get_importance(**options)
    assert len(said) == 1
    alone = model.get_importance(indices=np.flatnonzero(~LOST), **options)
    pd.testing.assert_frame_equal(table, alone, rtol=1e-4, atol=1e-6)
    assert (table["n_genes"] == 36).all()


def test_no_gene_at_all_is_refused(model):
    for call in (model.predict, model.get_latent_representation, model.get_importance):
        with pytest.raises(ValueError, match=r"some modality.* found none among 8\. Modalities"):
            call(indices=np.flatnonzero(LOST))


def test_tools_write_missing_values_that_survive_a_round_trip(model, data, tmp_path):
    data = data.copy()
    tools = [
        lambda: tgem.tl.predict_expression(data, model),
        lambda: tgem.tl.regulatory_attention(data, model),
        lambda: tgem.tl.regulatory_attribution(data, model, n_steps=3),
        lambda: tgem.tl.regulatory_importance(data, model, by=["modality", "mark", "bin"]),
    ]
    if "tf" in model.modalities:
        tools.append(lambda: tgem.tl.regulatory_network(data, model, n_edges=30, n_steps=3))
    for tool in tools:
        with warned() as said:
            tool()
        assert len(said) == 1
    data.write(tmp_path / "x.h5mu")
    back = mudata.read_h5mu(tmp_path / "x.h5mu")
    np.testing.assert_array_equal(back.obs["epi_prediction"].isna(), LOST)
    for key in ("X_epi", "epi_histone_attention", "epi_fusion_attention"):
        np.testing.assert_array_equal(np.isnan(back.obsm[key]).all(1), LOST)
        assert np.isfinite(back.obsm[key][~LOST]).all()
    assert np.isfinite(back.uns["epi_histone_attribution_params"]["largest_residual"])
    assert back.uns["epi_importance"]["importance"].notna().all()
    if "tf" in model.modalities:
        lost_genes = set(data.obs["gene_id"][LOST]) - set(data.obs["gene_id"][~LOST])
        network = back.uns["epi_network"]
        assert len(network) == 60
        assert network["weight"].notna().all()
        assert lost_genes
        assert not set(network["target"]) & lost_genes


def test_specific_genes_and_their_plots_cope(model, data):
    data = data.copy()
    with warned():
        tgem.tl.predict_expression(data, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        tgem.tl.cell_type_specific_genes(data, min_score=0.0)
        tgem.pl.cell_type_specific_genes(data, show=False)
    assert data.obs["epi_specificity"][LOST].isna().all()
    assert data.uns["epi_specific_genes"]["score"].notna().all()


def test_anndata(tmp_path):
    mdata = make_data("histone")
    adata = mdata["histone"].copy()
    adata.obs = mdata.obs.copy()
    EpiAttention.setup_anndata(adata, **KEYS)
    model = EpiAttention(adata)
    with pytest.warns(TrainingWarning, match="8 of 80"):
        model.train(max_epochs=1, enable_progress_bar=False)
    with warned():
        tgem.tl.predict_expression(adata, model)
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = ad.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(back.obs["epi_prediction"].isna(), LOST)
    model.save(tmp_path / "model")
    with warned():
        again = EpiAttention.load(tmp_path / "model").predict(back, soft=True)
    np.testing.assert_array_equal(again, back.obs["epi_prediction"])
