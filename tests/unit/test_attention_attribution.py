"""Attributions of attention weights against Integrated Gradients of dense maps by autograd."""

import functools

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from tgem.model.tgem._module import TGEMModule
from tgem.nn import (
    attention_attribution,
    mean_attention,
    mean_attribution_blocks,
    strongest_edges,
)

METHODS = ["auto", "linear", "exact"]
N_OBS, N_GENES, N_HEADS, N_LAYERS, N_CLASSES = 3, 40, 2, 3, 4
TARGETS = torch.tensor([2, 0, 3])
LAYERS = pytest.mark.parametrize("layer", range(N_LAYERS))


@functools.cache
def network():
    """A small network in double precision, far from its initial values, and cells."""
    torch.manual_seed(0)
    module = TGEMModule(
        N_GENES, N_CLASSES, n_layers=N_LAYERS, n_heads=N_HEADS, dropout=0.1
    ).double()
    with torch.no_grad():
        for attention in module.attentions:
            attention.query *= 8
            attention.key *= 8
            attention.head_weight.normal_()
        module.norm.shift.normal_()
        module.norm.scale.normal_(1, 0.3)
        # Behind, so that the attended values are far from constant.
        module.norm.eps = 1.0
    return module.eval().requires_grad_(False), torch.rand(N_OBS, N_GENES).double() * 3


def inputs_of_layers(module, expression):
    """What each layer reads."""
    hidden = [expression]
    for attention in module.attentions:
        hidden.append(hidden[-1] + module.norm(attention(hidden[-1])))
    return hidden


def rest_of_network(layer, hidden, attended, targets=TARGETS):
    """Logits of the targets from the attended values of one layer; only those may vary."""
    module, _ = network()
    hidden = hidden + module.norm(attended)
    for attention in module.attentions[layer + 1 :]:
        hidden = hidden + module.norm(attention(hidden))
    logits = module.classifier(torch.nn.functional.leaky_relu(hidden, 0.1))
    return logits[torch.arange(len(logits)), targets]


def dense_maps(q, k):
    maps = torch.softmax(q[..., :, None] * k[..., None, :], -1)
    return maps * (1 - torch.eye(q.shape[-1], dtype=q.dtype))


@functools.cache
def problem(layer):
    """The arguments, and function, maps and baseline's maps for the dense computation."""
    module, expression = network()
    attention = module.attentions[layer]
    hidden = inputs_of_layers(module, expression)[layer]
    q, k, v = attention.heads(hidden)
    zero = inputs_of_layers(module, torch.zeros(1, N_GENES).double())[layer]
    base_q, base_k, _ = (part[0] for part in attention.heads(zero))
    function = functools.partial(rest_of_network, layer, hidden)
    arguments = {"head_weight": attention.head_weight, "base_q": base_q, "base_k": base_k}

    def of_maps(maps):
        cells = torch.arange(len(maps)) % N_OBS  # captum repeats the cells for each point
        attended = torch.einsum("h,nhij,nhj->ni", attention.head_weight, maps, v[cells])
        return rest_of_network(layer, hidden[cells], attended, TARGETS[cells])

    maps, base_maps = dense_maps(q, k), dense_maps(base_q, base_k)
    return function, (q, k, v), arguments, of_maps, maps, base_maps.expand_as(maps)


@functools.cache
def dense_attribution(layer, n_steps):
    *_, of_maps, maps, base_maps = problem(layer)
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    total = torch.zeros_like(maps)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = torch.lerp(base_maps, maps, node).requires_grad_()
        total += weight * torch.autograd.grad(of_maps(point).sum(), point)[0]
    return total * (maps - base_maps)


def as_matrix(blocks):
    return torch.cat([rows for _, rows in blocks])


@LAYERS
@pytest.mark.parametrize("method", METHODS)
def test_attributions_match_dense(layer, method):
    function, qkv, arguments, of_maps, maps, base_maps = problem(layer)
    found = attention_attribution(function, *qkv, **arguments, n_steps=20, method=method)
    expected = dense_attribution(layer, 20)
    matrix = as_matrix(mean_attribution_blocks(found, block=17, method=method))
    of_heads = expected.sum(1).mean(0)
    assert (matrix - of_heads).abs().max() < 1e-7 * of_heads.abs().max()
    # One cell alone, and the sums.
    one = found._replace(
        **{name: getattr(found, name)[1:2] for name in ("q", "k", "v", "gradient")}
    )
    matrix = as_matrix(mean_attribution_blocks(one, method=method))
    assert (matrix - expected[1].sum(0)).abs().max() < 1e-7 * expected[1].abs().max()
    change = of_maps(maps) - of_maps(base_maps)
    assert change.abs().min() > 1e-3
    torch.testing.assert_close(found.change, change, rtol=1e-7, atol=1e-9)
    residual = expected.sum((1, 2, 3)) - change
    torch.testing.assert_close(found.residual, residual, rtol=1e-5, atol=1e-8)


@LAYERS
def test_attributions_match_captum(layer):
    function, qkv, arguments, of_maps, maps, base_maps = problem(layer)
    found = attention_attribution(function, *qkv, **arguments, n_steps=30)
    explained = IntegratedGradients(of_maps, multiply_by_inputs=True)
    expected = explained.attribute(
        maps, base_maps.clone(), n_steps=30, method="gausslegendre", internal_batch_size=N_OBS
    )
    expected = expected.sum(1).mean(0)
    matrix = as_matrix(mean_attribution_blocks(found))
    # captum's points and weights are single precision
    assert (matrix - expected).abs().max() < 1e-6 * expected.abs().max()


@LAYERS
def test_residual_falls_with_steps_and_says_what_is_missing(layer):
    function, qkv, arguments, *_ = problem(layer)
    few, many = (
        attention_attribution(function, *qkv, **arguments, n_steps=n_steps) for n_steps in (1, 400)
    )
    assert few.residual.abs().max() > 1e-3
    assert many.residual.abs().max() < few.residual.abs().max() / 20
    for found in (few, many):
        total = as_matrix(mean_attribution_blocks(found)).sum()
        expected = (found.change + found.residual).mean()
        torch.testing.assert_close(total, expected, rtol=1e-6, atol=1e-8)


def test_first_layer_starts_from_equal_attention():
    _, _, arguments, _, _, base_maps = problem(0)
    assert not arguments["base_q"].any()
    expected = (1 - torch.eye(N_GENES, dtype=torch.float64)) / N_GENES
    torch.testing.assert_close(base_maps[0, 0], expected)
    torch.testing.assert_close(mean_attention(arguments["base_q"], arguments["base_k"]), expected)
    assert problem(1)[2]["base_q"].any()  # behind it, the network's zero input is not zero


@pytest.mark.parametrize("block", [1, 13, 400])
def test_minibatches_and_blocks_do_not_show(block):
    function, qkv, arguments, *_ = problem(1)
    whole = attention_attribution(function, *qkv, **arguments, n_steps=3)
    parts = [
        whole._replace(
            **{name: getattr(whole, name)[cells] for name in ("q", "k", "v", "gradient")}
        )
        for cells in (slice(0, 1), slice(1, 1), slice(1, 3))
    ]
    expected = as_matrix(mean_attribution_blocks(whole))
    found = as_matrix(mean_attribution_blocks(parts, block=block))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(found.diagonal(), torch.zeros(N_GENES).double())


def test_strongest_edges_of_attributions():
    function, qkv, arguments, *_ = problem(2)
    found = attention_attribution(function, *qkv, **arguments, n_steps=20)
    edges = strongest_edges(mean_attribution_blocks(found, block=9), 30)
    expected = dense_attribution(2, 20).sum(1).mean(0)
    order = expected.flatten().abs().argsort(descending=True)[:30]
    assert torch.equal(edges.queries * N_GENES + edges.keys, order)
    torch.testing.assert_close(edges.weights, expected.flatten()[order], rtol=1e-5, atol=1e-12)
    assert edges.weights.min() < 0 < edges.weights.max()


def test_attended_output_equals_the_layers():
    """`change` starts from the network's own output."""
    module, expression = network()
    function, qkv, arguments, *_ = problem(0)
    logits = module(expression)[torch.arange(N_OBS), TARGETS]
    seen = []

    def watched(attended):
        seen.append(function(attended).detach())
        return function(attended)

    attention_attribution(watched, *qkv, **arguments, n_steps=1)
    assert any(torch.allclose(output, logits, rtol=1e-7) for output in seen)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_of_callers_do_not_matter(context):
    function, qkv, arguments, *_ = problem(0)
    expected = attention_attribution(function, *qkv, **arguments, n_steps=3)
    with context():
        found = attention_attribution(function, *qkv, **arguments, n_steps=3)
        matrix = as_matrix(mean_attribution_blocks(found))
    torch.testing.assert_close(found.gradient, expected.gradient)
    assert not matrix.requires_grad
    weight = arguments["head_weight"].clone().requires_grad_()
    found = attention_attribution(function, *qkv, **{**arguments, "head_weight": weight})
    assert not any(tensor.requires_grad for tensor in found)


def test_single_precision():
    function, qkv, arguments, *_ = problem(0)
    expected = attention_attribution(function, *qkv, **arguments, n_steps=20)
    found = attention_attribution(
        lambda attended: function(attended.double()).float(),
        *(tensor.float() for tensor in qkv),
        **{name: tensor.float() for name, tensor in arguments.items()},
        n_steps=20,
    )
    matrix = as_matrix(mean_attribution_blocks(found))
    assert matrix.dtype == found.gradient.dtype == found.residual.dtype == torch.float32
    reference = as_matrix(mean_attribution_blocks(expected)).float()
    assert (matrix - reference).abs().max() < 1e-5 * reference.abs().max()


def test_inputs_that_do_not_fit():
    function, (q, k, v), arguments, *_ = problem(0)
    with pytest.raises(ValueError, match=r"one number for each of 3 cells; found shape \(3, 40\)"):
        attention_attribution(lambda attended: attended, q, k, v, **arguments)
    with pytest.raises(ValueError, match=r"\(n_obs, n_heads, n_genes\); found \(3, 2, 39\)"):
        attention_attribution(function, q[..., 1:], k, v, **arguments)
    with pytest.raises(ValueError, match="n_steps is 0"):
        attention_attribution(function, q, k, v, **arguments, n_steps=0)
    for name, shape in (("head_weight", (2,)), ("base_q", (2, 40)), ("base_k", (2, 40))):
        with pytest.raises(ValueError, match=f"expected {name} of shape \\({shape[0]},"):
            attention_attribution(
                function, q, k, v, **{**arguments, name: arguments[name][:1].repeat(3, 1)}
            )
    found = attention_attribution(function, q, k, v, **arguments, n_steps=1)
    other = found._replace(base_k=found.base_k + 1)
    with pytest.raises(ValueError, match="different base_k"):
        mean_attribution_blocks([found, other])
    with pytest.raises(ValueError, match="at least one cell"):
        mean_attribution_blocks([])
    with pytest.raises(ValueError, match="block is 0"):
        mean_attribution_blocks(found, block=0)
    with pytest.raises(ValueError, match="'auto', 'linear', 'exact'"):
        mean_attribution_blocks(found, method="fast")
