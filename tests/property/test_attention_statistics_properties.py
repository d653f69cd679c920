"""What holds for statistics, rankings and averages of attention whatever the numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tgem.nn import (
    attention_statistics,
    mean_attention,
    mean_attention_blocks,
    scalar_attention,
    strongest_edges,
    top_keys,
)

quick = settings(deadline=None, max_examples=20, derandomize=True)
methods = pytest.mark.parametrize("method", ["auto", "linear", "exact"])


@st.composite
def tokens(draw):
    """Double-precision q and k of shape (cells, heads, genes); genes may be silent."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(2, 60)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    q, k = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        expressed = torch.rand(shape, generator=generator) < 0.3
        q, k = q * expressed, k * expressed
    return q * draw(st.sampled_from([1e-3, 1.0, 10.0, 300.0])), k


def close(found, expected):
    return all(
        (a - b).abs().max() < 5e-8 * a.shape[-1] for a, b in zip(found, expected, strict=True)
    )


@methods
@quick
@given(tokens())
def test_statistics_keep_their_bounds(method, qk):
    entropy, renormalized, received = attention_statistics(*qk, method=method)
    n_genes = qk[0].shape[-1]
    assert entropy.min() >= 0
    assert entropy.max() <= math.log(n_genes) + 1e-7
    assert renormalized.min() >= 0
    assert renormalized.max() <= math.log(n_genes - 1) + 1e-7
    assert received.max() <= n_genes - 1 + 1e-7


@methods
@quick
@given(tokens())
def test_attention_given_is_attention_received(method, qk):
    given_away = scalar_attention(*qk, torch.ones_like(qk[0]), method=method)
    received = attention_statistics(*qk, method=method).received
    assert close([received.sum(-1)], [given_away.sum(-1)])


@methods
@quick
@given(tokens(), st.randoms(use_true_random=False))
def test_permuting_genes_permutes_statistics(method, qk, random):
    order = list(range(qk[0].shape[-1]))
    random.shuffle(order)
    permuted = attention_statistics(*(tensor[..., order] for tensor in qk), method=method)
    assert close(permuted, [part[..., order] for part in attention_statistics(*qk, method=method)])


@methods
@quick
@given(tokens(), st.floats(-50, 50))
def test_only_differences_of_keys_matter(method, qk, constant):
    q, k = qk
    expected = attention_statistics(q, k, method=method)
    assert close(attention_statistics(q, k + constant, method=method), expected)
    assert close(attention_statistics(-q, -k, method=method), expected)


@methods
@quick
@given(tokens())
def test_cells_and_heads_do_not_see_each_other(method, qk):
    together = attention_statistics(*qk, method=method)
    alone = attention_statistics(*(tensor[-1, -1] for tensor in qk), method=method)
    assert close([part[-1, -1] for part in together], alone)


@methods
@quick
@given(tokens())
def test_all_keys_take_what_is_given_away(method, qk):
    n_genes = qk[0].shape[-1]
    indices, weights = top_keys(*qk, torch.arange(n_genes), n_genes - 1, method=method)
    everything = torch.arange(n_genes).expand(*indices.shape[:-1], -1)
    itself = torch.arange(n_genes)[:, None].expand(*indices.shape[:-1], 1)
    assert torch.equal(torch.cat([indices, itself], -1).sort().values, everything)
    assert (weights[..., 1:] <= weights[..., :-1] * (1 + 1e-12)).all()
    given_away = scalar_attention(*qk, torch.ones_like(qk[0]), method=method)
    assert close([weights.sum(-1)], [given_away])


@methods
@quick
@given(tokens(), st.integers(1, 70))
def test_mean_is_the_mean_of_cells(method, qk, block):
    single = [
        mean_attention(*pair, method=method)
        for pair in zip(*(tensor.flatten(0, 1) for tensor in qk), strict=True)
    ]
    assert close([mean_attention(*qk, block=block, method=method)], [sum(single) / len(single)])


@quick
@given(tokens(), st.integers(1, 70), st.integers(1, 200))
def test_strongest_edges_do_not_depend_on_blocks(qk, block, n_edges):
    blocks = list(mean_attention_blocks(*qk, block=block, method="exact"))
    found = strongest_edges(blocks, n_edges)
    matrix = torch.cat([rows for _, rows in blocks])
    whole = strongest_edges([(slice(0, len(matrix)), matrix)], n_edges)
    assert all(torch.equal(*pair) for pair in zip(found, whole, strict=True))
    assert torch.equal(found.weights, matrix[found.queries, found.keys])
