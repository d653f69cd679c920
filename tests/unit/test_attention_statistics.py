"""Entropy, attention received, top keys, mean attention and edges against dense ones."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tgem.nn import (
    attention_statistics,
    mean_attention,
    mean_attention_blocks,
    scalar_attention,
    strongest_edges,
    top_keys,
)
from tgem.nn.exact_attention import ExactKernel
from tgem.nn.linear_attention import ChebyshevKernel

METHODS = ["auto", "linear", "exact"]
N_GENES = 220


def dense_weights(q, k):
    """Logarithms of the softmax over all pairs, its diagonal included."""
    return torch.log_softmax(q[..., :, None] * k[..., None, :], -1)


def entropy(log_weights):
    weights = log_weights.exp()
    return -torch.where(weights > 0, weights * log_weights, 0).sum(-1)


def dense_statistics(q, k):
    log_weights = dense_weights(q, k)
    itself = torch.eye(q.shape[-1], dtype=torch.bool)
    log_others = log_weights.masked_fill(itself, -math.inf)
    scores = (q[..., :, None] * k[..., None, :]).masked_fill(itself, -math.inf)
    renormalized = torch.log_softmax(scores, -1)
    return entropy(log_others), entropy(renormalized), log_others.exp().sum(-2)


def tokens(product, inputs="gaussian", n_genes=N_GENES, rows=(2, 3)):
    """Double-precision q and k whose largest score spread is `product`."""
    generator = torch.Generator().manual_seed(n_genes)
    q, k = torch.randn(2, *rows, n_genes, generator=generator, dtype=torch.float64)
    if inputs == "sparse":
        expressed = torch.rand(*rows, n_genes, generator=generator) < 0.2
        q, k = q * expressed, k * expressed
    spread = q.abs().amax(-1, keepdim=True) * (k.amax(-1) - k.amin(-1))[..., None]
    return q * product / spread, k


PRODUCTS = pytest.mark.parametrize("product", [0, 1, 100, 1e4])
INPUTS = pytest.mark.parametrize("inputs", ["gaussian", "sparse"])


@pytest.mark.parametrize("method", METHODS)
@PRODUCTS
@INPUTS
def test_statistics_match_dense(method, product, inputs):
    q, k = tokens(product, inputs)
    found = attention_statistics(q, k, method=method)
    expected = dense_statistics(q, k)
    # Scores of 1e4 have lost four of sixteen digits in the reference too.
    limit = 1e-11 * (1 + product) if method == "exact" else 3e-8
    for name, tensor, reference in zip(found._fields, found, expected, strict=True):
        assert (tensor - reference).abs().max() < max(limit, 1e-11 * product), name


@pytest.mark.parametrize("method", METHODS)
def test_statistics_of_many_genes(method):
    q, k = tokens(30, n_genes=2000, rows=(1,))
    found, expected = attention_statistics(q, k, method=method), dense_statistics(q, k)
    assert (found.entropy - expected[0]).abs().max() < 3e-8
    assert (found.entropy_renormalized - expected[1]).abs().max() < 3e-8
    assert ((found.received - expected[2]).abs().max() / expected[2].max()) < 1e-8


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
def test_entropy_keeps_its_tolerance_where_scores_are_large(tolerance):
    """The scores multiply the error of the weights."""
    q, k = tokens(3000)
    found = attention_statistics(q, k, method="linear", tolerance=tolerance)
    expected = dense_statistics(q, k)
    for tensor, reference in zip(found, expected, strict=True):
        assert (tensor - reference).abs().max() < 3 * tolerance


@pytest.mark.parametrize("method", METHODS)
def test_gene_that_attends_to_itself_alone(method):
    """What is left for others is far below rounding, and its entropy keeps its digits."""
    generator = torch.Generator().manual_seed(0)
    k = torch.randn(100, generator=generator, dtype=torch.float64) / 10
    k[5], k[8] = 3.0, -2.0
    q = torch.randn(100, generator=generator, dtype=torch.float64)
    q[5], q[8] = 20.0, -15.0
    found, expected = attention_statistics(q, k, method=method), dense_statistics(q, k)
    assert expected[0][5] < 1e-20
    for gene in (5, 8):
        torch.testing.assert_close(found.entropy[gene], expected[0][gene], rtol=1e-10, atol=0)
        torch.testing.assert_close(
            found.entropy_renormalized[gene], expected[1][gene], rtol=1e-10, atol=0
        )
    # All weight gone: nothing is left of the published entropy, and no NaN of the other.
    q[5] = 1e6
    found = attention_statistics(q, k, method=method)
    assert found.entropy[5] == 0
    assert found.entropy_renormalized[5] == 0  # the largest other key has all of the rest


@pytest.mark.parametrize("method", METHODS)
def test_zero_queries_spread_attention_evenly(method):
    k = torch.randn(60, generator=torch.Generator().manual_seed(1))
    found = attention_statistics(torch.zeros(60), k, method=method)
    torch.testing.assert_close(found.entropy, torch.full((60,), 59 / 60 * math.log(60)))
    torch.testing.assert_close(found.entropy_renormalized, torch.full((60,), math.log(59)))
    torch.testing.assert_close(found.received, torch.full((60,), 59 / 60))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_finite_input_gives_finite_statistics(method, dtype):
    largest, smallest = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    base = torch.linspace(-1, 1, 60, dtype=dtype)
    for q_size in (0.0, smallest, 1.0, largest):
        for k_size in (0.0, smallest, 1.0, largest / 2):  # a range that is a number
            q, k = base * q_size, base * k_size
            found = attention_statistics(q, k, method=method)
            for tensor, most in zip(found, (math.log(60), math.log(59), 60), strict=True):
                assert tensor.isfinite().all()
                assert tensor.min() >= 0
                assert tensor.max() <= most * (1 + 1e-6)
            assert top_keys(q, k, torch.arange(60), 59, method=method).weights.isfinite().all()
            matrix = mean_attention(q, k, method=method)
            assert matrix.isfinite().all()
            assert matrix.sum(1).max() < 1 + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_one_gene_has_zeros(method):
    q = torch.tensor([[2.0], [-1e30]])
    for tensor in attention_statistics(q, q, method=method):
        assert torch.equal(tensor, torch.zeros(2, 1))
    assert torch.equal(mean_attention(q, q, method=method), torch.zeros(1, 1))


@pytest.mark.parametrize("method", METHODS)
def test_two_genes(method):
    q = torch.tensor([1.0, -2.0], dtype=torch.float64)
    k = torch.tensor([0.5, 0.1], dtype=torch.float64)
    found = attention_statistics(q, k, method=method)
    for tensor, reference in zip(found, dense_statistics(q, k), strict=True):
        torch.testing.assert_close(tensor, reference, rtol=1e-9, atol=1e-12)


def test_statistics_take_shapes_and_types_as_they_come():
    q = torch.randn(4, 1, 50, generator=torch.Generator().manual_seed(2)).requires_grad_()
    k = torch.randn(3, 50, generator=torch.Generator().manual_seed(3)).bfloat16()
    found = attention_statistics(q, k)
    for tensor, reference in zip(found, dense_statistics(q.double(), k.double()), strict=True):
        assert tensor.shape == (4, 3, 50)
        assert tensor.dtype == torch.float32
        assert not tensor.requires_grad
        torch.testing.assert_close(tensor, reference.float(), rtol=1e-6, atol=1e-6)
    for tensor in attention_statistics(q[:0], k):
        assert tensor.shape == (0, 3, 50)


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_autocast_changes_nothing(method):
    q, k = (tensor.float() for tensor in tokens(20))
    expected = attention_statistics(q, k, method=method), mean_attention(q, k, method=method)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention_statistics(q, k, method=method), mean_attention(q, k, method=method)
    assert all(torch.equal(*pair) for pair in zip(found[0], expected[0], strict=True))
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("method", METHODS)
@PRODUCTS
@INPUTS
def test_top_keys_match_dense(method, product, inputs):
    q, k = tokens(product, inputs)
    queries = torch.tensor([7, 0, N_GENES - 1, 7, *k[0, 0].argsort()[[0, -1]].tolist()])
    indices, weights = top_keys(q, k, queries, 5, method=method)
    # Ranked by score, as weights underflow. The diagonal is last, ties go to the smaller index.
    scores = q[..., queries, None] * k[..., None, :]
    scores.scatter_(-1, queries.expand(2, 3, -1)[..., None], -math.inf)
    expected = scores.sort(dim=-1, descending=True, stable=True).indices[..., :5]
    assert torch.equal(indices, expected)
    all_weights = dense_weights(q, k).exp()[..., queries, :]
    torch.testing.assert_close(weights, all_weights.gather(-1, expected), rtol=1e-7, atol=1e-300)


def test_top_keys_of_equal_keys_come_by_index():
    k = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    q = torch.tensor([1.0, 1.0, 0.0, -1.0, -1.0])
    indices, weights = top_keys(q, k, torch.arange(5), 4)
    expected = [[1, 3, 2, 4], [3, 0, 2, 4], [0, 1, 3, 4], [0, 2, 4, 1], [0, 2, 1, 3]]
    assert indices.tolist() == expected
    torch.testing.assert_close(weights[2], torch.full((4,), 0.2))
    assert top_keys(q, k, torch.arange(0), 4).indices.shape == (0, 4)
    assert top_keys(q, k, torch.arange(5), 0).weights.shape == (5, 0)


def test_top_keys_that_do_not_exist():
    q = torch.rand(2, 5)
    with pytest.raises(ValueError, match="n_keys is 5; expected at most 4"):
        top_keys(q, q, torch.tensor([0]), 5)
    for gene in (5, -1):
        with pytest.raises(IndexError, match=f"no query gene {gene}; indices run from 0 to 4"):
            top_keys(q, q, torch.tensor([0, gene]), 2)
    with pytest.raises(TypeError, match="found torch"):
        top_keys(q, q, torch.tensor([0.0]), 2)
    with pytest.raises(ValueError, match=r"\(n_queries,\)"):
        top_keys(q, q, torch.tensor([[0]]), 2)


@pytest.mark.parametrize("method", METHODS)
@PRODUCTS
@INPUTS
def test_mean_attention_matches_dense(method, product, inputs):
    q, k = tokens(product, inputs)
    expected = dense_weights(q, k).exp().mean((0, 1))
    expected.fill_diagonal_(0)
    found = mean_attention(q, k, block=70, method=method)
    limit = 1e-14 * (1 + product) if method == "exact" else 1e-8
    assert (found - expected).abs().max() < limit
    assert (found - expected).abs().sum(1).max() < (1e-10 if method == "exact" else 1e-8)
    assert torch.equal(found.diagonal(), torch.zeros(N_GENES))
    assert found.min() >= 0


@pytest.mark.parametrize(("product", "kernel"), [(1, ChebyshevKernel), (1000, ExactKernel)])
def test_mean_attention_takes_the_faster_way(product, kernel, monkeypatch):
    used = []
    for each in (ChebyshevKernel, ExactKernel):

        def over_rows(self, *arguments, original=each.over_rows):
            used.append(type(self))
            return original(self, *arguments)

        monkeypatch.setattr(each, "over_rows", over_rows)
    mean_attention(*tokens(product, n_genes=600, rows=(1,)))
    assert set(used) == {kernel}


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_size_of_blocks_and_chunks_does_not_show(method, monkeypatch):
    q, k = tokens(10, rows=(9,))
    expected = mean_attention(q, k, method=method, block=N_GENES)
    for block in (1, 33, 1000):
        found = mean_attention(q, k, method=method, block=block)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr("tgem.nn.linear_attention._INNER_SIZE", 1)
    for scratch in (1, 5000):
        monkeypatch.setattr("tgem.nn.exact_attention.scratch_elements", lambda _, s=scratch: s)
        monkeypatch.setattr("tgem.nn.linear_attention.scratch_elements", lambda _, s=scratch: s)
        found = mean_attention(q, k, method=method)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_mean_attention_agrees_with_the_attention(method):
    q, k = tokens(5, rows=())
    v = torch.randn(N_GENES, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    attended = mean_attention(q, k, method=method) @ v
    torch.testing.assert_close(attended, scalar_attention(q, k, v, method=method))
    statistics = attention_statistics(q, k, method=method)
    torch.testing.assert_close(statistics.received, mean_attention(q, k, method=method).sum(0))


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor made."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_memory_is_linear_in_genes(method):
    n_genes = 4000
    q, k = torch.rand(2, n_genes, generator=torch.Generator().manual_seed(5)).unbind()
    with Largest() as largest:
        attention_statistics(q, k, method=method)
        top_keys(q, k, torch.arange(10), 10, method=method)
        strongest_edges(mean_attention_blocks(q, k, block=100, method=method), 1000)
    # The inner size of a matrix product, or a block, times the genes.
    assert largest.bytes <= 8 * n_genes * 256


def test_nothing_to_average():
    with pytest.raises(ValueError, match="at least one cell"):
        mean_attention_blocks(torch.rand(0, 5), torch.rand(0, 5))
    with pytest.raises(ValueError, match="block is 0"):  # before the first block is asked for
        mean_attention_blocks(torch.rand(2, 5), torch.rand(2, 5), block=0)


def test_not_finite_raises():
    q = torch.rand(2, 30)
    bad = q.clone()
    bad[1, 3] = math.nan
    for function in (attention_statistics, mean_attention, mean_attention_blocks):
        with pytest.raises(ValueError, match=r"k of shape \(2, 30\) holds 1 NaN"):
            function(q, bad)
        with pytest.raises(ValueError, match="'auto', 'linear', 'exact'"):
            function(q, q, method="fast")
        with pytest.raises(ValueError, match="tolerance"):
            function(q, q, tolerance=0)
        with pytest.raises(ValueError, match=r"expected q, k of shape.*\(2, 30\) and \(2, 31\)"):
            function(q, torch.rand(2, 31))


def in_blocks(matrix, size):
    for start in range(0, len(matrix), size):
        yield slice(start, start + size), matrix[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("n_edges", [1, 25, 1000, 5000])
def test_strongest_edges_match_a_full_sort(size, n_edges):
    generator = torch.Generator().manual_seed(6)
    # Few different values, so many ties, some of them zeros.
    matrix = torch.randint(-6, 7, (40, 40), generator=generator).double()
    matrix.fill_diagonal_(0)
    found = strongest_edges(in_blocks(matrix, size), n_edges)
    order = matrix.flatten().abs().sort(descending=True, stable=True).indices[:n_edges]
    order = order[matrix.flatten()[order] != 0]
    assert torch.equal(found.queries * 40 + found.keys, order)
    assert torch.equal(found.weights, matrix.flatten()[order])
    assert (found.queries != found.keys).all()


def test_strongest_edges_of_nothing():
    with pytest.raises(ValueError, match="at least one block"):
        strongest_edges([], 5)
    with pytest.raises(ValueError, match="n_edges is 0"):
        strongest_edges(in_blocks(torch.eye(3), 1), 0)
    assert len(strongest_edges(in_blocks(torch.zeros(3, 3), 2), 5).weights) == 0
