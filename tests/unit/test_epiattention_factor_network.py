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


def without_factors(mdata):
    """The same data, with the factors' own expression but nowhere at a gene."""
    parts = {name: table.copy() for name, table in mdata.mod.items()}
    parts["tf"].X[:, (parts["tf"].var["feature"] != "expression").to_numpy()] = 0
    other = mudata.MuData(parts)
    other.obs = mdata.obs.reindex(other.obs_names)
    return other


def test_edges_are_the_strongest_of_all(model, mdata):
    everything = model.get_factor_network(mdata, n_edges=EVERYTHING, n_steps=5)
    for label, edges in mdata.uns["epi_network"].groupby("class"):
        assert len(edges) == 50
        sizes = edges["weight"].abs().to_numpy()
        assert (np.diff(sizes) <= 0).all()
        of_type = everything[everything["class"] == label]
        assert sizes[-1] == pytest.approx(np.sort(of_type["weight"].abs())[-50])
        assert not edges.duplicated(["source", "target"]).any()


def test_weights_of_a_gene_are_what_its_factors_add(model, mdata):
    network = model.get_factor_network(mdata, n_edges=EVERYTHING, n_steps=200)
    logit = [
        pd.Series(found[:, 0], mdata.obs_names)
        for found in (
            model._outputs(mdata, None, None),
            model._outputs(without_factors(mdata), None, None),
        )
    ]
    added = network.groupby(network["target"] + "|" + network["class"])["weight"].sum()
    expected = (logit[0] - logit[1])[added.index]
    np.testing.assert_allclose(added, expected, atol=1e-3 * expected.abs().max())


def test_genes_without_factors_have_no_edges(model, mdata):
    network = model.get_factor_network(mdata, n_edges=EVERYTHING, n_steps=5)
    measured = set(mdata["tf"].obs["gene_id"])
    assert set(network["target"]) == measured
    assert len(network) == 2 * 8 * len(measured)


def test_only_expression_of_factors(mdata):
    other = mudata.MuData({name: table.copy() for name, table in mdata.mod.items()})
    other.obs = mdata.obs.reindex(other.obs_names)
    of_factors = (other["tf"].var["feature"] == "expression").to_numpy()
    other.mod["tf"] = other["tf"][:, of_factors].copy()
    other.update()
    with pytest.raises(ValueError, match="same at every gene"):
        tgem.tl.regulatory_network(other, trained_on(other))


def test_an_activator_at_most_genes_raises_those_that_it_is_at():
    rng = np.random.default_rng(0)
    genes, factors = [f"G{i}" for i in range(400)], [f"T{i}" for i in range(4)]
    bound = rng.random((400, 4)) < np.array([0.85, 0.85, 0.3, 0.3])
    level = 3.0 * bound[:, 0] - 3.0 * bound[:, 1] + rng.normal(size=400)
    edges = pd.DataFrame(
        [(factors[j], genes[i]) for i, j in zip(*np.nonzero(bound), strict=True)],
        columns=["tf", "target"],
    )
    expression = pd.Series(np.concatenate([level, rng.normal(5, 1, 4)]), genes + factors)
    features = tgem.pp.tf_features(edges, expression, genes)
    mdata = tgem.pp.epigenome_mudata({"tf": features}, expression[genes])
    EpiAttention.setup_mudata(mdata, expression_key="expression")
    model = EpiAttention(mdata, task="regression")
    model.train(max_epochs=40, enable_progress_bar=False)
    network = model.get_factor_network(n_edges=300)
    is_at = pd.DataFrame(bound, genes, factors)
    assert all(is_at.loc[e.target, e.source] for e in network.itertuples())
    signs = np.sign(network["weight"]).groupby(network["source"]).mean()
    assert signs["T0"] > 0.95
    assert signs["T1"] < -0.95


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
