"""EpiAttention finds what drives expression in the simulated epigenome."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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


def test_planted_factors_are_hubs(data, model, genes):
    """In every cell type, also where a factor works in another one only: these are not told."""
    some = data[data.obs["gene_id"].isin(data.obs["gene_id"].iloc[genes])].copy()
    tgem.tl.regulatory_network(some, model, n_steps=10)
    tgem.tl.hubs(some)
    planted = data.uns["truth"]["effects"].query("modality == 'tf'")["name"]
    factors = data["tf"].var["factor"].unique()
    causal = np.isin(factors, planted)
    assert set(some.uns["epi_hubs"]["class"]) == {"A", "B"}
    for _, hubs in some.uns["epi_hubs"].groupby("class"):
        for size in ("degree", "strength"):
            found = hubs.set_index("gene")[size].reindex(factors, fill_value=0)
            assert average_precision_score(causal, found) >= 0.9


@pytest.mark.parametrize("modality", ["tf", "methylation", "histone"])
def test_a_modality_missing_for_half_of_the_genes(data, model, modality):
    """What is lost is what the modality knew, and genes that have it lose little.

    Without factors or without methylation for half of the genes the loss in AUROC is at most
    0.03. Marks carry most of the simulated signal: without them an oracle loses more than that,
    which is told the planted measurements and fits a logistic regression for each cell type,
    with and without the modality. So the network is compared with the oracle's loss.
    """
    half = tgem.datasets.synthetic_epigenome(n_genes=3000, seed=3, missing={modality: 0.5})
    EpiAttention.setup_mudata(half, expression_key="expression", cell_type_key="cell_type")
    other = EpiAttention(half)
    other.train(enable_progress_bar=False)
    test = model.test_indices
    np.testing.assert_array_equal(test, other.test_indices)
    high, has = data.obs["high"].to_numpy(), data.obs_names.isin(half[modality].obs_names)

    def loss(whole, missing, of=test):
        return roc_auc_score(high[of], whole[of]) - roc_auc_score(high[of], missing[of])

    everyone = np.ones(data.n_obs, bool)
    unavoidable = loss(
        oracle(data, model.train_indices, modality, everyone),
        oracle(data, model.train_indices, modality, has),
    )
    found = model.predict(soft=True), other.predict(soft=True)
    assert loss(*found) <= unavoidable + 0.03
    assert loss(*found, of=test[has[test]]) <= 0.03
    if modality == "histone":
        assert unavoidable > 0.03
    else:
        assert loss(*found) <= 0.03


def oracle(data, train, modality, has):
    """Scores of regressions on what was planted, where only some genes have a modality."""
    planted, gated = planted_measurements(data)
    high, score = data.obs["high"].to_numpy(), np.zeros(data.n_obs)
    for label in data.obs["cell_type"].unique():
        for present in (True, False):
            rows = np.flatnonzero((data.obs["cell_type"] == label) & (has == present))
            if not len(rows):
                continue
            known = [name for name in planted if present or name != modality]
            parts = [planted[name] for name in known]
            if {"methylation", "tf"} <= set(known):
                parts.append(gated)
            values = np.concatenate(parts, 1)
            fitted = make_pipeline(StandardScaler(), LogisticRegression())
            seen = np.intersect1d(rows, train)
            score[rows] = fitted.fit(values[seen], high[seen]).decision_function(values[rows])
    return score


def planted_measurements(data):
    """Levels of the planted peaks, CpGs and factors, and the factor that methylation gates."""
    truth, tf = data.uns["truth"], data["tf"].var
    bins = data["histone"].var.query("causal")
    peaks = [np.log1p(data["histone"][:, rows.index].X.mean(1)) for _, rows in bins.groupby("mark")]
    fraction = np.where(data["methylation"].layers["causal"], data["methylation"].X, np.nan)
    count = (~np.isnan(fraction)).sum(1)
    level = np.nansum(fraction, 1) / np.maximum(count, 1)
    unmethylated = (count == 0) | (level < truth["unmethylated_below"])
    level = np.where(count > 0, level, level[count > 0].mean())
    condition = truth["effects"].query("condition != ''")["name"].iloc[0]
    binding = data["tf"][:, (tf["factor"] == condition) & tf["causal"]].X
    planted = {
        "histone": np.stack(peaks, 1),
        "methylation": np.stack([level, unmethylated], 1),
        "tf": data["tf"][:, tf["causal"]].X,
    }
    return planted, binding * unmethylated[:, None]
