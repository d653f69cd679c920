"""What the tools write, and that it survives the disk."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

import tgem
from tgem._core import keys


@pytest.fixture(scope="module")
def written(trained):
    """Simulated cells with every slot written."""
    model, adata = trained
    return write_everything(adata.copy(), model)


def write_everything(adata, model):
    tgem.tl.predict(adata, model)
    tgem.tl.confusion(adata, model)
    tgem.tl.history(adata, model)
    tgem.tl.attribution(adata, model, n_steps=20)
    causal = adata.var_names[adata.var["causal"]]
    tgem.tl.enrich(adata, {"causal": list(causal), "other": list(adata.var_names[:20])}, n_genes=8)
    return adata


def slashed_model():
    adata = tgem.datasets.synthetic_expression(n_obs=120, n_genes=50, seed=2)
    first = adata.obs["cell_type"].cat.categories[0]
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({first: "CD4+/CD25 T"})
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(max_epochs=3, enable_progress_bar=False)
    return model, adata


def test_predictions(trained, written):
    model, _ = trained
    prediction = keys.PREDICTION.read(written)
    assert list(prediction.cat.categories) == list(model.classes)
    assert (prediction == model.predict()).all()
    probability = keys.PROBABILITY.read(written)
    np.testing.assert_allclose(keys.CONFIDENCE.read(written), probability.max(axis=1))
    assert keys.LATENT.read(written).shape == model.get_latent_representation().shape


def test_confusion_counts_the_test_cells(trained, written):
    model, _ = trained
    table = keys.CONFUSION.read(written)
    assert list(table.columns) == ["true", "predicted", "n_cells"]
    assert table["n_cells"].sum() == len(model.test_indices)
    params = written.uns[keys.CONFUSION.params_key()]
    right = table.loc[table["true"] == table["predicted"], "n_cells"].sum()
    assert params["accuracy"] == pytest.approx(right / table["n_cells"].sum())


def test_confusion_of_named_cells(trained):
    model, adata = trained
    other = adata.copy()
    tgem.tl.confusion(other, model, indices=model.test_indices[:9])
    assert keys.CONFUSION.read(other)["n_cells"].sum() == 9


def test_history(trained, written):
    model, _ = trained
    pd.testing.assert_frame_equal(keys.HISTORY.read(written), model.history)


def test_attribution_means_are_of_the_cells_given_the_label(written):
    values = keys.ATTRIBUTION.read(written)
    assert sparse.issparse(values)
    label = written.obs["tgem_prediction"].cat.categories[0]
    cells = (written.obs["tgem_prediction"] == label).to_numpy()
    table = keys.ATTRIBUTION_MEAN.read(written)
    np.testing.assert_allclose(
        table[label], values.toarray()[cells].mean(axis=0), rtol=1e-5, atol=1e-7
    )
    median = keys.ATTRIBUTION_MEDIAN.read(written)
    np.testing.assert_allclose(
        median[label], np.median(values.toarray()[cells], axis=0), rtol=1e-5, atol=1e-7
    )
    genes = written.uns[keys.ATTRIBUTION.key()]["genes"]
    assert list(genes) == list(written.var_names)


def test_attribution_of_one_label(trained):
    model, adata = trained
    other = adata[:40].copy()
    label = model.classes[2]
    tgem.tl.attribution(other, model, target=label, n_steps=5)
    assert list(keys.ATTRIBUTION_MEAN.read(other).columns) == [label]


def test_genes_outside_the_model_have_no_mean(trained):
    model, adata = trained
    extra = ad.AnnData(
        sparse.csr_matrix(np.full((adata.n_obs, 2), 0.5, dtype=np.float32)),
        obs=adata.obs[[]],
        var=pd.DataFrame(index=["new1", "new2"]),
    )
    both = ad.concat([adata, extra], axis=1, merge="same")
    tgem.tl.attribution(both, model, n_steps=5)
    assert keys.ATTRIBUTION_MEAN.read(both).loc[["new1", "new2"]].isna().all().all()
    assert keys.ATTRIBUTION.read(both).shape == (adata.n_obs, adata.n_vars)


@pytest.mark.parametrize("tool", [tgem.tl.predict, tgem.tl.confusion, tgem.tl.history])
def test_copy_leaves_the_data_alone(trained, tool):
    model, adata = trained
    before = set(adata.obs) | set(adata.uns) | set(adata.obsm)
    changed = tool(adata, model, copy=True, key_added="mine")
    assert set(adata.obs) | set(adata.uns) | set(adata.obsm) == before
    assert any(key.startswith("mine") for key in [*changed.obs, *changed.uns])


def test_failed_call_leaves_the_data_alone(trained):
    model, adata = trained
    other = adata[:, :10].copy()
    for tool in (tgem.tl.predict, tgem.tl.attribution):
        with pytest.raises(ValueError, match="genes"):
            tool(other, model)
    assert not [key for key in [*other.obs, *other.obsm, *other.varm] if "tgem" in key]


def test_untrained_model_has_no_history(tiny_adata):
    tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
    with pytest.raises(RuntimeError, match="not trained"):
        tgem.tl.history(tiny_adata, tgem.model.TGEM(tiny_adata))


@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_everything_survives_the_disk_with_slashes_in_labels(tmp_path, store):
    model, adata = slashed_model()
    write_everything(adata, model)
    path = tmp_path / f"cells.{store}"
    getattr(adata, f"write_{store}")(path)
    again = getattr(ad, f"read_{store}")(path)
    assert (again.obs["tgem_prediction"] == adata.obs["tgem_prediction"]).all()
    for slot in (keys.PROBABILITY, keys.ATTRIBUTION_MEAN, keys.CONFUSION, keys.HISTORY):
        pd.testing.assert_frame_equal(
            slot.read(again), slot.read(adata), check_dtype=False, check_names=False
        )
    np.testing.assert_array_equal(keys.LATENT.read(again), keys.LATENT.read(adata))
    assert (keys.ATTRIBUTION.read(again) != keys.ATTRIBUTION.read(adata)).nnz == 0
    assert list(again.uns[keys.PREDICTION.params_key()]["classes"]) == list(model.classes)
    pd.testing.assert_frame_equal(
        keys.ENRICHMENT.read(again).reset_index(drop=True),
        keys.ENRICHMENT.read(adata).reset_index(drop=True),
        check_dtype=False,
    )


def test_subsets_and_concatenation_keep_rows(written):
    cells = [5, 3, 200]
    part = written[cells].copy()
    whole = keys.ATTRIBUTION.read(written).toarray()
    np.testing.assert_array_equal(keys.ATTRIBUTION.read(part).toarray(), whole[cells])
    other = written[100:110].copy()
    both = ad.concat([part, other], merge="same", uns_merge="same")
    expected = np.concatenate([whole[cells], whole[100:110]])
    np.testing.assert_array_equal(keys.ATTRIBUTION.read(both).toarray(), expected)
    np.testing.assert_array_equal(
        keys.PROBABILITY.read(both), keys.PROBABILITY.read(written).iloc[[*cells, *range(100, 110)]]
    )
    assert list(both.uns[keys.ATTRIBUTION.key()]["genes"]) == list(written.var_names)
    pd.testing.assert_frame_equal(
        keys.ATTRIBUTION_MEAN.read(both), keys.ATTRIBUTION_MEAN.read(written)
    )


def test_plots_read_what_the_tools_wrote(trained, written):
    model, _ = trained
    tgem.tl.rank_genes(written, n_genes=10)
    tgem.tl.ablation(written, model, fractions=[0.1, 0.2], n_random=1, indices=range(20))
    tgem.tl.attention_necessity(written, model, indices=range(20), n_bootstrap=50)
    tgem.tl.calibration(written, model)
    elsewhere = {"attention_entropy", "cell_type_specific_genes", "hubs", "network", "stability"}
    elsewhere |= {"regulation_evaluation"}
    for name in set(tgem.pl.__all__) - elsewhere:
        getattr(tgem.pl, name)(written, show=False)


@pytest.fixture(scope="module")
def of_isoforms():
    """A DeepSF of simulated samples, and the samples."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=5, n_isoforms=40)
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    model.train(max_epochs=2, enable_progress_bar=False)
    return model, mdata


@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
def test_history_of_a_mudata(of_isoforms):
    model, mdata = of_isoforms
    written = tgem.tl.history(mdata, model, copy=True)
    assert len(written.uns["tgem_history"]) == 2
    assert "tgem_history" not in mdata.uns
    assert tgem.pl.history(written, show=False) is not None


@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
def test_isoforms_have_no_place_among_genes_alone(of_isoforms):
    model, mdata = of_isoforms
    genes = MuData({"gene": mdata["gene"].copy()})
    with pytest.raises(ValueError, match=r"model\.predict"):
        tgem.tl.predict_isoforms(genes, model)
    assert model.predict(genes).shape == model.predict().shape
