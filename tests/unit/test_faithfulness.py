"""Ranking of genes, and whether the attributed genes matter."""

from copy import copy

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch

import tgem
from tgem._core import keys


@pytest.fixture(scope="module")
def explained(trained):
    model, adata = trained
    adata = adata.copy()
    tgem.tl.predict(adata, model)
    tgem.tl.attribution(adata, model, n_steps=20)
    return model, adata


@pytest.fixture(scope="module")
def ablated(explained):
    model, adata = explained
    return tgem.tl.ablation(
        adata, model, fractions=[0.05, 0.15, 0.3], n_random=4, copy=True, indices=range(150)
    )


class TestRanking:
    def test_is_sorted_by_mean_attribution(self, explained):
        _, adata = explained
        tgem.tl.rank_genes(adata, n_genes=7)
        ranking = keys.RANKING.read(adata)
        means = keys.ATTRIBUTION_MEAN.read(adata)
        for label, part in ranking.groupby("class"):
            assert part["gene"].tolist() == means[label].nlargest(7).index.tolist()
            assert part["rank"].tolist() == list(range(1, 8))
            np.testing.assert_allclose(part["mean"], means.loc[part["gene"], label])

    def test_share_expressing(self, explained):
        _, adata = explained
        tgem.tl.rank_genes(adata, n_genes=3)
        row = keys.RANKING.read(adata).iloc[0]
        cells = (adata.obs["tgem_prediction"] == row["class"]).to_numpy()
        expected = (adata[cells, row["gene"]].X.toarray() > 0).mean()
        assert row["share_expressing"] == pytest.approx(expected)

    def test_agreement_with_scanpy(self, explained):
        _, adata = explained
        adata = adata.copy()
        tgem.tl.rank_genes(adata, n_genes=8)
        assert np.isnan(adata.uns["tgem_rank_genes_params"]["agreement"]).all()
        sc.tl.rank_genes_groups(adata, "cell_type", method="t-test")
        tgem.tl.rank_genes(adata, n_genes=8)
        agreement = adata.uns["tgem_rank_genes_params"]["agreement"]
        assert (agreement > 0.5).all()
        ours = keys.RANKING.read(adata).query("`class` == 'type_1'")["gene"]
        if "type_1" in adata.obs["cell_type"].cat.categories:
            theirs = sc.get.rank_genes_groups_df(adata, "type_1")["names"].head(8)
            position = list(adata.uns["tgem_rank_genes_params"]["classes"]).index("type_1")
            assert agreement[position] == ours.isin(theirs).mean()

    def test_unknown_class_and_missing_attributions(self, explained, tiny_adata):
        _, adata = explained
        with pytest.raises(ValueError, match="alien"):
            tgem.tl.rank_genes(adata, classes=["alien"])
        with pytest.raises(KeyError, match=r"tgem\.tl\.attribution"):
            tgem.tl.rank_genes(tiny_adata)


class TestAblation:
    def accuracy(self, adata, *case):
        table = keys.ABLATION.read(adata).set_index(["class", "mode", "order", "fraction"])
        return table.loc[("all", *case), "accuracy"]

    def test_deleting_what_was_attributed_costs_most(self, ablated):
        whole = self.accuracy(ablated, "deletion", "largest", 0.0)
        largest = whole - self.accuracy(ablated, "deletion", "largest", 0.15)
        random = whole - self.accuracy(ablated, "deletion", "random", 0.15)
        smallest = whole - self.accuracy(ablated, "deletion", "smallest", 0.15)
        assert largest > 3 * max(random, 0.01)
        assert smallest <= random + 0.02

    def test_inserting_what_was_attributed_gains_most(self, ablated):
        largest = self.accuracy(ablated, "insertion", "largest", 0.15)
        assert largest > self.accuracy(ablated, "insertion", "random", 0.15)

    def test_areas_are_those_between_the_curves(self, ablated):
        params = ablated.uns[keys.ABLATION.params_key()]
        x = np.array([0.0, 0.05, 0.15, 0.3])
        gap = [
            self.accuracy(ablated, "deletion", "random", f)
            - self.accuracy(ablated, "deletion", "largest", f)
            for f in x
        ]
        area = sum((gap[i] + gap[i + 1]) / 2 * (x[i + 1] - x[i]) for i in range(3)) / 0.3
        assert params["area_deletion"] == pytest.approx(area)
        assert params["area_insertion"] > 0

    def test_classes_average_to_the_whole(self, ablated):
        table = keys.ABLATION.read(ablated)
        part = table.query("mode == 'deletion' and order == 'largest' and fraction == 0.15")
        whole, classes = part[part["class"] == "all"].iloc[0], part[part["class"] != "all"]
        mean = (classes["accuracy"] * classes["n_cells"]).sum() / classes["n_cells"].sum()
        assert whole["accuracy"] == pytest.approx(mean)
        assert whole["n_cells"] == 150

    def test_everything_deleted_or_inserted(self, explained):
        model, adata = explained
        tgem.tl.ablation(adata, model, fractions=[1.0], n_random=1, indices=range(60))
        nothing = adata[:60].copy()
        expected = model.evaluate(adata, range(60))["accuracy"]
        for order in ("largest", "random", "smallest"):
            assert self.accuracy(adata, "insertion", order, 1.0) == pytest.approx(expected)
        empty = np.zeros((1, 60), dtype=np.float32)
        label = model.classes[model.predict_expression(empty).argmax()]
        share = (nothing.obs["cell_type"] == label).mean()
        assert self.accuracy(adata, "deletion", "largest", 1.0) == pytest.approx(share)

    def test_shuffled_weights_give_other_attributions(self, ablated):
        assert ablated.uns[keys.ABLATION.params_key()]["shuffled_correlation"] < 0.5

    @pytest.mark.parametrize("by", ["class", "cell"])
    def test_the_shuffled_model_explains_the_same_class(self, explained, monkeypatch, by):
        """A model that differs only in its choice of class has the same attributions of it."""
        model, adata = explained
        other = copy(model)
        other._outputs = lambda *cells: model._outputs(*cells) + 1e6 * (np.arange(4) == 0)
        monkeypatch.setattr(model, "with_shuffled_weights", lambda _: other, raising=False)
        options = {"fractions": [0.1], "n_random": 1, "copy": True, "indices": range(90)}
        found = tgem.tl.ablation(adata, model, by=by, **options)
        assert found.uns[keys.ABLATION.params_key()]["shuffled_correlation"] == pytest.approx(1)

    def test_constant_attributions_are_not_called_unlike(self, explained, monkeypatch, tmp_path):
        model, adata = explained
        other = model.with_shuffled_weights(0)
        with torch.no_grad():
            for weight in other.module.parameters():
                weight.zero_()
        monkeypatch.setattr(model, "with_shuffled_weights", lambda _: other, raising=False)
        options = {"fractions": [0.1], "n_random": 1, "copy": True, "indices": range(60)}
        found = tgem.tl.ablation(adata, model, **options)
        found.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        assert np.isnan(read.uns[keys.ABLATION.params_key()]["shuffled_correlation"])
        assert len(tgem.pl.ablation(read, show=False)) == 2
        plt.close("all")

    def test_by_cell(self, explained):
        model, adata = explained
        changed = tgem.tl.ablation(
            adata, model, by="cell", fractions=[0.15], n_random=1, copy=True, indices=range(60)
        )
        assert self.accuracy(changed, "deletion", "largest", 0.15) < self.accuracy(
            changed, "deletion", "random", 0.15
        )

    def test_same_seed_same_table(self, explained):
        model, adata = explained
        tables = [
            keys.ABLATION.read(
                tgem.tl.ablation(
                    adata, model, fractions=[0.1], n_random=2, seed=4, copy=True, indices=range(30)
                )
            )
            for _ in range(2)
        ]
        pd.testing.assert_frame_equal(*tables)

    @pytest.mark.parametrize("fractions", [[], [0.0], [1.1], [-0.1]])
    def test_impossible_fractions(self, explained, fractions):
        model, adata = explained
        with pytest.raises(ValueError, match="fractions"):
            tgem.tl.ablation(adata, model, fractions=fractions)


class TestOptionsOfAttribution:
    def test_a_target_for_each_cell(self, explained):
        model, adata = explained
        targets = model.classes[[0, 1, 2, 1]]
        found = model.get_attributions(adata, range(4), target=targets, n_steps=8)
        np.testing.assert_array_equal(model.classes[found.targets], targets)
        for cell, label in enumerate(targets):
            alone = model.get_attributions(adata, [cell], target=label, n_steps=8).values
            values = found.values[[cell]].toarray()
            np.testing.assert_allclose(values, alone.toarray(), rtol=1e-4, atol=1e-6)
        with pytest.raises(
            ValueError, match=r"each of the 4 cells, found an array of shape \(3,\)"
        ):
            model.get_attributions(adata, range(4), target=targets[:3])
        with pytest.raises(ValueError, match=r"`target` to be one of .*'alien'"):
            model.get_attributions(adata, [0], target=np.array(["alien"]))

    def test_layer(self, explained):
        model, adata = explained
        shuffled = adata[:20, ::-1].copy()
        tgem.tl.attribution(shuffled, model, n_steps=5, add_layer=True)
        layer = keys.ATTRIBUTION_LAYER.read(shuffled).toarray()
        values = keys.ATTRIBUTION.read(shuffled).toarray()
        np.testing.assert_array_equal(layer, values[:, ::-1])

    def test_every_method_writes(self, explained):
        from tgem.attr import METHODS

        model, adata = explained
        part = adata[:6].copy()
        for method in METHODS:
            tgem.tl.attribution(part, model, method=method, n_steps=4, key_added=method)
            assert np.isfinite(keys.ATTRIBUTION.read(part, method).sum())
            params = part.uns[keys.ATTRIBUTION.params_key(method)]
            assert params["method"] == method
            assert params["signed"] == METHODS[method].signed

    def test_class_as_baseline(self, explained):
        model, adata = explained
        label = model.classes[0]
        result = model.get_attributions(adata, [0], baseline=label, target=model.classes[1])
        cells = np.flatnonzero(model.predict(adata) == label)
        mean = model.get_expression(adata, cells).mean(axis=0)
        cell = model.get_expression(adata, [0])[0]
        assert np.all(result.values[0][np.isclose(cell, mean, atol=1e-7)] == 0)
        assert np.abs(result.residual[0]) < 0.01 * np.abs(result.change[0])
        with pytest.raises(ValueError, match="'zero' or 'mean'"):
            model.get_attributions(adata, [0], baseline="median")

    def test_noise_follows_the_seed(self, explained):
        model, adata = explained
        method = "integrated_gradients_vargrad"
        first, second, other = (
            model.get_attributions(adata, [0, 1], method=method, n_steps=4, seed=seed).values
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)

    def test_targets_of_noise_methods_are_honoured(self, explained):
        model, adata = explained
        method = "guided_backpropagation_smoothgrad_squared"
        by_class = [
            model.get_attributions(adata, [0], method=method, target=label).values
            for label in model.classes[:2]
        ]
        assert not np.allclose(*by_class)


def test_expression_of_wrong_shape(explained):
    model, _ = explained
    with pytest.raises(ValueError, match=r"\(n_obs, 60\)"):
        model.predict_expression(np.zeros((2, 61)))


def test_shuffled_weights_leave_the_model_alone(explained):
    model, adata = explained
    expected = model.predict(adata, soft=True)
    shuffled = model.with_shuffled_weights(3)
    assert not np.allclose(shuffled.predict(adata, soft=True), expected)
    np.testing.assert_array_equal(model.predict(adata, soft=True), expected)
