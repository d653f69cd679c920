"""What holds for the attention whatever the numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tgem.nn import scalar_attention

quick = settings(deadline=None, max_examples=25, derandomize=True)
methods = pytest.mark.parametrize("method", ["auto", "linear", "exact"])


@st.composite
def tokens(draw):
    """Double-precision q, k, v of shape (cells, heads, genes); genes may be silent."""
    shape = tuple(draw(st.integers(1, largest)) for largest in (3, 3, 80))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    q, k, v = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        expressed = torch.rand(shape, generator=generator) < 0.3
        q, k, v = q * expressed, k * expressed, v * expressed
    scale = draw(st.sampled_from([1e-3, 1.0, 10.0, 300.0]))
    return q * scale, k, v


def close(found, expected, v):
    """Within twice the bound that the documentation gives for one output."""
    return (found - expected).abs().max() <= 4e-8 * max(v.abs().max().item(), 1e-300)


@methods
@quick
@given(tokens(), st.randoms(use_true_random=False))
def test_permuting_genes_permutes_outputs(method, qkv, random):
    order = list(range(qkv[0].shape[-1]))
    random.shuffle(order)
    permuted = scalar_attention(*(tensor[..., order] for tensor in qkv), method=method)
    assert close(permuted, scalar_attention(*qkv, method=method)[..., order], qkv[2])


@methods
@quick
@given(tokens(), st.floats(-50, 50))
def test_adding_a_constant_to_the_keys_changes_nothing(method, qkv, constant):
    q, k, v = qkv
    shifted = scalar_attention(q, k + constant, v, method=method)
    assert close(shifted, scalar_attention(q, k, v, method=method), v)


@methods
@quick
@given(tokens())
def test_changing_the_sign_of_queries_and_keys_changes_nothing(method, qkv):
    q, k, v = qkv
    assert close(
        scalar_attention(-q, -k, v, method=method), scalar_attention(*qkv, method=method), v
    )


@methods
@quick
@given(tokens(), st.floats(-10, 10))
def test_equal_values_leave_what_a_gene_does_not_give_itself(method, qkv, value):
    q, k, _ = qkv
    v = torch.full_like(q, value)
    weights = torch.softmax(q[..., :, None] * k[..., None, :], -1)
    own = weights.diagonal(dim1=-2, dim2=-1)
    assert close(scalar_attention(q, k, v, method=method), (1 - own) * value, v)


@methods
@quick
@given(tokens())
def test_cells_and_heads_do_not_see_each_other(method, qkv):
    together = scalar_attention(*qkv, method=method)
    cell, head = (size - 1 for size in together.shape[:2])
    alone = scalar_attention(*(tensor[cell, head] for tensor in qkv), method=method)
    assert close(together[cell, head], alone, qkv[2])


@methods
@quick
@given(tokens(), st.floats(-3, 3))
def test_linear_in_the_values(method, qkv, factor):
    q, k, v = qkv
    other = v.flip(-1) ** 2
    total = scalar_attention(q, k, v + factor * other, method=method)
    parts = scalar_attention(q, k, v, method=method) + factor * scalar_attention(
        q, k, other, method=method
    )
    assert close(total, parts, torch.stack([v.abs(), other.abs()]) * (1 + abs(factor)))


@methods
@quick
@given(tokens())
def test_outputs_stay_within_the_values(method, qkv):
    v = qkv[2]
    assert scalar_attention(*qkv, method=method).abs().max() <= v.abs().max() * (1 + 4e-8)
