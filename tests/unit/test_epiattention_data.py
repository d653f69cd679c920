"""Real tracks and CpGs, and the training callback that keeps the best weights."""

import anndata as ad
import numpy as np
import pytest
from scipy.stats import spearmanr

from tgem.model import EpiAttention

QUIET = {"enable_progress_bar": False}


def read(shared_data, name):
    path = shared_data / "epigenome" / f"{name}.h5ad"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return ad.read_h5ad(path)


@pytest.mark.parametrize("preset", ["standardized", "paper"])
def test_histone_marks_of_roadmap_predict_expression(shared_data, preset):
    adata = read(shared_data, "deepdiff")
    EpiAttention.setup_anndata(adata, "expression", cell_type_key="cell_type", split_key="split")
    model = EpiAttention(adata, preset=preset)
    model.train(max_epochs=3, batch_size=32, **QUIET)
    np.testing.assert_array_equal(model.test_indices, np.flatnonzero(adata.obs["split"] == "test"))
    table = model.evaluate()
    assert table.loc["all", "n_genes"] == 400
    assert (table["auroc"] > 0.75).all()
    assert (table["kendall_tau"] > 0.3).all()
    assert model.feature_names("histone")[1] == list(range(200))


def test_seven_marks_in_forty_bins(shared_data):
    adata = read(shared_data, "chromoformer_demo")
    EpiAttention.setup_anndata(adata, "high")
    model = EpiAttention(adata, preset="paper")
    model.train(max_epochs=1, **QUIET)
    assert tuple(model.module.branches["histone"].convolution.weight.shape) == (20, 7, 7)
    assert model.module.fusion.sizes == [80]
    np.testing.assert_allclose(model.get_attention(modality="histone").sum(1), 1, atol=1e-5)


def test_ragged_cpgs(shared_data):
    adata = read(shared_data, "bprmeth")
    EpiAttention.setup_anndata(adata, "expression", group_key="chrom")
    model = EpiAttention(adata, task="regression")
    model.train(max_epochs=2, validation_size=0, train_size=0.5, **QUIET)
    assert model.modalities == ("methylation",)
    assert len(set(adata.obs["chrom"].iloc[model.train_indices])) == 1
    attention = model.get_attention(modality="methylation")
    real = np.arange(170) < adata.obs["n_cpg"].to_numpy()[:, None]
    assert (attention[~real] == 0).all()
    assert (attention[real] > 0).all()
    assert np.isfinite(model.evaluate()).all(axis=None)
    values = model.get_attributions(indices=range(20), n_steps=10).values["methylation"]
    assert (values[:20][~real[:20]] == 0).all()


@pytest.mark.slow
def test_cpgs_rank_expression_better_than_their_mean_does(shared_data):
    adata = read(shared_data, "bprmeth")
    level = np.nanmean(adata.X.reshape(adata.n_obs, 170, 2)[:, :, 0], axis=1)
    EpiAttention.setup_anndata(adata, "expression")
    model = EpiAttention(adata, task="regression")
    table = model.cross_validate(max_epochs=60, **QUIET)
    of_mean = abs(spearmanr(level, adata.obs["expression"])[0])
    assert table["spearman"].mean() > of_mean + 0.1


def test_cpgs_in_another_order_give_the_same_prediction(shared_data):
    adata = read(shared_data, "bprmeth")
    EpiAttention.setup_anndata(adata, "expression")
    model = EpiAttention(adata)
    model.train(max_epochs=1, **QUIET)
    values = adata.X.reshape(adata.n_obs, 170, 2)
    moved = adata.copy()
    moved.X = values[:, np.random.default_rng(0).permutation(170)].reshape(adata.n_obs, -1)
    np.testing.assert_allclose(model.predict(moved, soft=True), model.predict(soft=True), rtol=1e-4)
