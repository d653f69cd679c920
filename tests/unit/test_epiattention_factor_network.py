"""The network of factors and genes holds the strongest attributions, and its hubs are factors."""

import matplotlib.pyplot as plt
import mudata
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem.model import EpiAttention
from tgem.model.epiattention._factor_network import factor_network

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    pytest.mark.filterwarnings("ignore:.*modality.*:UserWarning:mudata"),
]
SIZES = {"n_genes": 30, "n_marks": 2, "n_bins": 5, "max_cpg": 4, "n_factors": 8}
KEYS = {"expression_key": "expression", "cell_type_key": "cell_type"}
EVERYTHING = 30 * 8


def simulated():
    return tgem.datasets.synthetic_epigenome(**SIZES, missing={"tf": 0.3})


def trained_on(mdata, setup=KEYS):
    EpiAttention.setup_mudata(mdata, **setup)
    model = EpiAttention(mdata)
    model.train(max_epochs=2, enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def model():
    return trained_on(simulated())


@pytest.fixture
def mdata(model):
    found = simulated()
    tgem.tl.regulatory_network(found, model, n_edges=50, n_steps=5)
    return found


def dense(model, mdata):
    """Weights of all factors on all genes, from the attributions themselves."""
    found = model.get_attributions(mdata, n_steps=5).values["tf"].sum(2, dtype=float)
    rows = pd.MultiIndex.from_frame(mdata.obs[["cell_type", "gene_id"]].astype(str))
    return pd.DataFrame(found, rows, model.feature_names("tf")[0])


def test_edges_are_the_strongest_attributions(model, mdata):
    weights = dense(model, mdata)
    for label, edges in mdata.uns["epi_network"].groupby("class"):
        assert len(edges) == 50
        of_type = weights.loc[label]
        expected = [of_type.loc[e.target, e.source] for e in edges.itertuples()]
        np.testing.assert_allclose(edges["weight"], expected, atol=1e-7)
        sizes = edges["weight"].abs().to_numpy()
        assert (np.diff(sizes) <= 0).all()
        assert sizes[-1] == pytest.approx(np.sort(of_type.abs().to_numpy(), axis=None)[-50])
        assert not edges.duplicated(["source", "target"]).any()


def test_genes_without_factors_have_no_edges(model, mdata):
    network = model.get_factor_network(mdata, n_edges=EVERYTHING, n_steps=5)
    measured = set(mdata["tf"].obs["gene_id"])
    assert set(network["target"]) == measured
    assert len(network) == 2 * 8 * len(measured)


def test_order_and_choice_of_observations(model, mdata):
    shuffled = mdata[np.random.default_rng(0).permutation(mdata.n_obs)].copy()
    first, second = (
        model.get_factor_network(data, n_edges=20, n_steps=5).sort_values(
            ["class", "source", "target"], ignore_index=True
        )
        for data in (mdata, shuffled)
    )
    names = ["class", "source", "target"]
    pd.testing.assert_frame_equal(first[names], second[names])
    np.testing.assert_allclose(first["weight"], second["weight"], atol=1e-6)
    of_type = (mdata.obs["cell_type"] == "B").to_numpy()
    alone = model.get_factor_network(mdata, of_type, n_edges=20, n_steps=5)
    assert set(alone["class"]) == {"B"}
    assert set(zip(alone["source"], alone["target"], strict=True)) == {
        (row.source, row.target) for row in first[first["class"] == "B"].itertuples()
    }


def test_equal_weights_are_ordered_by_name():
    genes = np.array(["g2", "g1"], dtype=object)
    labels = np.array(["A", "A"], dtype=object)
    weights = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, 0.0]])
    edges = factor_network(weights, ["b", "a", "c"], genes, labels, n_edges=3)
    assert edges[["source", "target", "weight"]].to_numpy().tolist() == [
        ["a", "g1", 2.0],
        ["a", "g2", -1.0],
        ["b", "g1", -1.0],
    ]
    everything = factor_network(weights, ["b", "a", "c"], genes, labels, n_edges=100)
    assert len(everything) == 4
    nothing = factor_network(0 * weights, ["b", "a", "c"], genes, labels, n_edges=3)
    assert list(nothing) == ["class", "source", "target", "weight"]
    assert nothing.empty


def test_hubs_are_factors_that_send_edges(mdata):
    tgem.tl.hubs(mdata)
    table = mdata.uns["epi_hubs"]
    assert mdata.uns["epi_hubs_params"]["direction"] == "out"
    network = mdata.uns["epi_network"]
    for label, rows in table.groupby("class"):
        edges = network[network["class"] == label]
        degree = edges["source"].value_counts()
        strength = edges["weight"].abs().groupby(edges["source"]).sum()
        found = rows.set_index("gene")
        found = found[found["degree"] > 0]
        assert found["degree"].to_dict() == degree.to_dict()
        pd.testing.assert_series_equal(
            found["strength"].sort_index(), strength.sort_index(), check_names=False
        )


def test_survives_h5mu_and_is_drawn(mdata, tmp_path):
    tgem.tl.hubs(mdata)
    mdata.write(tmp_path / "data.h5mu")
    back = mudata.read_h5mu(tmp_path / "data.h5mu")
    pd.testing.assert_frame_equal(back.uns["epi_network"], mdata.uns["epi_network"])
    params = back.uns["epi_network_params"]
    assert params["method"] == "integrated_gradients"
    assert params["n_edges"] == 50
    assert params["tgem_version"] == tgem.__version__
    tgem.tl.hubs(back)
    assert len(tgem.pl.hubs(back, show=False)) == 2
    assert len(tgem.pl.network(back, show=False)) == 2
    plt.close("all")


def test_copy_and_prefix(model):
    mdata = simulated()
    changed = tgem.tl.regulatory_network(
        mdata, model, method="input_x_gradient", n_edges=5, key_added="mine", copy=True
    )
    assert not [key for key in mdata.uns if "network" in key]
    assert len(changed.uns["mine_network"]) == 10
    tgem.tl.hubs(changed, key_added="mine")
    assert changed.uns["mine_hubs"]["degree"].sum() == 10


def test_a_model_without_factors(model):
    mdata = simulated()
    other = mudata.MuData({"histone": mdata["histone"].copy()})
    other.obs = mdata.obs
    without = trained_on(other)
    with pytest.raises(ValueError, match=r"modality 'tf'.*this one has 'histone'"):
        tgem.tl.regulatory_network(other, without)


def test_a_gene_twice_in_a_cell_type():
    mdata = simulated()
    model = trained_on(mdata, {"expression_key": "expression"})
    before = set(mdata.uns)
    with pytest.raises(ValueError, match=r"found 30 of 60 .*'GENE0001' in 'all'.*cell_type_key"):
        tgem.tl.regulatory_network(mdata, model)
    assert set(mdata.uns) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_edges": 0}, "n_edges"),
        ({"method": "attention"}, "method"),
        ({"baseline": "median"}, "baseline"),
        ({"n_steps": 0}, "n_steps"),
    ],
)
def test_wrong_settings(model, arguments, message):
    mdata = simulated()
    before = set(mdata.uns)
    with pytest.raises(ValueError, match=message):
        tgem.tl.regulatory_network(mdata, model, **arguments)
    assert set(mdata.uns) == before


def test_untrained():
    mdata = simulated()
    EpiAttention.setup_mudata(mdata, **KEYS)
    with pytest.raises(RuntimeError, match="train"):
        tgem.tl.regulatory_network(mdata, EpiAttention(mdata))
