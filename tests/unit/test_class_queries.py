"""T-GEM's default network: class queries over levels and contexts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tgem
from tgem.model.tgem._class_queries import ClassQueryModule
from tgem.model.tgem._context_gain import ContextGain
from tgem.nn import scalar_attention
from tgem.nn.context import ContextAttention
from tgem.nn.shared_keys import shared_key_attention


def dense(q, k, v):
    """Attention to all other genes, with keys shared by cells and values shared by heads."""
    weights = torch.softmax(q[..., None] * k[:, None, :], dim=-1)
    weights = weights * (1 - torch.eye(k.shape[-1], dtype=q.dtype))
    return torch.einsum("nhij,nj->nhi", weights, v)


def with_gradients(function, *tensors):
    *inputs, outer = tensors
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    attended = function(*inputs)
    return [attended.detach(), *torch.autograd.grad(attended, inputs, outer)]


class TestSharedKeys:
    @settings(max_examples=25, deadline=None)
    @given(
        n_genes=st.integers(1, 70),
        n_heads=st.integers(1, 3),
        scale=st.sampled_from([0.0, 1e-3, 0.5, 3.0, 30.0]),
        seed=st.integers(0, 100),
    )
    def test_equals_dense_attention(self, n_genes, n_heads, scale, seed):
        generator = torch.Generator().manual_seed(seed)
        q, k, v, outer = (
            torch.randn(shape, generator=generator, dtype=torch.float64)
            for shape in (
                (4, n_heads, n_genes),
                (n_heads, n_genes),
                (4, n_genes),
                (4, n_heads, n_genes),
            )
        )
        q = q * scale
        for method in ("linear", "auto"):
            found = with_gradients(
                lambda *x, m=method: shared_key_attention(*x, method=m, tolerance=1e-12),
                q, k, v, outer,
            )  # fmt: skip
            for actual, expected in zip(found, with_gradients(dense, q, k, v, outer), strict=True):
                size = max(expected.abs().max().item(), 1.0)
                torch.testing.assert_close(actual, expected, rtol=0, atol=1e-8 * size)

    def test_single_precision(self):
        generator = torch.Generator().manual_seed(0)
        q, k, v = (
            torch.randn(shape, generator=generator) for shape in ((5, 2, 300), (2, 300), (5, 300))
        )
        outer = torch.ones_like(q)
        found = with_gradients(
            lambda *x: shared_key_attention(*x, method="linear"), 2 * q, k, v, outer
        )
        expected = with_gradients(dense, *(t.double() for t in (2 * q, k, v, outer)))
        for actual, wanted in zip(found, expected, strict=True):
            assert actual.dtype == torch.float32
            assert (actual - wanted).abs().max() < 2e-5 * wanted.abs().max()

    @pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-25])
    def test_head_that_looks_nowhere(self, scale):
        """In single precision as in double, and whatever the other head does."""
        generator = torch.Generator().manual_seed(0)
        q, k, v = (
            torch.randn(shape, generator=generator) for shape in ((5, 2, 300), (2, 300), (5, 300))
        )
        q[:, 1] *= scale
        outer = torch.ones_like(q)
        found = with_gradients(lambda *x: shared_key_attention(*x, method="linear"), q, k, v, outer)
        expected = with_gradients(dense, *(t.double() for t in (q, k, v, outer)))
        for actual, wanted in zip(found, expected, strict=True):
            assert (actual - wanted).abs().max() < 2e-5 * wanted.abs().max()

    def test_no_second_derivative(self):
        q = torch.randn(2, 1, 40, requires_grad=True)
        z = shared_key_attention(q, torch.randn(1, 40), torch.randn(2, 40), method="linear")
        (gradient,) = torch.autograd.grad(z.sum(), q, create_graph=True)
        with pytest.raises(RuntimeError, match="differentiable once"):
            gradient.sum().backward()

    def test_not_finite(self):
        q = torch.full((1, 1, 40), float("nan"))
        with pytest.raises(ValueError, match="NaN"):
            shared_key_attention(q, torch.zeros(1, 40), torch.zeros(1, 40))


class TestContextAttention:
    def test_is_the_product_of_a_gene_and_a_set(self):
        """A regulator that looks at its targets where it is on reads their level only there."""
        attention = ContextAttention(n_genes=6, n_heads=1, deviation=0.0)
        with torch.no_grad():
            attention.query[0, 0] = 10.0
            attention.key[0, 1:3] = 1.0
        levels = torch.zeros(2, 6)
        levels[:, 0] = torch.tensor([2.0, -2.0])
        levels[:, 1:3] = 1.5
        context = attention(levels)[:, 0, 0]
        assert context[0] > 1.49
        assert abs(context[1]) < 0.01

    def test_swapped_maps(self):
        attention = ContextAttention(n_genes=12, n_heads=2, deviation=1.0).double()
        levels = torch.randn(5, 12, dtype=torch.float64)
        maps = attention.maps(levels)
        queries = levels[:, None].clamp(-3, 3) * attention.query
        weights = torch.softmax(queries[..., None] * attention.key[:, None], -1)
        weights = weights * (1 - torch.eye(12, dtype=torch.float64))
        with torch.no_grad():
            own = attention(levels)
            torch.testing.assert_close(own, torch.einsum("nhij,nj->nhi", weights, levels))
            mean = attention.attend(maps.mean(), levels)
            torch.testing.assert_close(mean, torch.einsum("hij,nj->nhi", weights.mean(0), levels))
            uniform = attention.attend(maps.uniform(), levels)
            others = (levels.sum(1, keepdim=True) - levels) / 12
            torch.testing.assert_close(uniform, others[:, None].expand(-1, 2, -1))
            order = torch.arange(12).flip(0).expand(5, -1)
            shuffled = attention.attend(maps.shuffled(order), levels)
            keys = attention.key.flip(-1)
            expected = scalar_attention(queries, keys, levels[:, None])
            torch.testing.assert_close(shuffled, expected)
            some = torch.tensor([3, 1])
            torch.testing.assert_close(attention.attend(maps[some], levels[some]), own[some])


class TestClassQueries:
    def test_starts_as_a_linear_classifier_of_nothing(self):
        network = ClassQueryModule(9, 3, n_heads=2, dropout=0.5).eval()
        torch.testing.assert_close(network(torch.rand(4, 9)), torch.zeros(4, 3))

    def test_latent_and_class_weights_give_the_logits(self):
        network = ClassQueryModule(9, 3, n_heads=2, dropout=0.5).eval()
        with torch.no_grad():
            for weight in network.parameters():
                weight.normal_()
            cells = 3 * torch.rand(4, 9)
            expected = network.latent(cells) @ network.class_weights().T + network.level_query.bias
            torch.testing.assert_close(network(cells), expected)

    def test_levels_are_limited(self):
        network = ClassQueryModule(2, 3, n_heads=1, dropout=0.0)
        network.set_standardization(torch.tensor([1.0, 0.0]), torch.tensor([0.1, 0.0]))
        levels = network.levels(torch.tensor([[3.0, 0.5]]))
        torch.testing.assert_close(levels, torch.tensor([[10.0, 0.5]]))

    def test_gradients_reach_attention_alone(self):
        network = ClassQueryModule(9, 3, n_heads=2, dropout=0.5)
        (group,) = network.parameter_groups()
        trained = {id(parameter) for parameter in group["params"]}
        levels = {id(parameter) for parameter in network.level_query.parameters()}
        assert trained | levels == {id(parameter) for parameter in network.parameters()}
        assert not trained & levels

    def test_layers_belong_to_the_published_network(self):
        adata = tgem.datasets.synthetic_expression(60, 60)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        with pytest.raises(ValueError, match="no 'n_layers'"):
            tgem.model.TGEM(adata, n_layers=2)


class TestClassAttention:
    def test_markers_lead_and_missing_genes_are_missing(self):
        adata = tgem.datasets.synthetic_expression(300, 60, seed=1)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, n_heads=1)
        with pytest.raises(RuntimeError, match="not trained"):
            tgem.tl.class_attention(adata, model)
        model.train(max_epochs=20, enable_progress_bar=False)
        other = adata[:, ::-1].copy()
        other.var_names = ["unknown", *other.var_names[1:]]
        tgem.tl.class_attention(other, model)
        table = other.varm["tgem_class_attention"]
        assert table.loc["unknown"].isna().all()
        for label in model.classes:
            first = table[label].nlargest(4).index
            assert (adata.var.loc[first, "causal_class"] == label).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22])
def test_classes_that_differ_only_through_products(seed):
    """The positive control: attention finds what no linear classifier can."""
    adata = tgem.datasets.synthetic_expression(
        3000, 200, n_causal=12, interaction_only=True, seed=seed
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(enable_progress_bar=False)
    assert model.attention_gain.weight > 1
    tgem.tl.attention_necessity(adata, model)
    table = adata.uns["tgem_attention_necessity"]
    overall = table[(table["class"] == "all") & (table["metric"] == "accuracy")]
    accuracy = overall.set_index("maps")["value"]
    assert accuracy["own"] >= 0.9
    # Classes that differ in products differ in covariance: fixed maps can be a little above chance.
    assert accuracy["own"] - accuracy["mean"] >= 0.5
    model.module.weigh_contexts(ContextGain(0.0, 0.0, 0.0))
    linear = model.evaluate()["accuracy"]
    assert np.abs(linear - 0.25) < 0.1  # 300 test cells: a standard error of 0.025


class TestLatentRepresentation:
    """Only directions that the classes' weights have."""

    def test_regressions_on_classes_have_one_dimension_less(self, trained):
        model, adata = trained
        assert not model.attention_gain.weight
        latent = model.get_latent_representation()
        assert latent.shape == (adata.n_obs, len(model.classes) - 1)
        # no dimension is arbitrary: weights a little different span nearly the same space
        weights = model.module.level_query.weight
        with torch.no_grad():
            before = weights.clone()
            weights *= 1 + 1e-6 * torch.randn(weights.shape, generator=torch.manual_seed(0))
            try:
                other = model.get_latent_representation()
            finally:
                weights.copy_(before)
        # up to the signs of the axes
        np.testing.assert_allclose(np.abs(other), np.abs(latent), atol=1e-3 * np.abs(latent).max())

    def test_logits_follow_from_it_up_to_a_constant(self, trained):
        model, _ = trained
        latent = model.get_latent_representation()
        logits = model.predict(soft=True).map(np.log).to_numpy(copy=True)
        logits -= logits.mean(axis=1, keepdims=True)
        design = np.column_stack([latent, np.ones(len(latent))])
        solution, *_ = np.linalg.lstsq(design, logits, rcond=None)
        np.testing.assert_allclose(design @ solution, logits, atol=2e-3)

    def test_the_paper_preset_has_one_dimension_for_each_class(self, tiny_adata):
        tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
        model = tgem.model.TGEM(tiny_adata, preset="paper", n_layers=1, n_heads=1)
        model.train(max_epochs=1, enable_progress_bar=False)
        assert model.get_latent_representation().shape == (80, len(model.classes))
