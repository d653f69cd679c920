"""Networks say which edges are of genes that the model predicts on samples it has not seen."""

import mudata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import tgem
from tgem._core.errors import RegulationWarning
from tgem.model import DeepSF

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")


def trained(*, effect=0.6, train_size=0.7, validation_size=0.0, n_obs=120):
    data = tgem.datasets.synthetic_splicing(
        n_obs=n_obs, n_factors=6, n_isoforms=90, effect=effect, seed=2
    )
    DeepSF.setup_mudata(data)
    model = DeepSF(data)
    model.train(train_size=train_size, validation_size=validation_size, enable_progress_bar=False)
    return data, model


@pytest.fixture(scope="module")
def skilled():
    return trained()


@pytest.fixture(scope="module")
def unskilled():
    return trained(effect=0.0)


@pytest.fixture(scope="module")
def unassessed():
    return trained(train_size=1.0)


def compared(data, model):
    """Measured and predicted usage less the mean in training, missing below 1 TPM."""
    cells = model.test_indices
    isoforms = data["isoform"][cells, model.isoform_names].X.astype(float)
    genes = data["gene"][cells, model.isoform_genes].X.astype(float)
    mean = model.module.mean_usage.numpy()
    measured = np.where(genes >= 1, isoforms / np.maximum(genes, 1e-9), np.nan) - mean
    return measured, model.get_usage(indices=cells) - mean, isoforms, mean * genes


def test_scores_per_gene_are_those_of_its_isoforms(skilled):
    data, model = skilled
    table = model.evaluate(per="gene")
    measured, predicted, isoforms, baseline = compared(data, model)
    assert table.index.name == "gene"
    assert set(table.index) == set(model.isoform_genes)
    for gene in table.index[:5]:
        own = model.isoform_genes == gene
        known = ~np.isnan(measured[:, own])
        true, found = measured[:, own][known], predicted[:, own][known]
        expected = 1 - ((true - found) ** 2).sum() / (true**2).sum()
        assert table.loc[gene, "usage_r2"] == pytest.approx(expected, rel=1e-3)
        cosine = (true * found).sum() / np.sqrt((true**2).sum() * (found**2).sum())
        assert table.loc[gene, "usage_pearson"] == pytest.approx(cosine, rel=1e-3)
        logs = np.log2(1 + isoforms[:, own]).ravel()
        outputs = model.predict(indices=model.test_indices, log=True)[:, own].ravel()
        assert table.loc[gene, "mse"] == pytest.approx(((logs - outputs) ** 2).mean(), rel=1e-3)
        of_mean = ((logs - np.log2(1 + baseline[:, own]).ravel()) ** 2).mean()
        assert table.loc[gene, "mse_mean_usage"] == pytest.approx(of_mean, rel=1e-3)
        assert table.loc[gene, "pearson"] == pytest.approx(np.corrcoef(logs, outputs)[0, 1], 1e-3)
        assert table.loc[gene, "spearman"] == pytest.approx(spearmanr(logs, outputs)[0], rel=1e-3)
        assert table.loc[gene, "n_usage_values"] == known.sum()


def test_scores_per_sample_average_to_those_of_all(skilled):
    data, model = skilled
    table, whole = model.evaluate(per="sample"), model.evaluate()
    assert list(table.index) == list(data.obs_names[model.test_indices])
    for name in ("mse", "mse_mean_usage", "pearson", "spearman"):
        assert table[name].mean() == pytest.approx(whole[name], rel=1e-4)
    measured, predicted, *_ = compared(data, model)
    error, spread = np.nansum((measured - predicted) ** 2), np.nansum(measured**2)
    assert whole["usage_r2"] == pytest.approx(1 - error / spread, rel=1e-3)
    assert whole["n_samples"] == len(table)
    with pytest.raises(ValueError, match="`per`"):
        model.evaluate(per="isoform")


def test_edges_of_genes_with_skill_are_reliable(skilled, tmp_path):
    data, model = skilled
    written = tgem.tl.regulation(data, model, n_edges=60, copy=True)
    written.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")
    network, params = read.uns["deepsf_network"], read.uns["deepsf_network_params"]
    by_gene = model.evaluate(per="gene")["usage_r2"]
    np.testing.assert_allclose(network["r_squared"], network["gene"].astype(str).map(by_gene))
    np.testing.assert_array_equal(network["reliable"], network["r_squared"] > 0)
    assert network["reliable"].dtype == bool
    assert 0 < network["reliable"].sum() < 60
    assert params["assessed_on"] == "test"
    assert params["n_held_out"] == len(model.test_indices)
    assert params["n_reliable_edges"] == network["reliable"].sum()
    pd.testing.assert_series_equal(
        read.uns["deepsf_skill"]["usage_r2"], by_gene, check_names=False, check_index_type=False
    )


def test_only_reliable_edges_on_request(skilled):
    data, model = skilled
    written = tgem.tl.regulation(data, model, n_edges=60, reliable_only=True, copy=True)
    network = written.uns["deepsf_network"]
    assert len(network) == 60
    assert network["reliable"].all()
    by_gene = model.evaluate(per="gene")["usage_r2"]
    assert set(written.uns["deepsf_network_params"]["genes"]) == set(by_gene.index[by_gene > 0])


def test_hubs_and_plots_say_how_much_is_reliable(skilled):
    data, model = skilled
    written = tgem.tl.regulation(data, model, n_edges=60, copy=True)
    tgem.tl.hubs(written)
    hubs, network = written.uns["deepsf_hubs"], written.uns["deepsf_network"]
    expected = network.groupby("source")["reliable"].mean()
    np.testing.assert_allclose(hubs["reliable"], hubs["gene"].map(expected))
    text = f"{int(network['reliable'].sum())} of 60 edges"
    (ax,) = tgem.pl.network(written, show=False)
    assert text in ax.figure.get_supxlabel().replace("\n", " ")
    pale = {patch.get_alpha() for patch in ax.patches}
    assert len(pale) == 2
    (ax,) = tgem.pl.hubs(written, show=False)
    assert text in ax.figure.get_supxlabel().replace("\n", " ")


def test_without_skill_nothing_is_reliable(unskilled, tmp_path):
    data, model = unskilled
    assert model.evaluate()["usage_r2"] <= 0
    with pytest.warns(RegulationWarning, match=r"no edge is reliable: on 36 held-out samples"):
        written = tgem.tl.regulation(data, model, n_edges=40, copy=True)
    assert not written.uns["deepsf_network"]["reliable"].any()
    assert (written.uns["deepsf_network"]["r_squared"] > 0).any()  # by chance
    with pytest.warns(RegulationWarning):
        empty = tgem.tl.regulation(data, model, reliable_only=True, copy=True)
    assert len(empty.uns["deepsf_network"]) == 0
    assert len(empty.uns["deepsf_network_params"]["genes"]) == 0
    empty.write_h5mu(tmp_path / "data.h5mu")


def test_without_held_out_samples_nothing_is_assessed(unassessed):
    data, model = unassessed
    with pytest.warns(RegulationWarning, match="not assessed: the model has no held-out samples"):
        written = tgem.tl.regulation(data, model, n_edges=40, copy=True)
    network = written.uns["deepsf_network"]
    assert network["r_squared"].isna().all()
    assert not network["reliable"].any()
    assert written.uns["deepsf_network_params"]["assessed_on"] == "not assessed"
    assert "deepsf_skill" not in written.uns
    (ax,) = tgem.pl.network(written, show=False)
    assert "not assessed" in ax.figure.get_supxlabel()
    with pytest.raises(ValueError, match="held-out samples for `reliable_only=True`, found none"):
        tgem.tl.regulation(data, model, reliable_only=True)


@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")  # another simulation
def test_samples_of_another_cohort_can_be_named(unassessed):
    data, model = unassessed
    other = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=6, n_isoforms=90, seed=2)
    for table in (other, *other.mod.values()):
        table.obs_names = [f"other {i}" for i in range(40)]
    other.update()
    chosen = np.arange(40) < 30
    written = tgem.tl.regulation(other, model, n_edges=20, held_out=chosen, copy=True)
    assert written.uns["deepsf_network_params"]["assessed_on"] == "given"
    assert written.uns["deepsf_network_params"]["n_held_out"] == 30
    with pytest.raises(ValueError, match="5 of 5 have the names of training samples"):
        tgem.tl.regulation(data, model, held_out=range(5))
    with pytest.raises(ValueError, match="at least one sample"):
        tgem.tl.regulation(other, model, held_out=[])
    assert "deepsf_network" not in data.uns
