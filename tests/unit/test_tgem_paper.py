"""The paper preset against the published network, written here independently and densely."""

import numpy as np
import pytest
import scanpy as sc
import torch
from torch import nn

import tgem
from tgem.model.tgem._module import TGEMModule
from tgem.model.tgem._presets import PRESETS

N_GENES, N_CLASSES, N_HEADS, N_LAYERS = 37, 5, 5, 3


class PublishedLayerNorm(nn.Module):
    def __init__(self, n_genes):
        super().__init__()
        self.a = nn.Parameter(torch.ones(n_genes))
        self.b = nn.Parameter(torch.zeros(n_genes))

    def forward(self, x):
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return self.a * (x - mean) / (std + 1e-6) + self.b


class PublishedNetwork(nn.Module):
    """Zhang et al. 2022, every genes x genes map written out."""

    def __init__(self, n_genes, n_classes, n_heads, n_layers):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(n_layers):
            layer = nn.Module()
            for name in ("WQ", "WK", "WV"):
                weight = torch.empty(n_heads, n_genes, 1)
                setattr(layer, name, nn.Parameter(nn.init.xavier_normal_(weight)))
            layer.W_0 = nn.Parameter(torch.full((n_heads,), 0.001))
            self.layers.append(layer)
        self.norm = PublishedLayerNorm(n_genes)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(n_genes, n_classes)
        nn.init.xavier_uniform_(self.out.weight)

    def attend(self, layer, x):
        total = 0
        for head in range(len(layer.W_0)):
            q, k, v = (x * getattr(layer, name)[head, :, 0] for name in ("WQ", "WK", "WV"))
            maps = torch.softmax(q[:, :, None] * k[:, None, :], dim=-1)
            maps = maps * (1 - torch.eye(x.shape[1], dtype=x.dtype))
            total = total + layer.W_0[head] * (maps @ v[:, :, None])[:, :, 0]
        return total

    def forward(self, x):
        for layer in self.layers:
            x = x + self.norm(self.dropout(self.attend(layer, x)))
        x = nn.functional.leaky_relu(x, 0.1)
        return torch.log_softmax(self.out(x), dim=-1)


def published_with_weights_of(module):
    published = PublishedNetwork(N_GENES, N_CLASSES, N_HEADS, N_LAYERS).double()
    with torch.no_grad():
        for theirs, ours in zip(published.layers, module.attentions, strict=True):
            for name, weight in (("WQ", ours.query), ("WK", ours.key), ("WV", ours.value)):
                getattr(theirs, name).copy_(weight[:, :, None])
            theirs.W_0.copy_(ours.head_weight)
        published.norm.a.copy_(module.norm.scale)
        published.norm.b.copy_(module.norm.shift)
        published.out.load_state_dict(module.classifier.state_dict())
    return published


@pytest.fixture
def expression():
    generator = np.random.default_rng(0)
    counts = generator.poisson(1.0, size=(16, N_GENES))
    return torch.from_numpy(np.log1p(counts).astype(np.float32))


def make_module(weight_scale=1.0):
    torch.manual_seed(0)
    module = TGEMModule(N_GENES, N_CLASSES, **PRESETS["paper"].module)
    with torch.no_grad():
        for attention in module.attentions:
            for weight in (attention.query, attention.key, attention.value):
                weight.mul_(weight_scale)
        # at its initial 0.001 the attention's share would hide in rounding
        for attention in module.attentions:
            attention.head_weight *= 100
    return module


@pytest.mark.parametrize("weight_scale", [1.0, 10.0])
def test_forward_and_gradients_equal_the_published_network(expression, weight_scale):
    module = make_module(weight_scale).eval()
    published = published_with_weights_of(module).eval()
    labels = torch.arange(len(expression)) % N_CLASSES

    ours = module(expression)
    theirs = published(expression.double())
    torch.testing.assert_close(torch.log_softmax(ours, -1).double(), theirs, rtol=1e-5, atol=1e-5)

    module.loss(ours, labels).backward()
    nn.functional.nll_loss(theirs, labels).backward()
    pairs = [(module.classifier.weight.grad, published.out.weight.grad)]
    pairs += [(module.norm.scale.grad, published.norm.a.grad)]
    for theirs_layer, layer in zip(published.layers, module.attentions, strict=True):
        pairs += [
            (layer.query.grad, theirs_layer.WQ.grad[:, :, 0]),
            (layer.key.grad, theirs_layer.WK.grad[:, :, 0]),
            (layer.value.grad, theirs_layer.WV.grad[:, :, 0]),
            (layer.head_weight.grad, theirs_layer.W_0.grad),
        ]
    for ours_grad, theirs_grad in pairs:
        assert theirs_grad.abs().max() > 0
        error = (ours_grad.double() - theirs_grad).abs().max() / theirs_grad.abs().max()
        assert error < 1e-4


def test_dropout_falls_on_the_attended_genes_before_the_normalisation(expression):
    module = make_module().train()
    published = published_with_weights_of(module).train().float()
    torch.manual_seed(5)
    ours = torch.log_softmax(module(expression), -1)
    torch.manual_seed(5)
    torch.testing.assert_close(ours, published(expression), rtol=1e-4, atol=1e-4)


def test_number_of_parameters_is_the_papers():
    # 34 classes of tumours, 1,708 genes, three layers of five heads
    module = TGEMModule(1708, 34, **PRESETS["paper"].module)
    assert sum(parameter.numel() for parameter in module.parameters()) == 138_397


def test_initial_weights_are_xavier():
    torch.manual_seed(0)
    module = TGEMModule(1000, 10, **PRESETS["paper"].module)
    expected = (2 / 1005) ** 0.5
    for attention in module.attentions:
        for weight in (attention.query, attention.key, attention.value):
            assert weight.std().item() == pytest.approx(expected, rel=0.03)
        torch.testing.assert_close(attention.head_weight, torch.full((5,), 0.001))
    bound = (6 / 1010) ** 0.5
    assert 0.98 * bound < module.classifier.weight.abs().max().item() <= bound


def test_training_arguments_are_the_papers():
    adata = tgem.datasets.synthetic_expression(n_obs=60, n_genes=50)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset="paper")
    model.train(max_epochs=1, enable_progress_bar=False)
    (optimizer,) = model.trainer.optimizers
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["lr"] == 1e-4
    assert optimizer.defaults["eps"] == 1e-8
    assert optimizer.defaults["weight_decay"] == 0
    assert model.trainer.num_training_batches == -(-len(model.train_indices) // 16)
    parts = (model.train_indices, model.validation_indices, model.test_indices)
    shares = [len(part) / adata.n_obs for part in parts]
    assert shares == pytest.approx([0.72, 0.08, 0.2], abs=0.03)


@pytest.fixture(scope="module")
def blood():
    """The paper preset on real blood cells, two epochs long."""
    adata = sc.datasets.pbmc68k_reduced()
    tgem.model.TGEM.setup_anndata(adata, labels_key="bulk_labels", use_raw=True)
    model = tgem.model.TGEM(adata, preset="paper")
    model.train(max_epochs=2, plan_kwargs={"lr": 1e-3}, enable_progress_bar=False)
    return model


def test_paper_preset_learns_blood_cells(blood):
    assert blood.history["train_loss"].iloc[-1] < blood.history["train_loss"].iloc[0]


@pytest.mark.parametrize("n_cells", [60, pytest.param(700, marks=pytest.mark.slow)])
def test_linear_and_exact_attention_give_the_same_labels(blood, n_cells):
    probabilities = []
    for method in ("linear", "exact"):
        for attention in blood.module.attentions:
            attention.method = method
        probabilities.append(blood.predict(indices=range(n_cells), soft=True).to_numpy())
    linear, exact = probabilities
    np.testing.assert_array_equal(linear.argmax(axis=1), exact.argmax(axis=1))
    np.testing.assert_allclose(linear, exact, atol=1e-6)
