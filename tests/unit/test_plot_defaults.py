"""What plots leave out, how they name what they count, and where they save."""

import inspect
from pathlib import Path

import anndata as ad
import matplotlib.pyplot as plt
import mudata
import numpy as np
import pandas as pd
import pytest

from tgem import pl, tl
from tgem._core import keys
from tgem._core.mudata_compat import columns_stay

CLASSES = [f"class {at}" for at in range(8)]


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def adata():
    """Attributions, shares and counts of eight classes, of which two have cells."""
    adata = ad.AnnData(np.ones((3, 6), dtype=np.float32))
    means = pd.DataFrame(np.nan, index=adata.var_names, columns=CLASSES)
    means["class 2"], means["class 5"] = np.arange(6.0), np.arange(6.0)[::-1]
    keys.ATTRIBUTION_MEAN.write(adata, means)
    keys.ATTRIBUTION_SHARE.write(adata, means / 6)
    pairs = pd.DataFrame([(a, b, 0) for a in CLASSES for b in CLASSES])
    counts = pairs.set_axis(["true", "predicted", "n_cells"], axis="columns")
    counts.loc[(counts["true"] == "class 2") & (counts["predicted"] == "class 2"), "n_cells"] = 3
    counts.loc[(counts["true"] == "class 2") & (counts["predicted"] == "class 5"), "n_cells"] = 1
    keys.CONFUSION.write(adata, counts)
    return adata


@pytest.fixture
def splicing():
    """One factor, three isoforms of one gene and one of another."""
    with columns_stay():
        names = pd.DataFrame(index=["F", "G", "H"])
        mdata = mudata.MuData({"gene": ad.AnnData(np.ones((3, 3), dtype=np.float32), var=names)})
    mdata.uns["deepsf_network"] = pd.DataFrame(
        {"source": "F", "target": ["G1", "G2", "G3", "H1"], "gene": ["G", "G", "G", "H"]}
    ).assign(weight=1.0, reliable=[True, True, True, False])
    mdata.uns["deepsf_network_params"] = {
        "assessed_on": "test", "n_held_out": 9, "n_edges": 4, "n_reliable_edges": 3,
        "r_squared": 0.2, "n_genes": 2, "n_reliable_genes": 1, "sources": "factors",
    }  # fmt: skip
    return mdata


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


class TestClassesWithoutCells:
    def test_bars(self, adata):
        axes = pl.attribution(adata)
        assert [ax.get_title() for ax in axes] == ["class 2", "class 5"]
        assert "6 classes without cells left out" in axes[0].figure.get_supxlabel()
        asked = pl.attribution(adata, classes=["class 2", "class 0"])
        assert len(asked) == 2
        assert "left out" not in asked[0].figure.get_supxlabel()

    @pytest.mark.parametrize("kind", ["heatmap", "dotplot"])
    def test_fields(self, adata, kind):
        ax = pl.attribution(adata, kind=kind)
        assert labels(ax.yaxis) == ["class 2", "class 5"]
        assert ax.get_xlabel() == "6 classes without cells left out"
        assert labels(pl.attribution(adata, kind=kind, classes=CLASSES).yaxis) == CLASSES

    def test_one_class_fits_the_given_axes(self, adata):
        _, ax = plt.subplots()
        means = keys.ATTRIBUTION_MEAN.read(adata)
        keys.ATTRIBUTION_MEAN.write(adata, means.assign(**{"class 5": np.nan}))
        assert pl.attribution(adata, ax=ax) == [ax]
        assert "7 classes without cells" in ax.get_xlabel()

    def test_confusion(self, adata):
        ax = pl.confusion(adata)
        assert labels(ax.xaxis) == labels(ax.yaxis) == ["class 2", "class 5"]
        assert "6 classes without cells left out" in ax.get_xlabel()
        assert ax.images[0].get_array()[0].tolist() == [0.75, 0.25]
        asked = pl.confusion(adata, classes=["class 2", "class 1"])
        assert labels(asked.xaxis) == ["class 2", "class 1"]
        assert asked.get_xlabel() == "predicted"
        assert asked.images[0].get_array()[0].tolist() == [0.75, 0.0]
        with pytest.raises(ValueError, match="got 'T'"):
            pl.confusion(adata, classes=["T"])


class TestHubsOfGenes:
    def test_what_is_counted_is_named(self, splicing):
        tl.hubs(splicing)
        title = pl.hubs(splicing)[0].figure.get_supxlabel()
        assert title.startswith("degree (number of edges)\n3 of 4 edges reliable")
        tl.hubs(splicing, targets="gene")
        title = pl.hubs(splicing)[0].figure.get_supxlabel()
        assert title.startswith("degree (number of genes)")
        assert "1 of 2 pairs of factor and gene" in title.replace("\n", " ")
        assert splicing.uns["deepsf_hubs"]["reliable"].tolist() == [0.5]
        tl.hubs(splicing, targets="gene", direction="in")
        assert "(number of factors)" in pl.hubs(splicing)[0].figure.get_supxlabel()
        found = splicing.uns["deepsf_hubs"].set_index("gene")["reliable"]
        assert found.to_dict() == {"G": 1.0, "H": 0.0}


class TestEnrichmentOfTargets:
    @pytest.mark.parametrize("prefix", ["deepsf", "epi"])
    def test_prefix_is_found(self, splicing, prefix):
        splicing.uns[f"{prefix}_network"] = splicing.uns.pop("deepsf_network")
        sets = {"both": ["G", "H"]}
        tl.enrich_targets(splicing, sets, min_targets=1, background=["F", "G", "H"])
        ax = pl.enrich(splicing)
        assert labels(ax.xaxis) == ["F"]
        splicing.uns["tgem_enrichment"] = splicing.uns[f"{prefix}_enrichment"]
        with pytest.raises(ValueError, match=r"'tgem_enrichment', .*`key_added`"):
            pl.enrich(splicing)

    def test_the_tool_for_a_mudata_is_named(self, splicing):
        with pytest.raises(KeyError, match=r"tgem\.tl\.enrich_targets\(mdata"):
            pl.enrich(splicing)
        with pytest.raises(KeyError, match=r"as 'mine_enrichment'.*enrich_targets"):
            pl.enrich(splicing, key_added="mine")


class TestNetwork:
    def test_long_names_stay_within_the_axes(self):
        generator = np.random.default_rng(0)
        genes = np.array([f"ENSG000001{at:05d}" for at in range(40)])
        network = pd.DataFrame({"class": "B", "source": genes[generator.integers(4, size=60)]})
        network = network.assign(target=genes[generator.integers(4, 40, size=60)])
        adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
        adata.uns["tgem_network"] = network.assign(weight=generator.normal(size=60))
        (ax,) = pl.network(adata, n_labels=30)
        figure = ax.figure.figure
        figure.draw_without_rendering()
        frame = ax.get_window_extent()
        named = [text for text in ax.texts if text.get_visible()]
        assert len(named) > 10
        for text in named:
            box = text.get_window_extent()
            assert box.x0 >= frame.x0 - 2, text.get_text()
            assert box.x1 <= frame.x1 + 2, text.get_text()


class TestStability:
    @pytest.fixture
    def trained_again(self, adata):
        order = ["4", "1", "3", "2"]
        network = pd.DataFrame({"class": order, "layer": 1, "source": "a", "target": "b"})
        adata.uns["tgem_network"] = network.assign(weight=1.0)
        table = network.sort_values("class").assign(weight=1.0, frequency=[0.2, 0.9, 0.4, 0.7])
        adata.uns["tgem_stability"] = table.assign(in_network=[True, True, False, True])
        hubs = pd.DataFrame({"class": ["1", "2", "3", "4"], "gene": "a", "mean_rank": 1.0})
        adata.uns["tgem_stability_hubs"] = hubs.assign(frequency=[0.2, 0.9, 0.4, 0.7])
        return adata, order

    @pytest.mark.parametrize("of", ["hubs", "edges"])
    def test_classes_in_the_order_of_the_network(self, trained_again, of):
        adata, order = trained_again
        assert [ax.get_title() for ax in pl.stability(adata, of=of)] == order
        del adata.uns["tgem_network"]
        assert [ax.get_title() for ax in pl.stability(adata, of=of)] == sorted(order)

    def test_marks_are_named(self, trained_again):
        adata, _ = trained_again
        (key,) = pl.stability(adata, of="edges")[0].figure.legends
        assert [text.get_text() for text in key.texts] == ["in the network", "not in the network"]
        _, ax = plt.subplots()
        pl.stability(adata, of="edges", classes=["1"], ax=ax)
        assert [text.get_text() for text in ax.get_legend().texts] == ["in the network"]
        assert not pl.stability(adata)[0].figure.legends


def test_one_cell_is_no_cells(adata):
    rows = pd.DataFrame({"class": ["all", "a"], "mode": "deletion", "order": "largest"})
    keys.ABLATION.write(adata, rows.assign(fraction=0.1, accuracy=0.5, n_cells=[1_000, 1]))
    assert "1,000 cells" in pl.ablation(adata)[0].get_title()
    assert pl.ablation(adata, classes=["a"])[0].get_title() == "a\n1 cell"
    row = {"class": "a", "bin": 9, "confidence": 0.9, "accuracy": 1.0, "low": 0.1, "high": 1.0}
    keys.CALIBRATION.write(adata, pd.DataFrame([row | {"n_cells": 1}]))
    assert pl.calibration(adata, classes=["a"]).get_title() == "a\n1 cell"


def test_history_into_given_axes(adata):
    curves = {"train_loss": [1.0, 0.5], "validation_accuracy": [0.5, 0.6]}
    keys.HISTORY.write(adata, pd.DataFrame(curves))
    figure, ax = plt.subplots()
    assert pl.history(adata, metrics=[], ax=ax) == [ax]
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match=r"Choose one with `metrics=\[\]`"):
        pl.history(adata, ax=ax)


@pytest.mark.parametrize("name", pl.__all__)
def test_every_plot_draws_into_given_axes(name):
    assert "ax" in inspect.signature(getattr(pl, name)).parameters


class TestSave:
    @pytest.mark.parametrize("save", [".pdf", "_x.png", "_x"])
    def test_an_ending_is_no_file(self, adata, save, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=f"Name the file: save='figure{save}'"):
            pl.confusion(adata, save=save)
        assert not list(tmp_path.iterdir())

    def test_neither_is_true(self, adata):
        with pytest.raises(TypeError, match=r"path of a file, .* got True"):
            pl.confusion(adata, save=True)

    @pytest.mark.parametrize("save", ["./_x.png", "x.png", Path("_x.png")])
    def test_paths_are_paths(self, adata, save, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        pl.confusion(adata, save=save)
        assert [file.name for file in tmp_path.iterdir()] == [Path(save).name]
