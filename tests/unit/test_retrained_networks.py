"""Models trained again: hubs against permuted labels, stability, differences, gene sets."""

import anndata as ad
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem import net
from tgem._core.errors import AttentionWarning, TrainingWarning
from tgem.model._base import RetrainedClassifier
from tgem.model._base._attention_network import AttentionNetwork

QUIET = {"enable_progress_bar": False}


def simulated(seed=0):
    """Two classes that differ through products of genes alone."""
    return tgem.datasets.synthetic_expression(
        n_obs=500,
        n_genes=30,
        n_classes=2,
        n_causal=6,
        n_decoys=4,
        interaction_only=True,
        seed=seed,
    )


@pytest.fixture(scope="module")
def written():
    """A model whose attention decides, and cells with its network. Copy before writing."""
    adata = simulated()
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({"type_1": "CD4+/CD25"})
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, n_heads=8)
    model.train(max_epochs=10, **QUIET)
    tgem.tl.network(adata, model, n_edges=60)
    assert model.attention_gain.weight > 0
    return model, adata


@pytest.fixture(scope="module")
def tested(written):
    """The same with hubs tested against three trainings on permuted labels."""
    model, adata = written
    return tgem.tl.hubs(adata, model, n_permutations=3, copy=True)


@pytest.fixture(scope="module")
def stable(written):
    model, adata = written
    return tgem.tl.stability(adata, model, n_runs=2, n_hubs=5, copy=True)


class TestRetraining:
    def test_same_seed_and_labels_give_the_same_model(self, written):
        model, adata = written
        labels, keys = adata.obs["cell_type"].copy(), set(adata.uns)
        again = model.retrained()
        assert again.digest == model.digest
        assert again.adata is not adata
        assert np.shares_memory(again.adata.X.data, adata.X.data)
        pd.testing.assert_series_equal(adata.obs["cell_type"], labels)
        assert set(adata.uns) == keys
        for part in ("train", "validation", "test"):
            indices = f"{part}_indices"
            np.testing.assert_array_equal(getattr(again, indices), getattr(model, indices))

    def test_labels_are_permuted_within_the_parts(self, written):
        model, adata = written
        permuted = model._permuted_labels(np.random.default_rng(0))
        assert not permuted.equals(adata.obs["cell_type"])
        for cells in (model.train_indices, model.validation_indices, model.test_indices):
            before, after = adata.obs["cell_type"].iloc[cells], permuted.iloc[cells]
            assert before.value_counts().to_dict() == after.value_counts().to_dict()

    def test_a_saved_model_can_be_trained_again(self, written, tmp_path):
        model, adata = written
        model.save(tmp_path / "model")
        loaded = tgem.model.TGEM.load(tmp_path / "model", adata=adata.copy())
        assert loaded.digest == model.digest
        assert loaded._trainings == model._trainings
        without = tgem.model.TGEM.load(tmp_path / "model")
        with pytest.raises(ValueError, match="Attach them"):
            without.retrained()
        loaded._trainings = []
        with pytest.raises(ValueError, match="settings"):
            loaded.retrained()

    def test_expression_in_a_layer_and_labels_that_are_missing(self):
        adata = simulated()
        adata.layers["logged"] = adata.X.copy()
        adata.X = adata.layers["counts"].copy()
        adata.obs.loc[adata.obs_names[:30], "cell_type"] = np.nan
        with pytest.warns(TrainingWarning, match="no label"):
            tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type", layer="logged")
        model = tgem.model.TGEM(adata, preset="paper", n_layers=1, n_heads=1)
        model.train(max_epochs=1, **QUIET)
        assert model.retrained().digest == model.digest
        assert model._permuted_labels(np.random.default_rng(0)).iloc[:30].isna().all()
        parts = model.get_networks_of_parts([range(100), range(100, 200)], n_edges=5)
        assert [len(part) for part in parts] == [5, 5]

    def test_bootstrap_draws_training_cells_of_each_class(self, written):
        model, adata = written
        cells = model.bootstrapped_cells(np.random.default_rng(0))
        assert set(cells) < set(model.train_indices)
        assert len(np.unique(cells)) == len(cells)
        assert 0.55 < len(cells) / len(model.train_indices) < 0.72
        assert adata.obs["cell_type"].iloc[cells].nunique() == 2


class TestHubs:
    def test_slots(self, written, tested):
        assert "tgem_hubs" not in written[1].uns
        assert "tgem_hubs_null" not in written[1].uns
        hubs, null = tested.uns["tgem_hubs"], tested.uns["tgem_hubs_null"]
        assert hubs["p_value"].between(0, 1).all()
        assert (hubs["fdr"] >= hubs["p_value"]).all()
        assert tested.uns["tgem_hubs_params"]["null"] == "permuted labels"
        assert tested.uns["tgem_hubs_params"]["statistic"] == "strength"
        assert set(null["permutation"]) == {0, 1, 2}
        assert set(null["class"]) == {"CD4+/CD25", "type_2"}
        # a null network has as many edges as the observed one
        totals = null.groupby(["permutation", "class"], observed=True)["out_degree"].sum()
        assert (totals == 60).all()

    def test_p_values_are_those_of_the_null_networks(self, written, tested):
        model, adata = written
        nulls = [model.get_null_network(permutation=at, n_edges=60).edges for at in range(3)]
        expected = net.hub_significance(
            adata.uns["tgem_network"], nulls, statistic="strength", genes=model.gene_names
        )
        pd.testing.assert_frame_equal(
            tested.uns["tgem_hubs"], expected.drop(columns="n_null"), check_dtype=False
        )

    def test_kept_trainings_are_used_again(self, written, tested, monkeypatch, tmp_path):
        model, _ = written
        tested.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        asked = []
        real = RetrainedClassifier.get_null_network

        def counted(self, *args, permutation, **options):
            asked.append(permutation)
            return real(self, *args, permutation=permutation, **options)

        monkeypatch.setattr(RetrainedClassifier, "get_null_network", counted)
        tgem.tl.hubs(read)
        pd.testing.assert_frame_equal(
            read.uns["tgem_hubs"], tested.uns["tgem_hubs"], check_dtype=False
        )
        assert asked == []
        tgem.tl.hubs(read, model, n_permutations=4)
        assert asked == [3]
        assert read.uns["tgem_hubs_params"]["n_permutations"] == 4
        tgem.tl.hubs(read, direction="in", statistic="degree")
        assert asked == [3]
        # another network has no null yet
        tgem.tl.network(read, model, n_edges=20)
        tgem.tl.hubs(read)
        assert read.uns["tgem_hubs"]["p_value"].isna().all()

    def test_null_networks_without_an_edge_are_kept_too(self, written, monkeypatch, tmp_path):
        model, adata = written
        copied, asked = adata.copy(), []

        def empty(self, *args, permutation, **options):
            asked.append(permutation)
            return AttentionNetwork.empty()

        monkeypatch.setattr(RetrainedClassifier, "get_null_network", empty)
        tgem.tl.hubs(copied, model, n_permutations=2)
        copied.write_h5ad(tmp_path / "cells.h5ad")
        for data in (copied, ad.read_h5ad(tmp_path / "cells.h5ad")):
            tgem.tl.hubs(data, model, n_permutations=2)
            tgem.tl.hubs(data)
            assert asked == [0, 1]
            found = data.uns["tgem_hubs"]
            assert len(found)
            assert found["p_value"].isna().all()
            assert data.uns["tgem_hubs_params"]["null"] == "permuted labels"

    def test_interruption_keeps_what_is_finished(self, written, monkeypatch):
        model, adata = written
        copied = adata.copy()
        real = RetrainedClassifier.get_null_network

        def interrupted(self, *args, permutation, **options):
            if permutation == 1:
                raise KeyboardInterrupt
            return real(self, *args, permutation=permutation, **options)

        monkeypatch.setattr(RetrainedClassifier, "get_null_network", interrupted)
        with (
            pytest.raises(KeyboardInterrupt),
            pytest.warns(TrainingWarning, match="1 of 2 trainings"),
        ):
            tgem.tl.hubs(copied, model, n_permutations=2)
        assert set(copied.uns["tgem_hubs_null"]["permutation"]) == {0}
        assert "tgem_hubs" not in copied.uns

    def test_an_interrupted_training_is_not_taken_for_a_null(self, written, monkeypatch):
        model, _ = written

        def stopped(self, *args, **options):
            self.is_trained_ = True
            msg = "Training was interrupted after 1 epochs."
            tgem._core.errors.warn(msg, TrainingWarning)

        monkeypatch.setattr(tgem.model.TGEM, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            model.retrained()

    def test_cells_of_other_data_and_indices(self, written):
        model, adata = written
        held_out = adata[model.test_indices].copy()
        tgem.tl.network(held_out, model, n_edges=20, indices=range(30))
        tgem.tl.hubs(held_out, model, n_permutations=1)
        assert held_out.uns["tgem_hubs"]["p_value"].notna().all()

    def test_idle_attention_is_not_tested(self, monkeypatch):
        adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=40, effect=2.0, n_causal=4)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, preset="paper", n_layers=1, n_heads=2)
        model.train(max_epochs=2, **QUIET)
        with pytest.warns(AttentionWarning):
            tgem.tl.network(adata, model)
        monkeypatch.setattr(RetrainedClassifier, "get_null_network", None)  # would fail
        with pytest.warns(AttentionWarning, match="not tested"):
            tgem.tl.hubs(adata, model)
        assert len(adata.uns["tgem_hubs"])
        assert adata.uns["tgem_hubs"]["fdr"].isna().all()

    def test_errors_leave_the_data_alone(self, written, tiny_adata):
        model, adata = written
        before = set(adata.uns)
        for options, error, message in (
            ({"null": "degree"}, ValueError, "one of `model`"),
            ({"targets": "gene"}, ValueError, "network of genes"),
            ({"n_permutations": 0}, ValueError, "n_permutations"),
            ({"key_added": "other"}, KeyError, "other_network"),
        ):
            with pytest.raises(error, match=message):
                tgem.tl.hubs(adata, model, **options)
        other = model.retrained(seed=5)
        with pytest.raises(ValueError, match="got another one"):
            tgem.tl.hubs(adata, other)
        with pytest.raises(KeyError, match=r"tgem\.tl\.network"):
            tgem.tl.hubs(tiny_adata, model)
        tiny_adata.uns["tgem_network"] = adata.uns["tgem_network"]
        with pytest.raises(ValueError, match="not recorded"):
            tgem.tl.hubs(tiny_adata, model)
        assert set(adata.uns) == before


class TestStability:
    def test_slots(self, written, stable, tmp_path):
        edges, hubs = stable.uns["tgem_stability"], stable.uns["tgem_stability_hubs"]
        network = stable.uns["tgem_network"]
        assert edges["in_network"].sum() == len(network)
        assert set(edges["frequency"]) <= {0.0, 0.5, 1.0}
        assert edges.loc[~edges["in_network"], "frequency"].min() >= 0.5
        assert hubs["frequency"].between(0, 1).all()
        assert stable.uns["tgem_stability_params"]["n_with_edges"] == 2
        stable.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        pd.testing.assert_frame_equal(read.uns["tgem_stability"], edges, check_dtype=False)
        assert "tgem_stability" not in written[1].uns

    def test_frequencies_are_those_of_the_trainings(self, written, stable):
        model, _ = written
        seeds = [int(np.random.default_rng([0, at]).integers(2**31)) for at in range(2)]
        runs = [model.retrained(seed=seed).get_network(n_edges=60) for seed in seeds]
        expected = net.stability(runs, n_hubs=5)
        pd.testing.assert_frame_equal(stable.uns["tgem_stability_hubs"], expected.hubs)
        columns = ["class", "layer", "source", "target"]
        found = stable.uns["tgem_stability"].set_index(columns)["frequency"]
        often = expected.edges.set_index(columns)["frequency"]
        often = often[often >= 0.5]
        np.testing.assert_array_equal(found.reindex(often.index), often)

    def test_bootstrap(self, written):
        model, adata = written
        other = tgem.tl.stability(adata, model, n_runs=2, by="bootstrap", copy=True)
        assert other.uns["tgem_stability_params"]["by"] == "bootstrap"
        assert len(other.uns["tgem_stability"])

    def test_plot(self, stable):
        axes = tgem.pl.stability(stable, n_top=4, show=False)
        assert [ax.get_title() for ax in axes] == ["CD4+/CD25", "type_2"]
        hubs = stable.uns["tgem_stability_hubs"]
        names = [label.get_text() for label in axes[0].get_yticklabels()]
        assert names == hubs.loc[hubs["class"] == "CD4+/CD25", "gene"].head(4).tolist()
        (ax,) = tgem.pl.stability(stable, of="edges", classes=["type_2"], show=False)
        assert "→" in ax.get_yticklabels()[0].get_text()
        for options in ({"of": "genes"}, {"n_top": 0}, {"classes": ["none"]}):
            with pytest.raises(ValueError, match="Expected"):
                tgem.pl.stability(stable, **options)
        plt.close("all")

    def test_errors(self, written):
        model, adata = written
        before = set(adata.uns)
        for options in ({"n_runs": 1}, {"by": "donor"}, {"n_hubs": 0}):
            with pytest.raises(ValueError, match="Expected"):
                tgem.tl.stability(adata, model, **options)
        assert set(adata.uns) == before


class TestDifference:
    def test_planted_pairs_differ(self, written):
        model, adata = written
        groups = ["CD4+/CD25", "type_2"]
        found = tgem.tl.network_difference(adata, model, groups, n_edges=100, copy=True)
        table = found.uns["tgem_network_difference"]
        assert len(table) == 100
        assert table["contrast"].unique().tolist() == ["CD4+/CD25 - type_2"]
        causal = adata.var["causal"]
        both = causal.loc[table["source"]].to_numpy() & causal.loc[table["target"]].to_numpy()
        assert both[:10].mean() > both.mean()
        assert (table["fdr"] < 0.05).any()
        mirrored = tgem.tl.network_difference(adata, model, groups[::-1], n_edges=100, copy=True)
        other = mirrored.uns["tgem_network_difference"].set_index(["source", "target"])
        same = other.loc[pd.MultiIndex.from_frame(table[["source", "target"]]), "difference"]
        np.testing.assert_allclose(same, -table["difference"], atol=1e-12)

    def test_random_halves_do_not_differ(self, written):
        model, adata = written
        half = adata.copy()
        half.obs["half"] = np.where(np.random.default_rng(3).random(500) < 0.5, "one", "two")
        tgem.tl.network_difference(half, model, ["one", "two"], groupby="half", n_edges=200)
        table = half.uns["tgem_network_difference"]
        assert (table["fdr"] < 0.05).mean() <= 0.05

    def test_donors_as_replicates(self, written, tmp_path):
        model, adata = written
        cells = adata[adata.obs["cell_type"] == "type_2"].copy()
        cells.obs["treated"] = cells.obs["donor"].isin(cells.obs["donor"].unique()[:2])
        cells.obs["treated"] = cells.obs["treated"].map({True: "yes", False: "no"})
        tgem.tl.network_difference(
            cells, model, ["yes", "no"], groupby="treated", replicates="donor", n_edges=20
        )
        assert cells.uns["tgem_network_difference_params"]["n_parts"].tolist() == [2, 2]
        cells.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad").uns["tgem_network_difference"]
        assert len(read) == 20

    def test_errors(self, written):
        model, adata = written
        before = set(adata.uns)
        good = ["CD4+/CD25", "type_2"]
        for groups, options, error in (
            (["type_2"], {}, ValueError),
            (["type_2", "type_2"], {}, ValueError),
            (["type_2", "type_9"], {}, ValueError),
            (good, {"groupby": "none"}, KeyError),
            (good, {"replicates": 1}, ValueError),
            (good, {"replicates": "none"}, KeyError),
            (good, {"n_edges": 0}, ValueError),
            (good, {"baseline": "none"}, ValueError),
        ):
            with pytest.raises(error, match="Expected"):
                tgem.tl.network_difference(adata, model, groups, **options)
        assert set(adata.uns) == before


class TestReadingTheNetwork:
    def test_edges_and_communities(self, written, tmp_path):
        _, adata = written
        found = tgem.tl.communities(adata, n_permutations=5, copy=True)
        tgem.tl.edge_significance(found, n_permutations=20)
        edges = found.uns["tgem_edge_significance"]
        pd.testing.assert_frame_equal(
            edges.drop(columns=["p_value", "fdr"]), adata.uns["tgem_network"]
        )
        classes = found.uns["tgem_communities_params"]["classes"]
        assert classes["class"].tolist() == ["CD4+/CD25", "type_2"]
        assert classes["p_value"].between(1 / 6, 1).all()
        found.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        pd.testing.assert_frame_equal(
            read.uns["tgem_communities"], found.uns["tgem_communities"], check_dtype=False
        )
        for tool in (tgem.tl.communities, tgem.tl.edge_significance):
            with pytest.raises(ValueError, match="n_permutations"):
                tool(found, n_permutations=0)

    def test_gene_sets_of_hubs_and_layers(self, written, tested):
        _, adata = written
        causal = adata.var.index[adata.var["causal"]].tolist()
        sets = {"causal": causal, "rest": adata.var.index[~adata.var["causal"]].tolist()}
        found = tested.copy()
        tgem.tl.enrich_hubs(found, sets, n_genes=8)
        table = found.uns["tgem_hubs_enrichment"]
        assert set(table["source"]) == {"hubs"}
        first = table.sort_values("P-value").groupby("class")["Term"].first()
        assert (first == "causal").all()
        params = found.uns["tgem_hubs_enrichment_params"]
        assert (params["n_background"], params["n_sets"], params["min_size"]) == (30, 2, 5)
        tgem.pl.enrich(found, key_added="tgem_hubs", show=False)
        plt.close("all")
        tgem.tl.enrich_hubs(found, sets, n_genes=8, by_layer=True, classes=["type_2"])
        table = found.uns["tgem_hubs_enrichment"]
        assert set(table["source"]) == {"layers"}
        assert set(table["layer"]) == {"1"}
        before = found.uns["tgem_hubs_enrichment"]
        for options in (
            {"max_fdr": 1e-9},
            {"max_fdr": 2},
            {"n_genes": 0},
            {"min_size": 0},
            {"min_size": 31},
            {"by_layer": True, "max_fdr": 0.1},
            {"background": causal},
            {"classes": ["type_9"]},
        ):
            with pytest.raises(ValueError, match="Expected"):
                tgem.tl.enrich_hubs(found, sets, **options)
        assert found.uns["tgem_hubs_enrichment"] is before

    def test_export(self, written, tmp_path):
        network = written[1].uns["tgem_network"]
        graph = net.to_networkx(network)
        assert graph.number_of_edges() == len(network)
        table = net.to_decoupler(network[network["class"] == "type_2"])
        assert {"source", "target", "weight"} <= set(table)
        net.write_graphml(network, tmp_path / "network.graphml")
        assert nx.read_graphml(tmp_path / "network.graphml").number_of_nodes() == len(graph)
        net.write_cyjs(network, tmp_path / "network.cyjs")
        net.write_sif(network[network["class"] == "type_2"], tmp_path / "network.sif")
        assert len((tmp_path / "network.sif").read_text().splitlines()) == 60
        with pytest.raises(ValueError, match="Write one class"):
            net.write_sif(network, tmp_path / "all.sif")
