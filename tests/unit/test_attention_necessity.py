"""Maps that are swapped are the maps they are said to be, and the ladder counts what they cost."""

from copy import copy, deepcopy

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax, softmax

import tgem
from tgem._core import keys
from tgem.model.tgem._module import TGEMModule
from tgem.nn import attention_maps
from tgem.nn.attention_maps import DenseMaps, GeneMaps
from tgem.nn.blocks import GeneAttention
from tgem.nn.swapped_attention import (
    RUNGS,
    MapSwapper,
    attention_sites,
    own_maps,
    states_at_sites,
    swapped,
)

QUIET = {"enable_progress_bar": False}


# -- a dense reference, with every map written out -----------------------------------------


def dense_maps(site, hidden):
    """``(n_obs, n_heads, n_genes, n_genes)`` before the diagonal is set to zero."""
    scores = (hidden[:, None] * site.query)[..., None] * (hidden[:, None] * site.key)[..., None, :]
    return scores.softmax(-1)


def dense_run(module, expression, maps=None):
    """Logits with the maps given for each layer, or its own, and the maps that it used."""
    n_genes = expression.shape[-1]
    others = 1 - torch.eye(n_genes, dtype=expression.dtype)
    hidden, used = expression, []
    for layer, site in enumerate(module.attentions):
        used.append(dense_maps(site, hidden) if maps is None else maps[layer])
        attended = ((used[-1] * others) @ (hidden[:, None] * site.value)[..., None])[..., 0]
        attended = (site.head_weight[:, None] * attended).sum(1)
        hidden = hidden + module.norm(attended)
    hidden = torch.where(hidden > 0, hidden, 0.1 * hidden)
    return module.classifier(hidden), used


def attentive(module):
    """Give a network maps that are far from uniform, and that decide."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for site in module.attentions:
            for weight in (site.query, site.key, site.value):
                weight.copy_(torch.randn(weight.shape, generator=generator))
            site.head_weight.fill_(1.0)
        module.norm.scale.fill_(1.0)
        weight = torch.randn(module.classifier.weight.shape, generator=generator)
        module.classifier.weight.copy_(weight / 3)
    return module


@pytest.fixture
def cells():
    return torch.rand(7, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2


@pytest.fixture
def module():
    network = TGEMModule(12, 3, n_layers=2, n_heads=2, dropout=0.3).double().eval()
    return attentive(network)


class TestSwappedMaps:
    def test_own_maps_change_nothing(self, module, cells):
        with torch.no_grad():
            expected = module(cells)
            with swapped(module, own_maps(module, cells)):
                torch.testing.assert_close(module(cells), expected, rtol=0, atol=1e-12)
            torch.testing.assert_close(module(cells), expected, rtol=0, atol=0)

    def test_reference_is_right_about_the_network(self, module, cells):
        torch.testing.assert_close(dense_run(module, cells)[0], module(cells))

    def test_mean(self, module, cells):
        reference = cells[:4].flip(-1)
        _, maps = dense_run(module, reference)
        expected, _ = dense_run(module, cells, [layer.mean(0, keepdim=True) for layer in maps])
        swapper = MapSwapper(module, states_at_sites(module, reference))
        torch.testing.assert_close(swapper.outputs("mean", cells), expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("method", ["linear", "exact"])
    def test_mean_without_its_matrix_is_the_same(self, module, cells, monkeypatch, method):
        expected = MapSwapper(module, states_at_sites(module, cells[:4])).outputs("mean", cells)
        monkeypatch.setattr(attention_maps, "MOST_KEPT", 0)
        for site in module.attentions:
            site.method = method
        swapper = MapSwapper(module, states_at_sites(module, cells[:4]))
        torch.testing.assert_close(swapper.outputs("mean", cells), expected, rtol=0, atol=1e-6)

    def test_other(self, module, cells):
        reference = cells[:4].flip(-1)
        _, maps = dense_run(module, reference)
        outputs = MapSwapper(module, states_at_sites(module, reference)).outputs("other", cells)
        candidates = torch.stack(
            [
                dense_run(module, cells, [layer[[other]] for layer in maps])[0]
                for other in range(len(reference))
            ]
        )
        distance = (outputs - candidates).abs().amax(-1)
        assert (distance.amin(0) < 1e-6).all()
        assert len(distance.argmin(0).unique()) > 1  # not one cell for all

    def test_shuffled(self, module, cells):
        generator = np.random.default_rng([3, RUNGS.index("shuffled")])
        order = generator.permuted(np.tile(np.arange(12), (7, 1)), axis=1)
        order = torch.from_numpy(order)[:, None, None, :]
        _, maps = dense_run(module, cells)
        permuted = [layer.gather(-1, order.expand(layer.shape)) for layer in maps]
        expected, _ = dense_run(module, cells, permuted)
        outputs = MapSwapper(module, seed=3).outputs("shuffled", cells)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-6)

    def test_uniform(self, module, cells):
        maps = [torch.full((1, 2, 12, 12), 1 / 12, dtype=torch.float64)] * 2
        expected, _ = dense_run(module, cells, maps)
        outputs = MapSwapper(module).outputs("uniform", cells)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-6)

    def test_rungs_differ_where_attention_decides(self, module, cells):
        swapper = MapSwapper(module, states_at_sites(module, cells))
        outputs = [swapper.outputs(rung, cells) for rung in RUNGS]
        for i, first in enumerate(outputs):
            for second in outputs[:i]:
                assert (first - second).abs().max() > 0.01

    def test_maps_are_taken_back_after_an_error(self, module, cells):
        maps = [site_maps.uniform() for site_maps in own_maps(module, cells)]
        with pytest.raises(RuntimeError, match="size"), swapped(module, maps):
            module(cells[:, :3])
        assert all(site.given is None for site in attention_sites(module))

    def test_number_of_maps_must_fit(self, module, cells):
        with (
            pytest.raises(ValueError, match="shorter"),
            swapped(module, own_maps(module, cells)[:1]),
        ):
            pass

    def test_mean_needs_reference_cells(self, module, cells):
        with pytest.raises(ValueError, match="reference"):
            MapSwapper(module).outputs("mean", cells)

    def test_gradients_flow_to_values_but_not_to_given_maps(self, module, cells):
        maps = own_maps(module, cells)
        maps = [GeneMaps(layer.q.detach(), layer.k.detach()) for layer in maps]
        with swapped(module, maps):
            module(cells).sum().backward()
        assert module.attentions[0].query.grad is None
        assert module.attentions[0].value.grad.abs().max() > 0


class TestDenseMaps:
    weights = torch.tensor(
        [[[0.5, 0.3, 0.2], [0.4, -0.5, 0.1]], [[0.1, 0.1, 0.8], [0.0, 0.2, -0.2]]]
    )
    values = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]])

    def test_average(self):
        expected = (self.weights * self.values[:, None]).sum(-1)
        torch.testing.assert_close(DenseMaps(self.weights).average(self.values), expected)

    def test_mean_holds_for_any_number_of_cells(self):
        averaged = DenseMaps(self.weights).mean().average(self.values.repeat(3, 1))
        expected = self.values.repeat(3, 1) @ self.weights.mean(0).T
        torch.testing.assert_close(averaged, expected)

    def test_shuffled(self):
        order = torch.tensor([[2, 0, 1], [0, 1, 2]])
        shuffled = DenseMaps(self.weights).shuffled(order).weights
        torch.testing.assert_close(shuffled[0], self.weights[0][:, [2, 0, 1]])
        torch.testing.assert_close(shuffled[1], self.weights[1])

    def test_uniform_keeps_the_total_weight(self):
        uniform = DenseMaps(self.weights).uniform().weights
        expected = torch.tensor([[1 / 3, 0.0], [1 / 3, 0.0]])[..., None].expand(2, 2, 3)
        torch.testing.assert_close(uniform, expected)

    def test_cells(self):
        chosen = DenseMaps(self.weights)[torch.tensor([1, 1])]
        torch.testing.assert_close(chosen.weights, self.weights[[1, 1]])


# -- the model ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deciding():
    """A trained model, then given maps that decide; and its data. Do not write into either."""
    adata = tgem.datasets.synthetic_expression(n_obs=160, n_genes=40, effect=2.0, seed=0)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset="paper", n_layers=2, n_heads=2)
    model.train(max_epochs=3, **QUIET)
    attentive(model.module)
    return model, adata


@pytest.fixture(scope="module")
def laddered(deciding):
    model, adata = deciding
    return tgem.tl.attention_necessity(adata, model, n_bootstrap=300, seed=2, copy=True)


def dense_logits(model, cells, maps=None):
    expression = torch.from_numpy(model.get_expression(indices=cells)).double()
    with torch.no_grad():
        logits, used = dense_run(deepcopy(model.module).double(), expression, maps)
    return logits.numpy(), used


class TestPredict:
    @pytest.mark.parametrize("ablation", ["uniform", "mean"])
    def test_agrees_with_dense_maps(self, deciding, ablation):
        model, adata = deciding
        _, maps = dense_logits(model, model.train_indices)
        maps = [layer.mean(0, keepdim=True) for layer in maps]
        if ablation == "uniform":
            maps = [torch.full_like(layer, 1 / 40) for layer in maps]
        expected, _ = dense_logits(model, model.test_indices, maps)
        found = model.predict(adata, model.test_indices, soft=True, ablate_attention=ablation)
        np.testing.assert_allclose(found, softmax(expected, axis=1), atol=1e-5)
        assert found.index.equals(adata.obs_names[model.test_indices])
        labels = model.predict(adata, model.test_indices, ablate_attention=ablation)
        np.testing.assert_array_equal(labels, model.classes[expected.argmax(1)])

    def test_shuffled_is_reproducible_and_not_the_same(self, deciding):
        model, adata = deciding
        first, second, small = (
            model.predict(adata, soft=True, ablate_attention="shuffled", batch_size=size)
            for size in (None, None, 7)
        )
        pd.testing.assert_frame_equal(first, second)
        np.testing.assert_allclose(first, small, atol=1e-5)
        assert not np.allclose(first, model.predict(adata, soft=True), atol=0.01)

    def test_afterwards_the_model_is_as_before(self, deciding):
        model, adata = deciding
        expected = model.predict(adata, soft=True)
        model.predict(adata, ablate_attention="uniform")
        pd.testing.assert_frame_equal(model.predict(adata, soft=True), expected)

    def test_unknown_name(self, deciding):
        model, adata = deciding
        with pytest.raises(ValueError, match="'uniform', 'mean', 'shuffled', got 'none'"):
            model.predict(adata, ablate_attention="none")

    def test_untrained(self, tiny_adata):
        tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
        model = tgem.model.TGEM(tiny_adata)
        with pytest.raises(RuntimeError, match="not trained"):
            model.predict(ablate_attention="mean")
        with pytest.raises(RuntimeError, match="not trained"):
            model.get_attention_share()
        with pytest.raises(RuntimeError, match="not trained"):
            tgem.tl.attention_necessity(tiny_adata, model)

    def test_mean_needs_the_training_cells(self, deciding, tmp_path):
        model, adata = deciding
        model.save(tmp_path / "model")
        alone = tgem.model.TGEM.load(tmp_path / "model")
        with pytest.raises(ValueError, match=r"TGEM\.load\(folder, adata=adata\)"):
            alone.predict(adata, ablate_attention="mean")
        found = alone.predict(adata, soft=True, ablate_attention="uniform")
        expected = model.predict(adata, soft=True, ablate_attention="uniform")
        pd.testing.assert_frame_equal(found, expected)
        attached = tgem.model.TGEM.load(tmp_path / "model", adata=adata.copy())
        found = attached.predict(soft=True, ablate_attention="mean")
        expected = model.predict(soft=True, ablate_attention="mean")
        pd.testing.assert_frame_equal(found, expected)


class TestLadder:
    def test_own_is_the_prediction(self, deciding):
        model, adata = deciding
        ladder = model.get_attention_ladder(adata, model.test_indices)
        assert list(ladder.log_probability) == list(RUNGS)
        assert ladder.n_reference == len(model.train_indices)
        own = np.exp(ladder.log_probability["own"])
        expected = model.predict(adata, model.test_indices, soft=True)
        np.testing.assert_allclose(own, expected, rtol=1e-5)
        assert own.index.equals(expected.index)

    def test_fewer_reference_cells(self, deciding):
        model, adata = deciding
        few, again, other = (
            model.get_attention_ladder(adata, [0, 1], n_reference=3, seed=seed)
            for seed in (1, 1, 2)
        )
        assert few.n_reference == 3
        mean = few.log_probability["mean"]
        pd.testing.assert_frame_equal(mean, again.log_probability["mean"])
        assert not np.allclose(mean, other.log_probability["mean"])

    @pytest.mark.parametrize("n_reference", [0, 2.5])
    def test_impossible_number_of_reference_cells(self, deciding, n_reference):
        model, adata = deciding
        with pytest.raises(ValueError, match="n_reference"):
            model.get_attention_ladder(adata, n_reference=n_reference)

    def test_inert_attention_loses_nothing(self):
        adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=40, effect=2.0, seed=3)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, preset="paper")
        model.train(max_epochs=2, **QUIET)
        with torch.no_grad():
            for site in model.module.attentions:
                site.query.zero_()  # maps are uniform, whatever the cell
        tables = model.get_attention_ladder(adata).log_probability
        for rung in RUNGS[1:]:
            np.testing.assert_allclose(tables[rung], tables["own"], atol=1e-4)

    @pytest.mark.slow
    def test_published_model_is_inert_on_real_cells(self, pbmc):
        """At 765 genes its maps hardly differ between cells, and the ladder says so."""
        adata = pbmc.copy()
        tgem.model.TGEM.setup_anndata(adata, labels_key="bulk_labels", use_raw=True)
        model = tgem.model.TGEM(adata, preset="paper")
        model.train(max_epochs=2, **QUIET)
        tgem.tl.attention_necessity(adata, model, n_reference=50, n_bootstrap=200)
        mean = row(adata, "mean", "log_likelihood")
        assert max(abs(mean["own_minus_lower"]), abs(mean["own_minus_upper"])) < 0.05
        shares = model.get_attention_share(adata, model.test_indices, n_reference=50)
        assert abs(shares["share_mean"].median()) < 0.05


class TestShare:
    def test_agrees_with_dense_maps(self, deciding):
        model, adata = deciding
        cells = model.test_indices[:9]
        own, _ = dense_logits(model, cells)
        target = own.argmax(1)
        _, maps = dense_logits(model, model.train_indices)
        mean, _ = dense_logits(model, cells, [layer.mean(0, keepdim=True) for layer in maps])
        with torch.no_grad():
            nothing = torch.zeros(1, 40, dtype=torch.float64)
            empty, maps = dense_run(deepcopy(model.module).double(), nothing)
        zero, _ = dense_logits(model, cells, maps)
        at = np.arange(9), target
        change = own[at] - empty.numpy()[0, target]
        share = model.get_attention_share(adata, cells)
        assert list(share.columns) == ["share_mean", "share_zero", "change"]
        assert share.index.equals(adata.obs_names[cells])
        np.testing.assert_allclose(share["change"], change, atol=1e-4)
        for column, other in (("share_mean", mean), ("share_zero", zero)):
            np.testing.assert_allclose(share[column] * change, own[at] - other[at], atol=1e-4)

    def test_of_a_named_class(self, deciding):
        model, adata = deciding
        label = model.classes[1]
        predicted = model.predict(adata)
        share = model.get_attention_share(adata, target=label)
        own = model.get_attention_share(adata)
        same = predicted == label
        np.testing.assert_allclose(share[same], own[same], rtol=1e-6)
        assert not np.allclose(share[~same], own[~same])
        with pytest.raises(ValueError, match="alien"):
            model.get_attention_share(adata, target="alien")

    @pytest.mark.filterwarnings("ignore::tgem._core.errors.TgemWarning")  # attention set aside
    @pytest.mark.parametrize("idle", ["query", "context_query", "context_weight"])
    def test_attention_that_carries_nothing_has_the_share_0(self, idle):
        """Not a missing one: the expression does change the logit."""
        adata = tgem.datasets.synthetic_expression(n_obs=120, n_genes=40, effect=2.0, seed=3)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, n_heads=2)
        model.train(max_epochs=2, **QUIET)
        module = model.module
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            shape = module.context_query.shape
            module.context_query.copy_(0.1 * torch.randn(shape, generator=generator))
            module.context_gain[-1] = 1.0
        names = ["share_mean", "share_zero"]
        assert (model.get_attention_share()[names].abs().median() > 1e-4).all()
        with torch.no_grad():
            if idle == "context_weight":
                module.context_gain[-1] = 0.0
            else:
                (module.attention.query if idle == "query" else module.context_query).zero_()
        found = model.get_attention_share()
        assert (found["change"] != 0).all()
        np.testing.assert_allclose(found[names], 0, atol=1e-6)


# -- the tool ------------------------------------------------------------------------------


def row(adata, maps, metric, label="all"):
    table = keys.ATTENTION_NECESSITY.read(adata).set_index(["class", "maps", "metric"])
    return table.loc[(label, maps, metric)]


class TestTool:
    def test_values_are_accuracy_and_log_likelihood(self, deciding, laddered):
        model, adata = deciding
        cells, true = model.labelled_cells(adata)
        code = pd.Index(model.classes).get_indexer(true)
        expected = log_softmax(dense_logits(model, cells)[0], axis=1)
        accuracy, likelihood = (row(laddered, "own", m) for m in ("accuracy", "log_likelihood"))
        assert accuracy["value"] == pytest.approx(model.evaluate(adata)["accuracy"])
        mean = expected[np.arange(len(code)), code].mean()
        assert likelihood["value"] == pytest.approx(mean, abs=1e-4)
        assert accuracy["n_cells"] == len(cells)

    def test_differences_are_of_the_values(self, laddered):
        table = keys.ATTENTION_NECESSITY.read(laddered)
        for (_, _), part in table.groupby(["class", "metric"]):
            own = part.loc[part["maps"] == "own", "value"].item()
            np.testing.assert_allclose(part["own_minus"], own - part["value"], atol=1e-12)
        own = table[table["maps"] == "own"]
        assert (own[["own_minus", "own_minus_lower", "own_minus_upper"]] == 0).all(axis=None)

    def test_intervals_hold_the_values(self, laddered):
        table = keys.ATTENTION_NECESSITY.read(laddered).query("n_cells > 1")
        slack = 1e-12
        assert (table["lower"] <= table["value"] + slack).all()
        assert (table["upper"] >= table["value"] - slack).all()
        whole = row(laddered, "mean", "log_likelihood")
        assert whole["own_minus_lower"] < whole["own_minus"] < whole["own_minus_upper"]

    def test_interval_is_that_of_the_mean(self, deciding):
        model, adata = deciding
        many = tgem.tl.attention_necessity(
            adata, model, indices=range(160), n_bootstrap=3000, copy=True
        )
        accuracy = row(many, "own", "accuracy")
        error = np.sqrt(accuracy["value"] * (1 - accuracy["value"]) / 160)
        width = accuracy["upper"] - accuracy["lower"]
        assert width == pytest.approx(2 * 1.96 * error, rel=0.15)

    def test_pairing_narrows_the_interval(self, deciding):
        """A difference that is the same in every cell has no spread, however the cells differ."""
        model, adata = deciding
        constant = copy(model)
        constant.module = deepcopy(model.module)
        with torch.no_grad():
            for site in constant.module.attentions:
                site.query.zero_()
        same = tgem.tl.attention_necessity(adata, constant, n_bootstrap=200, copy=True)
        likelihood = row(same, "uniform", "log_likelihood")
        assert likelihood["upper"] - likelihood["lower"] > 0.01
        assert likelihood["own_minus_upper"] - likelihood["own_minus_lower"] < 1e-4

    def test_classes_average_to_the_whole(self, laddered):
        table = keys.ATTENTION_NECESSITY.read(laddered)
        for (_, _), part in table.groupby(["maps", "metric"]):
            classes, whole = part[part["class"] != "all"], part[part["class"] == "all"]
            assert classes["n_cells"].sum() == whole["n_cells"].item()
            mean = np.average(classes["value"], weights=classes["n_cells"])
            assert whole["value"].item() == pytest.approx(mean)

    def test_every_class_has_every_row_once(self, deciding, laddered):
        model, _ = deciding
        table = keys.ATTENTION_NECESSITY.read(laddered)
        assert len(table) == (1 + len(model.classes)) * len(RUNGS) * 2
        assert not table.duplicated(["class", "maps", "metric"]).any()

    def test_seed(self, deciding, laddered):
        model, adata = deciding
        again, other = (
            tgem.tl.attention_necessity(adata, model, n_bootstrap=300, seed=seed, copy=True)
            for seed in (2, 3)
        )
        expected = keys.ATTENTION_NECESSITY.read(laddered)
        pd.testing.assert_frame_equal(keys.ATTENTION_NECESSITY.read(again), expected)
        assert not keys.ATTENTION_NECESSITY.read(other).equals(expected)

    def test_provenance(self, deciding, laddered):
        model, adata = deciding
        params = laddered.uns[keys.ATTENTION_NECESSITY.params_key()]
        assert params["model"] == "TGEM"
        assert params["n_bootstrap"] == 300
        assert params["seed"] == 2
        assert params["n_reference"] == len(model.train_indices)
        mean = row(laddered, "mean", "accuracy")
        share = [mean["own_minus"], mean["own_minus_lower"], mean["own_minus_upper"]]
        np.testing.assert_allclose(params["cell_specific_accuracy"], share)
        assert keys.ATTENTION_NECESSITY.key() not in adata.uns

    def test_nothing_else_is_written(self, deciding):
        model, adata = deciding
        changed = adata.copy()
        tgem.tl.attention_necessity(changed, model, n_bootstrap=10, key_added="mine")
        key = keys.ATTENTION_NECESSITY.key("mine")
        assert set(changed.uns) - set(adata.uns) == {key, f"{key}_params"}
        assert changed.obs.equals(adata.obs)
        assert (changed.X != adata.X).sum() == 0
        assert set(changed.obsm) == set(adata.obsm)

    def test_survives_a_file(self, laddered, tmp_path):
        laddered.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        pd.testing.assert_frame_equal(
            keys.ATTENTION_NECESSITY.read(read),
            keys.ATTENTION_NECESSITY.read(laddered),
            check_dtype=False,
        )
        params = read.uns[keys.ATTENTION_NECESSITY.params_key()]
        assert params["cell_specific_accuracy"].shape == (3,)

    def test_one_cell_has_no_interval(self, deciding):
        model, adata = deciding
        alone = tgem.tl.attention_necessity(adata, model, indices=[0], n_bootstrap=5, copy=True)
        table = keys.ATTENTION_NECESSITY.read(alone)
        assert table[["lower", "upper", "own_minus_lower"]].isna().all(axis=None)
        assert table["value"].notna().all()

    def test_data_without_labels_are_refused_and_left_alone(self, deciding):
        model, adata = deciding
        unlabelled = adata.copy()
        unlabelled.obs = unlabelled.obs.drop(columns="cell_type")
        unlabelled.obs_names = [f"new_{i}" for i in range(unlabelled.n_obs)]
        before = dict(unlabelled.uns)
        with pytest.raises(ValueError, match="no column 'cell_type'"):
            tgem.tl.attention_necessity(unlabelled, model)
        assert set(unlabelled.uns) == set(before)

    def test_no_bootstrap(self, deciding):
        model, adata = deciding
        with pytest.raises(ValueError, match="n_bootstrap"):
            tgem.tl.attention_necessity(adata, model, n_bootstrap=0)


# -- the plot ------------------------------------------------------------------------------


class TestPlot:
    @pytest.fixture(autouse=True)
    def _close(self):
        yield
        plt.close("all")

    def test_dots_are_the_values_from_own_to_uniform(self, laddered):
        axes = tgem.pl.attention_necessity(laddered, show=False)
        for ax, metric in zip(axes, ("accuracy", "log_likelihood"), strict=True):
            dots = [line for line in ax.lines if line.get_marker() == "o"]
            expected = [row(laddered, maps, metric)["value"] for maps in RUNGS]
            np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], expected)
            heights = [ax.transData.transform((0, dot.get_ydata()[0]))[1] for dot in dots]
            assert heights == sorted(heights, reverse=True)
            share = row(laddered, "mean", metric)["own_minus"]
            assert f"{share:+.3f}".replace("-", "\N{MINUS SIGN}") in ax.get_title()

    def test_differences_without_meaning_look_like_none(self, laddered):
        flat = laddered.copy()
        table = keys.ATTENTION_NECESSITY.read(flat).copy()
        table[["value", "lower", "upper"]] = 0.9
        table[["own_minus", "own_minus_lower", "own_minus_upper"]] = -1e-9
        table.loc[table["maps"] == "own", "value"] += 1e-9
        keys.ATTENTION_NECESSITY.write(flat, table)
        for ax in tgem.pl.attention_necessity(flat, show=False):
            low, high = ax.get_xlim()
            assert high - low >= 0.099
            assert ax.get_title().endswith("own minus mean 0.000 [0.000, 0.000]")

    def test_classes_and_one_metric(self, deciding, laddered):
        model, _ = deciding
        label = str(model.classes[0])
        (ax,) = tgem.pl.attention_necessity(
            laddered, classes=[label], metric="accuracy", show=False
        )
        assert ax.get_title().startswith(label)
        assert len(tgem.pl.attention_necessity(laddered, classes=["all", label], show=False)) == 4

    def test_into_given_axes(self, laddered):
        _, ax = plt.subplots()
        assert tgem.pl.attention_necessity(laddered, metric="accuracy", ax=ax, show=False) == [ax]
        with pytest.raises(ValueError, match="one panel"):
            tgem.pl.attention_necessity(laddered, ax=ax, show=False)

    def test_saved(self, laddered, tmp_path):
        tgem.pl.attention_necessity(laddered, show=False, save=tmp_path / "ladder.png")
        assert (tmp_path / "ladder.png").stat().st_size > 1000

    def test_bad_names(self, laddered, tiny_adata):
        with pytest.raises(ValueError, match="alien"):
            tgem.pl.attention_necessity(laddered, classes=["alien"], show=False)
        with pytest.raises(ValueError, match="'accuracy', 'log_likelihood'"):
            tgem.pl.attention_necessity(laddered, metric="loss", show=False)
        with pytest.raises(KeyError, match=r"tgem\.tl\.attention_necessity"):
            tgem.pl.attention_necessity(tiny_adata, show=False)


def test_site_without_maps_given_is_the_attention():
    attention, cells = GeneAttention(6, 2), torch.rand(3, 6)
    expected = torch.einsum(
        "h,nhg->ng", attention.head_weight, attention.maps(cells).average(attention.heads(cells)[2])
    )
    torch.testing.assert_close(attention(cells), expected)
