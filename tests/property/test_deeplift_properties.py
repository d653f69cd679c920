"""Properties of closed-form DeepLIFT that hold for every network and sample."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tgem.attr import deeplift_scores, deeplift_summary, hidden_multipliers

SEEDS = st.integers(0, 2**16)
SIZES = st.integers(1, 5)
often = settings(deadline=None, derandomize=True, max_examples=40)


def drawn(seed, n, n_inputs, n_outputs):
    """A network of two layers, its read-out, samples and references, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    network = nn.Sequential(
        nn.Linear(n_inputs, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3), nn.Tanh()
    ).double()
    for parameter in network.parameters():
        parameter.data = draw(*parameter.shape)
    network[1].running_mean = draw(4)
    network[1].running_var = draw(4).exp()
    inputs, baselines = draw(n, n_inputs), draw(n, n_inputs)
    same = torch.rand(n, n_inputs, generator=generator) < 0.2
    baselines = torch.where(same, inputs, baselines)
    rest = {"inputs": inputs, "baselines": baselines, "offset": draw(n, n_outputs)}
    return network.eval(), draw(n_outputs, 3), rest, draw(n, n_outputs).exp()


def readout(logits, tpm):
    return torch.log2(torch.sigmoid(logits) * tpm + 1)


def dense_reference(network, weight, sample):
    """Scores of one sample by the definition: loops over paths, with plain floats."""
    first, norm, _, second, _ = network
    end, start, offset, tpm = sample
    scale = [float(norm.weight[u] / torch.sqrt(norm.running_var[u] + norm.eps)) for u in range(4)]
    mean = norm.running_mean.tolist()

    def forward(x):
        a = [float(first.bias[u] + first.weight[u] @ x) for u in range(4)]
        a = [(a[u] - mean[u]) * scale[u] + float(norm.bias[u]) for u in range(4)]
        b = [
            float(second.bias[k]) + sum(float(second.weight[k, u]) * max(a[u], 0) for u in range(4))
            for k in range(3)
        ]
        z = [
            float(offset[j]) + sum(float(weight[j, k]) * math.tanh(b[k]) for k in range(3))
            for j in range(len(weight))
        ]
        return a, b, z

    def slope(function, end, begin):
        if end == begin:
            return (function(end + 1e-5) - function(end - 1e-5)) / 2e-5
        return (function(end) - function(begin)) / (end - begin)

    (a, b, z), (a0, b0, z0) = forward(end), forward(start)
    scores = torch.zeros(len(end), len(weight), dtype=torch.float64)
    for i in range(len(end)):
        for j in range(len(weight)):
            t = float(tpm[j])
            total = 0.0
            for u in range(4):
                for k in range(3):
                    total += (
                        float(first.weight[u, i])
                        * scale[u]
                        * slope(lambda v: max(v, 0.0), a[u], a0[u])
                        * float(second.weight[k, u])
                        * slope(math.tanh, b[k], b0[k])
                        * float(weight[j, k])
                    )
            total *= slope(lambda v, t=t: math.log2(t / (1 + math.exp(-v)) + 1), z[j], z0[j])
            scores[i, j] = total * float(end[i] - start[i])
    return scores


@often
@given(SEEDS, SIZES, SIZES, SIZES)
def test_equals_the_definition(seed, n, n_inputs, n_outputs):
    network, weight, rest, tpm = drawn(seed, n, n_inputs, n_outputs)
    found = deeplift_scores(network, weight, **rest, response=readout, response_arguments=(tpm,))
    with torch.no_grad():
        expected = [
            dense_reference(network, weight, sample)
            for sample in zip(rest["inputs"], rest["baselines"], rest["offset"], tpm, strict=True)
        ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-6, atol=1e-9)


@often
@given(SEEDS, SIZES, SIZES, SIZES)
def test_scores_are_complete(seed, n, n_inputs, n_outputs):
    network, weight, rest, tpm = drawn(seed, n, n_inputs, n_outputs)
    found = deeplift_scores(network, weight, **rest, response=readout, response_arguments=(tpm,))
    with torch.no_grad():
        ends, starts = (
            readout(network(rest[name]) @ weight.T + rest["offset"], tpm)
            for name in ("inputs", "baselines")
        )
    torch.testing.assert_close(found.sum(1), ends - starts, rtol=1e-7, atol=1e-9)


@often
@given(SEEDS, st.permutations(range(5)), st.permutations(range(4)))
def test_permuted_inputs_and_outputs_give_permuted_scores(seed, inputs, outputs):
    network, weight, rest, tpm = drawn(seed, 3, 5, 4)
    expected = deeplift_scores(network, weight, **rest, response=readout, response_arguments=(tpm,))
    network[0].weight.data = network[0].weight.data[:, inputs]
    found = deeplift_scores(
        network,
        weight[outputs],
        inputs=rest["inputs"][:, inputs],
        baselines=rest["baselines"][:, inputs],
        offset=rest["offset"][:, outputs],
        response=readout,
        response_arguments=(tpm[:, outputs],),
    )
    torch.testing.assert_close(found, expected[:, inputs][:, :, outputs])


@often
@given(SEEDS)
def test_swapping_input_and_reference_flips_the_sign(seed):
    network, weight, rest, _ = drawn(seed, 4, 5, 3)
    there = deeplift_scores(network, weight, **rest, response=torch.sigmoid)
    rest["inputs"], rest["baselines"] = rest["baselines"], rest["inputs"]
    back = deeplift_scores(network, weight, **rest, response=torch.sigmoid)
    torch.testing.assert_close(there, -back)


@often
@given(SEEDS, st.integers(2, 12), st.integers(1, 12), st.booleans())
def test_summary_equals_mean_and_spread_of_the_scores(seed, n, batch_size, one_reference):
    network, weight, rest, tpm = drawn(seed, n, 5, 4)
    if one_reference:
        rest["baselines"] = rest["baselines"][0]
    rest |= {"response": readout, "response_arguments": (tpm,)}
    scores = deeplift_scores(network, weight, **rest)
    found = deeplift_summary(network, weight, **rest, batch_size=batch_size)
    mean = deeplift_summary(network, weight, **rest, batch_size=batch_size, variance=False).mean
    torch.testing.assert_close(found.mean, scores.mean(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(mean, scores.mean(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.standard_deviation, scores.std(0), rtol=1e-8, atol=1e-10)
    assert found.residual <= 1e-9 * max(1, found.largest_change)


@often
@given(SEEDS, SIZES, SIZES)
def test_samples_do_not_see_each_other(seed, n, n_inputs):
    network, _, rest, _ = drawn(seed, n, n_inputs, 2)
    together = hidden_multipliers(network, rest["inputs"], rest["baselines"])
    for sample in range(n):
        alone = hidden_multipliers(
            network, rest["inputs"][sample : sample + 1], rest["baselines"][sample]
        )
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[sample])
