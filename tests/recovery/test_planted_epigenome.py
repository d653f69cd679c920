"""EpiAttention finds what drives expression in the simulated epigenome."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import tgem
from tgem.model import EpiAttention

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
]
N_REGIONS = 20


@pytest.fixture(scope="module")
def data():
    return tgem.datasets.synthetic_epigenome(n_genes=3000, seed=3)


@pytest.fixture(scope="module")
def model(data):
    EpiAttention.setup_mudata(data, expression_key="expression", cell_type_key="cell_type")
    trained = EpiAttention(data)
    trained.train(enable_progress_bar=False)
    return trained


@pytest.fixture(scope="module")
def genes(data):
    return np.random.default_rng(0).choice(data.n_obs, 300, replace=False)


@pytest.fixture(scope="module")
def attributions(model, genes):
    return model.get_attributions(indices=genes, n_steps=20).values


def test_marks_in_their_bins(data, attributions):
    found = np.abs(attributions["histone"]).mean(0)
    causal = data["histone"].var["causal"].to_numpy().reshape(found.shape)
    assert average_precision_score(causal.ravel(), found.ravel()) >= 0.9
    assert average_precision_score(causal.any(1), found.sum(1)) == 1


def test_region_of_cpgs(data, genes, attributions):
    values = np.abs(attributions["methylation"][:, :, 0])
    positions = data["methylation"].X.reshape(data.n_obs, -1, 2)[genes][:, :, 1]
    real = ~np.isnan(positions)
    region = np.clip((positions[real] + 1) / 2 * N_REGIONS, 0, N_REGIONS - 1).astype(int)
    mean = np.bincount(region, values[real], N_REGIONS) / np.bincount(region, minlength=N_REGIONS)
    middle = (np.arange(N_REGIONS) + 0.5) / N_REGIONS * 2 - 1
    assert average_precision_score(np.abs(middle) < 0.15, mean) >= 0.9


def test_factors(data, model, genes):
    table = model.get_importance(indices=genes, by="factor")
    importance = table.groupby("name")["importance"].mean()
    causal = data["tf"].var.groupby("factor")["causal"].any()[importance.index]
    assert average_precision_score(causal, importance) >= 0.9


def test_binding_of_factors(data, attributions):
    found = np.abs(attributions["tf"]).mean(0)
    causal = data["tf"].var["causal"].to_numpy().reshape(found.shape)
    binding = causal.any(0)
    assert average_precision_score(causal[:, binding].ravel(), found[:, binding].ravel()) >= 0.9


def test_specific_genes(data, model):
    mdata = data.copy()
    tgem.tl.predict_expression(mdata, model)
    tgem.tl.cell_type_specific_genes(mdata)
    for label, part in mdata.obs.groupby("cell_type", observed=True):
        specific = part["specific_to"] == label
        assert roc_auc_score(specific, part["epi_specificity"]) >= 0.9


@pytest.mark.parametrize("modality", ["methylation", "tf"])
def test_a_modality_missing_for_half_of_the_genes(data, model, modality):
    half = tgem.datasets.synthetic_epigenome(n_genes=3000, seed=3, missing={modality: 0.5})
    EpiAttention.setup_mudata(half, expression_key="expression", cell_type_key="cell_type")
    other = EpiAttention(half)
    other.train(enable_progress_bar=False)
    whole = model.evaluate().loc["all", "auroc"]
    assert other.evaluate().loc["all", "auroc"] >= whole - 0.03
