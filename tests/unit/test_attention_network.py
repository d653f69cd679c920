"""Networks of genes from attention, against maps written out and differentiated one by one."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

import tgem
from tgem._core.errors import ConvergenceWarning, GeneAlignmentWarning, TrainingWarning
from tgem.nn import mean_attribution_blocks, shared_key_averages, site_attribution
from tgem.nn.attribution import AttentionAttribution
from tgem.nn.context import ContextAttention
from tgem.nn.shared_key_averages import SharedKeyAttribution, shared_key_attribution_blocks
from tgem.nn.swapped_attention import own_maps, swapped

QUIET = {"enable_progress_bar": False}
N_GENES = 20
EVERY = {"n_edges": 3 * N_GENES**2}


def make_model(preset, **options):
    """A trained model of few genes, whose attention is made to decide."""
    adata = tgem.datasets.synthetic_expression(
        n_obs=60, n_genes=N_GENES, n_causal=3, n_decoys=4, effect=2.0, seed=0
    )
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(
        {"type_1": "CD4+/CD25 T Reg"}
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset=preset, **options)
    model.train(max_epochs=8, **QUIET)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.module.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("head_weight"):
                weight.fill_(0.3)
            elif "attention" in name or name == "context_query":
                weight.add_((0.1 if name == "context_query" else 0.8) * noise)
        if preset == "default":
            model.module.weigh_contexts()  # as if cells held out had asked for all of them
    if preset == "paper":
        model.module.norm.eps = 0.5
    return model, adata


@pytest.fixture(scope="module")
def default():
    return make_model("default", n_heads=3)


@pytest.fixture(scope="module")
def paper():
    return make_model("paper", n_heads=2, n_layers=2)


def correctly_typed(model, adata, label):
    given, predicted = adata.obs["cell_type"].to_numpy(), model.predict()
    return np.flatnonzero((given == label) & (predicted == label))


def as_matrix(edges, genes):
    table = edges.pivot_table(index="source", columns="target", values="weight")
    return table.reindex(index=genes, columns=genes).fillna(0).to_numpy()


def scaled(matrix):
    return matrix / np.abs(matrix).max()


# -- the default network, dense -------------------------------------------------------------


def dense_maps(q, k):
    maps = torch.softmax(q[..., :, None] * k[..., None, :], -1)
    return maps * (1 - torch.eye(q.shape[-1], dtype=q.dtype))


def dense_default(module, expression, maps=None):
    """Logits of the default network from explicit maps, its own by default, and the maps."""
    levels = ((expression - module.gene_mean) / module.gene_scale).clamp(-5, 5)
    if maps is None:
        q = levels.clamp(-3, 3)[:, None] * module.attention.query
        maps = dense_maps(q, module.attention.key.expand_as(q))
    contexts = (maps @ levels[:, None, :, None])[..., 0]
    logits = module.level_query(levels) + torch.einsum(
        "chg,nhg->nc", module.context_query, contexts
    )
    return logits, maps


def dense_attribution(module, cells, code, base):
    """Integrated Gradients of the maps by autograd, heads summed, mean over cells."""
    with torch.no_grad():
        maps = dense_default(module, cells)[1]
    total = torch.zeros_like(maps)
    nodes, weights = np.polynomial.legendre.leggauss(5)
    for node, weight in zip(nodes, weights, strict=True):
        point = (base + (node + 1) / 2 * (maps - base)).requires_grad_()
        logit = dense_default(module, cells, point)[0][:, code].sum()
        total += weight / 2 * torch.autograd.grad(logit, point)[0]
    return (total * (maps - base)).sum(1).mean(0).detach().numpy()


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("most_terms", [64, 0], ids=["expanded", "exact"])
def test_default_network_equals_dense_autograd(default, baseline, most_terms, monkeypatch):
    monkeypatch.setattr(shared_key_averages, "MOST_TERMS", most_terms)
    model, adata = default
    table = model.get_network(baseline=baseline, **EVERY)
    module = model.module
    expression = torch.from_numpy(model.get_expression())
    with torch.no_grad():
        if baseline == "zero":
            base = dense_default(module, torch.zeros(1, N_GENES))[1]
        else:
            base = dense_default(module, expression[model.train_indices])[1].mean(0)
    for code, label in enumerate(model.classes):
        cells = correctly_typed(model, adata, label)
        expected = scaled(dense_attribution(module, expression[cells], code, base))
        found = as_matrix(table[table["class"] == label], model.gene_names)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_default_network_is_complete(default):
    layers = default[0].get_attention_network().layers
    assert (layers["residual"] < 1e-10).all()
    assert (layers["change"] > 1e-3).all()


# -- the published network, dense, by captum ------------------------------------------------


class Published(nn.Module):
    """The published network on another's weights; the maps are modules that captum can name."""

    def __init__(self, module):
        super().__init__()
        self.weights = module
        self.maps = nn.ModuleList(nn.Softmax(dim=-1) for _ in module.attentions)

    def forward(self, hidden):
        others = 1 - torch.eye(hidden.shape[-1], dtype=hidden.dtype)
        for layer, softmax in zip(self.weights.attentions, self.maps, strict=True):
            q, k, v = (hidden[:, None] * weight for weight in (layer.query, layer.key, layer.value))
            maps = softmax(q[..., :, None] * k[..., None, :])
            attended = (maps * others @ v[..., None])[..., 0]
            y = torch.einsum("h,nhg->ng", layer.head_weight, attended)
            norm = self.weights.norm
            spread = y.std(-1, keepdim=True) + norm.eps
            hidden = hidden + norm.scale * (y - y.mean(-1, keepdim=True)) / spread + norm.shift
        hidden = torch.where(hidden > 0, hidden, 0.1 * hidden)
        return self.weights.classifier(hidden)


def test_paper_preset_equals_captum(paper, monkeypatch):
    monkeypatch.setattr(site_attribution, "REFINEMENTS", ())  # captum takes 50 steps and no more
    model, adata = paper
    dense = Published(deepcopy(model.module).double().eval())
    expression = torch.from_numpy(model.get_expression()).double()
    torch.testing.assert_close(
        dense(expression).float(), model.module(expression.float()), rtol=1e-3, atol=1e-4
    )
    label = model.classes[0]
    cells = correctly_typed(model, adata, label)
    table = model.get_network(indices=cells, n_steps=50, **EVERY)
    diagonal = 1 - np.eye(N_GENES)
    for number, softmax in enumerate(dense.maps, 1):
        captum = LayerIntegratedGradients(dense, softmax)
        values = captum.attribute(
            expression[cells], torch.zeros_like(expression[cells]), target=0, n_steps=50
        )
        expected = scaled(values.sum(1).mean(0).detach().numpy() * diagonal)
        found = as_matrix(table[table["layer"] == number], model.gene_names)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_paper_preset_against_mean_maps_adds_up(paper):
    model, adata = paper
    cells = correctly_typed(model, adata, model.classes[0])[:5]
    found = model.get_attention_network(indices=cells, baseline="mean", n_steps=200)
    assert (found.layers["residual"] < 0.02 * found.layers["change"]).all()
    assert found.layers["layer"].tolist() == [1, 2]


def test_few_steps_are_refined_where_they_do_not_do(paper, monkeypatch):
    model, adata = paper
    cells = correctly_typed(model, adata, model.classes[0])[:5]
    refined = model.get_attention_network(indices=cells, n_steps=6).layers["residual"]
    monkeypatch.setattr(site_attribution, "REFINEMENTS", ())
    with pytest.warns(ConvergenceWarning, match="Raise `n_steps`, now 1"):
        rough = model.get_attention_network(indices=cells, n_steps=1).layers["residual"]
    assert refined.max() < rough.max()


# -- shared keys ----------------------------------------------------------------------------


@pytest.fixture
def shared():
    """Cells with many genes at the query of a cell that expresses nothing."""
    generator = torch.Generator().manual_seed(3)
    levels = torch.rand(8, 30, generator=generator).double() * 3 - 0.4
    levels[torch.rand(8, 30, generator=generator) < 0.6] = -0.4
    query, keys, gradient = torch.randn(3, 4, 30, generator=generator).double()
    return levels, query, keys, gradient


@pytest.mark.parametrize("scale", [1, 40])
@pytest.mark.parametrize("reference", [False, True])
def test_shared_keys_give_the_average_of_any_keys(shared, scale, reference):
    levels, query, keys, gradient = shared
    query = query * scale
    q = levels[:, None] * query
    nothing, others = -0.4 * query, (levels.flip(0)[:5] ** 2 - 0.4)[:, None] * query
    base = others if reference else nothing
    n_obs, n_heads, _ = q.shape
    unused = q.new_zeros(n_obs)
    general = AttentionAttribution(
        *(q, keys.expand_as(q), levels[:, None].expand_as(q), q.new_ones(n_heads)),
        *(base, keys.expand_as(base), gradient.expand_as(q), unused, unused),
    )
    parts = [SharedKeyAttribution(q[at], levels[at], gradient) for at in (slice(3), slice(3, 8))]
    blocks = shared_key_attribution_blocks(
        parts, keys, q_of_nothing=nothing, reference_q=others if reference else None, block=7
    )
    expected = torch.cat([rows for _, rows in mean_attribution_blocks(general, method="exact")])
    found = torch.cat([rows for _, rows in blocks])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7 * float(expected.abs().max()))


def test_shared_keys_need_cells(shared):
    levels, query, keys, gradient = shared
    none = SharedKeyAttribution(query[None][:0], levels[:0], gradient)
    with pytest.raises(ValueError, match="at least one cell"):
        shared_key_attribution_blocks([none], keys, q_of_nothing=query)


def test_maps_of_one_cell_serve_many():
    """The maps of an empty cell, with the values of others, in networks of many genes."""
    torch.manual_seed(0)
    attention, cells = ContextAttention(300, 2).double().eval(), torch.randn(4, 300).double()
    with torch.no_grad():
        maps = own_maps(attention, torch.full((1, 300), -0.3).double())
        with swapped(attention, maps):
            together = attention(cells)
            apart = torch.cat([attention(cell[None]) for cell in cells])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


# -- the getter -----------------------------------------------------------------------------


class TestGetNetwork:
    def test_table(self, default):
        model, _ = default
        table = model.get_network(n_edges=7)
        assert list(table) == ["class", "layer", "source", "target", "weight"]
        assert (table.groupby("class", sort=False).size() == 7).all()
        assert set(table["class"]) == set(model.classes)
        assert (table.groupby("class")["weight"].agg(lambda w: w.abs().max()) == 1).all()
        assert (table["source"] != table["target"]).all()

    def test_edges_are_the_strongest_of_all_layers(self, paper):
        model, _ = paper
        few, every = model.get_network(n_edges=9), model.get_network(**EVERY)
        for label, rows in every.groupby("class", sort=False):
            expected = rows.head(9).reset_index(drop=True)
            found = few[few["class"] == label].reset_index(drop=True)
            pd.testing.assert_frame_equal(found, expected)

    def test_published_share_in_the_paper_preset(self, paper):
        table = paper[0].get_network()
        assert (table.groupby("class").size() == round(0.001 * 2 * N_GENES**2)).all()
        table = paper[0].get_network(top_fraction=0.01)
        assert (table.groupby("class").size() == 8).all()

    def test_groups_of_any_kind(self, default):
        model, adata = default
        other = adata.copy()
        other.obs["half"] = np.where(np.arange(adata.n_obs) % 2, "odd/one", "even")
        found = model.get_attention_network(other, groupby="half", n_edges=5)
        assert set(found.edges["class"]) == {"odd/one", "even"}
        assert found.layers["n_cells"].sum() == adata.n_obs
        # Each cell explains its own class: the mean of a group is that of its cells.
        cells = np.flatnonzero(other.obs["half"] == "even")
        each = [
            model.get_attention_network(other, cells[[i]], groupby="half", **EVERY)
            for i in range(len(cells))
        ]
        mean = np.mean(
            [as_matrix(one.edges, model.gene_names) * one.layers["largest"].item() for one in each],
            axis=0,
        )
        every = model.get_attention_network(other, groupby="half", **EVERY).edges
        found = as_matrix(every[every["class"] == "even"], model.gene_names)
        np.testing.assert_allclose(found, scaled(mean), atol=1e-9)

    def test_unlabelled_cells_are_grouped_by_prediction(self, default):
        model, adata = default
        other = adata.copy()
        del other.obs["cell_type"]
        found = model.get_attention_network(other, n_edges=5)
        assert len(found.cells) == adata.n_obs

    def test_number_of_cells(self, default):
        found = default[0].get_attention_network(n_cells=3, n_edges=5)
        assert (found.layers["n_cells"] == 3).all()
        assert len(found.cells) == 3 * len(found.layers)

    def test_missing_and_permuted_genes(self, default):
        model, adata = default
        other = adata[:, ::-1].copy()
        pd.testing.assert_frame_equal(model.get_network(other, **EVERY), model.get_network(**EVERY))
        fewer = adata[:, :-2].copy()
        with pytest.warns(GeneAlignmentWarning):
            table = model.get_network(fewer, **EVERY)
        assert np.isfinite(table["weight"]).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_edges": 0}, "`n_edges`"),
            ({"n_edges": 5, "top_fraction": 0.1}, "one of `n_edges` and `top_fraction`"),
            ({"top_fraction": 2.0}, "`top_fraction` above 0"),
            ({"baseline": "median"}, "'zero', 'mean'"),
            ({"n_cells": 0}, "`n_cells`"),
            ({"n_steps": 0}, "`n_steps`"),
        ],
    )
    def test_bad_settings(self, default, options, message):
        with pytest.raises(ValueError, match=message):
            default[0].get_network(**options)

    def test_bad_groups(self, default):
        model, adata = default
        with pytest.raises(KeyError, match="half"):
            model.get_network(groupby="half")
        other = adata.copy()
        other.obs["size"] = np.random.default_rng(0).random(adata.n_obs)
        with pytest.raises(ValueError, match="Choose a column of labels"):
            model.get_network(other, groupby="size")

    def test_class_without_a_correct_cell(self, default):
        model, adata = default
        cells = correctly_typed(model, adata, model.classes[1])[:3]
        wrong = adata.copy()
        labels = wrong.obs["cell_type"].astype(str).to_numpy()
        labels[cells[0]] = model.classes[2]
        wrong.obs["cell_type"] = labels
        with pytest.warns(TrainingWarning, match=r"type_3.* have no network"):
            table = model.get_network(wrong, cells, n_edges=5)
        assert set(table["class"]) == {model.classes[1]}
        with pytest.raises(ValueError, match="types correctly, found none among 1"):
            model.get_network(wrong, cells[:1])

    def test_untrained(self, tiny_adata):
        tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
        with pytest.raises(RuntimeError, match="not trained"):
            tgem.model.TGEM(tiny_adata).get_network()
