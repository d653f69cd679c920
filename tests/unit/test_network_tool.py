"""The network in the data: slots, files, shares, and what is said of idle attention."""

from copy import copy, deepcopy

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import tgem
from tgem._core.errors import AttentionWarning, GeneAlignmentWarning
from tgem.tl import _network

QUIET = {"enable_progress_bar": False}
COLUMNS = ["class", "layer", "source", "target", "weight"]


@pytest.fixture(scope="module")
def interacting():
    """Classes that differ through products of genes alone: the attention must decide."""
    adata = tgem.datasets.synthetic_expression(n_obs=400, n_genes=50, interaction_only=True, seed=0)
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(
        {"type_1": "CD4+/CD25 T Reg"}
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(max_epochs=25, **QUIET)
    return model, adata


@pytest.fixture
def written(interacting):
    model, adata = interacting
    return tgem.tl.network(adata, model, n_edges=30, copy=True)


def test_slots(interacting, written):
    model, adata = interacting
    assert "tgem_network" not in adata.uns
    table, params = written.uns["tgem_network"], written.uns["tgem_network_params"]
    assert list(table) == COLUMNS
    assert (table.groupby("class").size() == 30).all()
    assert "CD4+/CD25 T Reg" in set(table["class"])
    pd.testing.assert_frame_equal(table, model.get_network(adata, n_edges=30))
    assert params["n_cells"] == params["layers"]["n_cells"].sum()
    assert params["largest_residual"] < 1e-10


def test_shares_are_medians_over_the_cells_of_the_network(interacting, written, monkeypatch):
    model, adata = interacting
    params = written.uns["tgem_network_params"]
    right = np.flatnonzero(model.predict(adata) == adata.obs["cell_type"].to_numpy())
    shares = model.get_attention_share(adata, right)
    for name in ("share_mean", "share_zero"):
        assert params[name] == pytest.approx(shares[name].median(), rel=1e-5)
        assert params[f"{name}_low"] < params[name] < params[f"{name}_high"]
    assert params["share_mean_low"] > 0.01  # or the fixture's attention would be idle
    monkeypatch.setattr(_network, "SHARE_CELLS", 20)
    fewer = tgem.tl.network(adata, model, n_edges=3, copy=True).uns["tgem_network_params"]
    assert fewer["n_cells_share"] == 20
    assert fewer["share_mean"] != params["share_mean"]


def test_share_against_nothing_is_that_of_dense_maps(interacting):
    """One cell's maps with the values of many, by hand."""
    model, adata = interacting
    module, cells = model.module, torch.from_numpy(model.get_expression(indices=range(5)))

    def logits(of_maps, of_values):
        x, values = module.levels(of_maps), module.levels(of_values)
        q = x.clamp(-3, 3)[:, None] * module.attention.query
        maps = (q[..., None] * module.attention.key[:, None, :]).softmax(-1)
        maps = maps * (1 - torch.eye(x.shape[1]))
        contexts = (maps @ values[:, None, :, None])[..., 0]
        added = torch.einsum("chg,nhg->nc", module.context_query, contexts)
        return module.level_query(values) + module.context_weight * added

    with torch.no_grad():
        nothing = torch.zeros(1, cells.shape[1])
        own, zero, empty = (
            logits(cells, cells),
            logits(nothing, cells),
            logits(nothing, nothing),
        )
        code = own.argmax(1)[:, None]
        expected = ((own - zero) / (own - empty)).gather(1, code)[:, 0]
    found = model.get_attention_share(adata, range(5))["share_zero"]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_plots_and_hubs_read_it(written):
    axes = tgem.pl.network(written, n_edges=10, show=False)
    assert len(axes) == written.uns["tgem_network"]["class"].nunique()
    assert "cell-specific share of attention" in axes[0].figure.get_supxlabel()
    plt.close("all")
    tgem.tl.hubs(written)
    hubs = written.uns["tgem_hubs"]
    assert set(hubs["class"]) == set(written.uns["tgem_network"]["class"])
    assert (hubs.groupby("class")["degree"].sum() == 60).all()


def test_files(interacting, written, tmp_path):
    model, adata = interacting
    written.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    table = read.uns["tgem_network"]
    pd.testing.assert_frame_equal(
        table.reset_index(drop=True), written.uns["tgem_network"], check_dtype=False
    )
    model.save(tmp_path / "model")
    loaded = tgem.model.TGEM.load(tmp_path / "model", adata=adata.copy())
    again = tgem.tl.network(read, loaded, n_edges=30, key_added="again", copy=True)
    pd.testing.assert_frame_equal(again.uns["again_network"], written.uns["tgem_network"])
    params = again.uns["again_network_params"]
    assert params["share_mean"] == written.uns["tgem_network_params"]["share_mean"]


def test_other_cells_with_fewer_genes(interacting):
    model, adata = interacting
    other = adata[::2, 2:].copy()
    with pytest.warns(GeneAlignmentWarning):
        tgem.tl.network(other, model, n_edges=5, baseline="mean")
    assert other.uns["tgem_network_params"]["baseline"] == "mean"
    assert len(other.uns["tgem_network"])


def test_errors_leave_the_data_alone(interacting, tiny_adata):
    model, adata = interacting
    before = set(adata.uns)
    for options, error in (
        ({"n_edges": 0}, ValueError),
        ({"baseline": "uniform"}, ValueError),
        ({"groupby": "half"}, KeyError),
        ({"indices": []}, ValueError),
    ):
        with pytest.raises(error):
            tgem.tl.network(adata, model, **options)
    with pytest.raises(TypeError, match="AnnData"):
        tgem.tl.network(adata.X, model)
    tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
    with pytest.raises(RuntimeError, match="not trained"):
        tgem.tl.network(tiny_adata, tgem.model.TGEM(tiny_adata))
    assert set(adata.uns) == before


def test_a_model_without_its_cells_says_what_to_do(interacting, tmp_path):
    model, adata = interacting
    model.save(tmp_path / "model")
    loaded = tgem.model.TGEM.load(tmp_path / "model")
    with pytest.raises(ValueError, match="Attach them"):
        tgem.tl.network(adata, loaded, n_edges=5)
    assert len(loaded.get_network(adata, n_edges=5))  # needs no training cells


class TestIdleAttention:
    def test_maps_that_are_the_same_in_all_cells(self, interacting):
        model, adata = interacting
        idle = copy(model)
        idle.module = deepcopy(model.module)
        with torch.no_grad():
            idle.module.attention.query.zero_()
        other = adata[:100].copy()
        other.obs["all"] = "cells"
        with pytest.warns(AttentionWarning, match="has no edges"):
            tgem.tl.network(other, idle, groupby="all", n_edges=5)
        assert abs(other.uns["tgem_network_params"]["share_mean"]) < 1e-4
        assert other.uns["tgem_network"].empty

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ((0.004, 0.003, 0.005), "below 1%"),
            ((0.2, -0.1, 0.5), "cannot be told from 0"),
            ((-0.2, -0.3, -0.1), "speak against"),
        ],
    )
    def test_message(self, limits, message):
        names = ("share_mean", "share_mean_low", "share_mean_high")
        with pytest.warns(AttentionWarning, match=message):
            _network._warn_of_idle_attention(dict(zip(names, limits, strict=True)), n_edges=3)

    def test_working_attention_is_not_warned_of(self, interacting, recwarn):
        model, adata = interacting
        tgem.tl.network(adata, model, n_edges=5, copy=True)
        assert not [each for each in recwarn if issubclass(each.category, AttentionWarning)]
