"""The attention against a dense double-precision one written here, and its manners."""

import functools
import math
import re

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tgem.nn import scalar_attention
from tgem.nn.attention import _ScalarAttention
from tgem.nn.exact_attention import ExactKernel
from tgem.nn.kernels import choose_kernel
from tgem.nn.linear_attention import LARGEST_C, ChebyshevKernel, expansion

METHODS = ["auto", "linear", "exact"]
N_HEADS = 2


def dense(q, k, v):
    """Softmax over all pairs, then a zero diagonal."""
    weights = torch.softmax(q[..., :, None] * k[..., None, :], -1)
    others = 1 - torch.eye(q.shape[-1], dtype=weights.dtype)
    return (weights * others @ v[..., None])[..., 0]


def value_and_gradients(function, tensors, upstream):
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    output = function(*tensors)
    return output.detach(), *torch.autograd.grad(output, tensors, upstream.to(output.dtype))


def relative_error(found, expected, smallest=1e-37):
    """Largest error relative to the largest true value, or to `smallest` where that underflows."""
    scale = expected.abs().max().clamp_min(smallest)
    return ((found.double() - expected).abs().max() / scale).item()


@functools.cache
def case(n_genes, inputs, scale):
    """Expression, weights, float32 q, k, v, the upstream gradient, and what is right for them."""
    generator = torch.Generator().manual_seed(n_genes + scale)
    n_cells = 1 if n_genes > 1000 else 3
    expression = torch.randn(n_cells, 1, n_genes, generator=generator)
    if inputs == "expression":  # sparse, non-negative, many genes with the same key
        rate = 3 * torch.rand(n_cells, 1, n_genes, generator=generator) ** 4
        expression = torch.log1p(torch.poisson(rate, generator=generator))
        expression[..., 0] = 1.0
    deviation = math.sqrt(2 / (n_genes + 5))
    weights = [torch.randn(N_HEADS, n_genes, generator=generator) * deviation for _ in range(3)]
    weights = [weights[0] * scale, weights[1] * scale, weights[2]]
    tensors = [expression * weight for weight in weights]
    upstream = torch.randn(n_cells, N_HEADS, n_genes, generator=generator)
    expected = value_and_gradients(dense, [t.double() for t in tensors], upstream)
    return expression, weights, tensors, upstream, expected


GRID = [
    (n_genes, inputs, scale)
    for n_genes in (2, 17, 765)
    for inputs in ("expression", "gaussian")
    for scale in (1, 10, 100)
]
GRID += [(1708, "expression", 1), (1708, "expression", 100), (1708, "gaussian", 10)]


@pytest.mark.parametrize(("n_genes", "inputs", "scale"), GRID)
def test_output_and_gradients_match_dense(n_genes, inputs, scale):
    _, _, tensors, upstream, expected = case(n_genes, inputs, scale)
    for method in METHODS:
        attend = functools.partial(scalar_attention, method=method)
        found = value_and_gradients(attend, tensors, upstream)
        assert all(tensor.dtype == torch.float32 for tensor in found)
        # Two genes that attend to themselves alone have gradients far below the tolerance.
        smallest = 1e-3 if n_genes == 2 and method == "linear" else 1e-37
        errors = [relative_error(*pair, smallest) for pair in zip(found, expected, strict=True)]
        assert max(errors) < 1e-5, (method, dict(zip(["z", "dq", "dk", "dv"], errors, strict=True)))


@pytest.mark.parametrize(("n_genes", "inputs", "scale"), [g for g in GRID if g[0] > 2])
def test_weight_gradients_match_dense(n_genes, inputs, scale):
    expression, weights, _, upstream, expected = case(n_genes, inputs, scale)

    def attend(query, key, value):
        return scalar_attention(expression * query, expression * key, expression * value)

    found = value_and_gradients(attend, weights, upstream)[1:]
    for gradient, of_tokens in zip(found, expected[1:], strict=True):
        assert relative_error(gradient, (expression.double() * of_tokens).sum(0)) < 5e-5


ADVERSARIAL_GENES = 400


def adversarial_keys(name):
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(ADVERSARIAL_GENES, generator=generator, dtype=torch.float64)
    keys = torch.zeros_like(normal)
    match name:
        case "one top key":
            keys[7] = 1
        case "two atoms":
            keys[::2] = 1
        case "laplace":
            keys = normal.sign() * normal.abs().exp()
        case "geometric":
            keys = 1 - torch.logspace(-6, 0, ADVERSARIAL_GENES, dtype=torch.float64)
        case "constant":
            keys += 0.3
        case "outlier":
            keys = normal.clone()
            keys[3] = 100
    return keys


@pytest.mark.parametrize("product", [0, 1, 100, 1e4, 1e6])
@pytest.mark.parametrize(
    "name", ["one top key", "two atoms", "laplace", "geometric", "constant", "outlier"]
)
def test_linear_keeps_its_tolerance_for_adversarial_keys(name, product):
    k = adversarial_keys(name)
    half = ADVERSARIAL_GENES // 2
    tails = torch.logspace(-8, 0, half, dtype=torch.float64)
    q = torch.cat([torch.linspace(-1, 1, half, dtype=torch.float64), tails * tails.cos().sign()])
    q = q * product / ((k.max() - k.min()).item() or 1)
    # With |v| = 1 the error of the output bounds the error of the row of attention weights.
    v = torch.where(torch.arange(ADVERSARIAL_GENES) % 3 == 0, 1.0, -1.0).double()
    for tolerance in (1e-6, 1e-8):
        found = scalar_attention(q, k, v, method="linear", tolerance=tolerance)
        rounding = 1e-15 * max(product, 1)
        assert (found - dense(q, k, v)).abs().max() < 2 * tolerance + rounding
    exact = scalar_attention(q, k, v, method="exact")
    assert (exact - dense(q, k, v)).abs().max() < 1e-12 + 1e-15 * product


def test_rows_with_very_different_products_share_an_expansion():
    generator = torch.Generator().manual_seed(1)
    q, k, v = torch.randn(3, 6, 300, generator=generator, dtype=torch.float64)
    q = q * torch.tensor([0, 1e-300, 1e-3, 1, 1e2, 1e4], dtype=torch.float64)[:, None]
    k[0] *= 1e12
    found = scalar_attention(q, k, v, method="linear")
    assert (found - dense(q, k, v)).abs().max() < 2e-8 * v.abs().max()


@pytest.mark.parametrize("log2_c", range(-3, 23))
def test_terms_keep_the_error_per_key(log2_c):
    """Every key position against every query: the kernel itself, read off with unit weights."""
    c = 2.0**log2_c
    near_the_ends = torch.logspace(min(-2, -2 - math.log10(c)), 0, 60, dtype=torch.float64)
    k = torch.cat([1 - near_the_ends, near_the_ends - 1, torch.tensor([1.0, -1.0])])
    n_genes = len(k)
    width = math.asinh(c / (8 if c <= 24 else 4))
    q = torch.linspace(-width, width, n_genes, dtype=torch.float64).sinh()
    q = q * (c / q.max())
    scores = q[:, None] * k
    # The finest errors lie below double precision where exponents are large.
    for error in (1e-6, 1e-8) if c > 2**12 else (1e-6, 1e-8, 1e-10):
        n_terms, sinh_width = expansion(c, error)
        kernel = ChebyshevKernel(q[None], k[None], n_terms=n_terms, sinh_width=sinh_width)
        unit = torch.eye(n_genes, dtype=torch.float64)[None]
        own = torch.diag(kernel.diagonal()[0])
        found = kernel.over_keys(unit)[0].T + own  # (query, key)
        soft_maximum = c / sinh_width * (1 + (q * sinh_width / c) ** 2).sqrt()
        expected = (scores - soft_maximum[:, None]).exp()
        extremal = expected.amax(1, keepdim=True)
        assert ((found - expected).abs() / extremal).max() < error + 1e-15 * max(c, 100)
        transposed = kernel.over_queries(unit)[0] + own
        assert torch.allclose(transposed, found, rtol=0, atol=1e-12)
        # Fewer terms do not do: the table is not wasteful either.
        short = ChebyshevKernel(q[None], k[None], n_terms=n_terms // 2, sinh_width=sinh_width)
        difference = (short.over_keys(unit)[0].T + own - expected).abs() / extremal
        assert difference.max() > error


def test_finer_tolerance_takes_more_terms():
    terms = [expansion(100.0, error)[0] for error in (1e-6, 1e-8, 1e-10, 1e-12)]
    assert terms == sorted(set(terms))
    assert expansion(100.0, 1e-2) == expansion(100.0, 1e-6)  # coarser ones are not worth trusting


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [0.0, 1.0, -1e30])
def test_one_gene_gives_exactly_zero(method, size):
    tensors = [torch.full((3, 1), size * factor) for factor in (1.3, 0.7, 1.1)]
    found = value_and_gradients(
        functools.partial(scalar_attention, method=method), tensors, torch.ones(3, 1)
    )
    assert all(torch.equal(tensor, torch.zeros(3, 1)) for tensor in found)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_finite_input_gives_a_finite_output(method, dtype):
    largest, smallest = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    base = torch.linspace(-1, 1, 60, dtype=dtype)
    v = base.flip(0) + 0.25
    for q_size in (0.0, smallest, 1.0, largest):
        for k_size in (0.0, smallest, 1.0, largest):
            found = scalar_attention(base * q_size, base * k_size, v, method=method)
            assert found.isfinite().all()
            assert found.abs().max() <= 1.25 * (1 + 1e-6)
    uniform = scalar_attention(base * 0, base * largest, v, method=method)
    torch.testing.assert_close(uniform, (v.sum() - v) / 60)
    constant = scalar_attention(base * largest, torch.full_like(base, largest), v, method=method)
    torch.testing.assert_close(constant, (v.sum() - v) / 60)


@pytest.mark.parametrize("size", [1e5, 1e20, 1e38])
def test_linear_falls_back_beyond_its_range(size):
    generator = torch.Generator().manual_seed(2)
    q, k, v = torch.randn(3, 2, 40, generator=generator)
    q = q * size
    k = k * 1e3
    arguments = [q.clone(), k, v]
    upstream = torch.ones(2, 40)
    linear = value_and_gradients(
        functools.partial(scalar_attention, method="linear"), arguments, upstream
    )
    exact = value_and_gradients(
        functools.partial(scalar_attention, method="exact"), arguments, upstream
    )
    assert all(torch.equal(a, b) for a, b in zip(linear, exact, strict=True))
    # Where one key has all the attention, it is the extremal one.
    top = torch.where(q >= 0, k.argmax(-1, keepdim=True), k.argmin(-1, keepdim=True))
    expected = torch.where(top == torch.arange(40), 0, v.gather(-1, top))
    torch.testing.assert_close(linear[0], expected)


def test_choice_of_method():
    def chosen(c, n_genes, method="auto", *, in_double=True):
        kernel = choose_kernel(c, n_genes, method, 1e-8, in_double=in_double)
        return getattr(kernel, "func", kernel)

    assert chosen(1.0, 765) is ChebyshevKernel
    assert chosen(1.0, 20) is ExactKernel
    assert chosen(1.0, 20, "linear") is ChebyshevKernel
    assert chosen(1.0, 1, "linear") is ExactKernel
    assert chosen(1.0, 765, "exact") is ExactKernel
    assert chosen(1e5, 300) is ExactKernel  # nearly as many terms as genes
    assert chosen(LARGEST_C, 5000) is ChebyshevKernel
    assert chosen(LARGEST_C * 1.01, 5000, "linear") is ExactKernel
    assert chosen(math.inf, 5000, "linear") is ExactKernel
    assert chosen(7.0, 5000, in_double=False) is ChebyshevKernel
    assert chosen(9.0, 5000, "linear", in_double=False) is ExactKernel


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_single_precision_inside(scale):
    """What runs on devices without double precision."""
    generator = torch.Generator().manual_seed(3)
    q, k, v, upstream = torch.randn(4, 4, 300, generator=generator)
    q = q * scale
    c = (q.abs().amax(-1) * (k.amax(-1) - k.amin(-1)) / 2).max().item()
    kernel_of = choose_kernel(min(c, 7.9) if scale == 1 else c, 300, "auto", 1e-8, in_double=False)
    if scale == 1:
        q = q * min(1, 7.9 / c)

    def attend(*tensors):
        return _ScalarAttention.apply(*tensors, kernel_of)

    expected = value_and_gradients(dense, [q.double(), k.double(), v.double()], upstream)
    found = value_and_gradients(attend, [q, k, v], upstream)
    assert all(tensor.dtype == torch.float32 for tensor in found)
    assert max(map(relative_error, found, expected)) < 1e-4


@pytest.mark.parametrize("method", ["linear", "exact"])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_gradcheck(method, scale):
    generator = torch.Generator().manual_seed(4)
    q = torch.randn(2, 1, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    k = torch.randn(3, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 3, 7, generator=generator, dtype=torch.float64, requires_grad=True)

    def attend(q, k, v):
        return scalar_attention(q * scale, k, v, method=method, tolerance=1e-13)

    assert torch.autograd.gradcheck(attend, (q, k, v), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_each_subset_of_gradients(method):
    generator = torch.Generator().manual_seed(5)
    tensors = torch.randn(3, 2, 50, generator=generator).unbind()
    upstream = torch.randn(2, 50, generator=generator)
    everything = value_and_gradients(
        functools.partial(scalar_attention, method=method), tensors, upstream
    )[1:]
    for wanted in range(1, 8):
        inputs = [t.clone().requires_grad_(bool(wanted >> i & 1)) for i, t in enumerate(tensors)]
        scalar_attention(*inputs, method=method).backward(upstream)
        for tensor, gradient in zip(inputs, everything, strict=True):
            assert (tensor.grad is not None) == tensor.requires_grad
            if tensor.requires_grad:
                torch.testing.assert_close(tensor.grad, gradient, rtol=1e-6, atol=1e-7)


@pytest.fixture
def sums(monkeypatch):
    """Counts of sums over keys and over queries that the expansion computes."""
    counts = {"over_keys": 0, "over_queries": 0}

    def counted(name, original):
        def method(self, weights):
            counts[name] += weights.shape[1]
            return original(self, weights)

        return method

    for name in counts:
        monkeypatch.setattr(ChebyshevKernel, name, counted(name, getattr(ChebyshevKernel, name)))
    return counts


@pytest.mark.parametrize(
    ("wanted", "n_forward", "n_backward"),
    [("", 2, 0), ("q", 4, 0), ("k", 2, 2), ("v", 2, 1), ("qkv", 4, 3)],
)
def test_computes_only_the_sums_that_are_needed(sums, wanted, n_forward, n_backward):
    inputs = [torch.rand(2, 50, requires_grad=name in wanted) for name in "qkv"]
    output = scalar_attention(*inputs, method="linear")
    if wanted:
        output.sum().backward()
    assert sums == {"over_keys": n_forward, "over_queries": n_backward}


def test_no_grad_skips_the_work_for_gradients(sums):
    q = torch.rand(2, 50, dtype=torch.float64, requires_grad=True)
    expected = scalar_attention(q, q, q, method="linear")
    assert expected.requires_grad
    for context in (torch.no_grad(), torch.inference_mode()):
        sums["over_keys"] = 0
        with context:
            found = scalar_attention(q, q, q, method="linear")
        assert sums["over_keys"] == 2
        assert not found.requires_grad
        torch.testing.assert_close(found, expected)


def test_double_backward_raises():
    q = torch.rand(2, 50, requires_grad=True)
    output = scalar_attention(q, q, q)
    (expected,) = torch.autograd.grad(output.sum(), q, retain_graph=True)
    (gradient,) = torch.autograd.grad(output.sum(), q, create_graph=True)
    assert torch.equal(gradient, expected)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


def test_double_backward_raises_where_only_part_of_the_graph_is_ours():
    q = torch.rand(2, 50, requires_grad=True)
    loss = (scalar_attention(q, q, q) + q**3).sum()
    (gradient,) = torch.autograd.grad(loss, q, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["q", "k", "v"])
@pytest.mark.parametrize(
    ("bad", "counts"),
    [
        (math.nan, "1 NaN and 0 infinite"),
        (math.inf, "0 NaN and 1 infinite"),
        (-math.inf, "0 NaN and 1 infinite"),
    ],
)
def test_not_finite_raises(method, name, bad, counts):
    tensors = {other: torch.rand(4, 200) for other in "qkv"}
    tensors[name][2, 17] = bad
    message = rf"{name} of shape \(4, 200\) holds {counts} values, the first at \(2, 17\)"
    with pytest.raises(ValueError, match=message + ".*diverged"):
        scalar_attention(**tensors, method=method)


def test_not_finite_names_every_culprit():
    q = torch.full((1, 5), math.nan)
    with pytest.raises(ValueError, match=r"q of shape .* 5 NaN .*; v of shape .* 5 infinite"):
        scalar_attention(q, torch.ones(1, 5), torch.full((1, 5), math.inf))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["linear", "exact"])
def test_half_precision_is_double_inside(dtype, method):
    generator = torch.Generator().manual_seed(6)
    q, k, v, upstream = torch.randn(4, 2, 90, generator=generator).to(dtype)
    attend = functools.partial(scalar_attention, method=method)
    found = value_and_gradients(attend, [3 * q, k, v], upstream)
    expected = value_and_gradients(dense, [(3 * q).double(), k.double(), v.double()], upstream)
    for tensor, reference in zip(found, expected, strict=True):
        assert tensor.dtype == dtype
        torch.testing.assert_close(tensor, reference.to(dtype))  # one rounding, at the end


def test_mixed_types_are_promoted():
    q = torch.rand(50, dtype=torch.bfloat16)
    assert scalar_attention(q, q.float(), q).dtype == torch.float32
    assert scalar_attention(q, q, q.double()).dtype == torch.float64


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_autocast_changes_nothing(method):
    generator = torch.Generator().manual_seed(7)
    tensors = torch.randn(3, 2, 90, generator=generator).unbind()
    upstream = torch.randn(2, 90, generator=generator)
    attend = functools.partial(scalar_attention, method=method)
    expected = value_and_gradients(attend, tensors, upstream)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = value_and_gradients(attend, tensors, upstream)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_autocast_is_off_in_single_precision_backward():
    generator = torch.Generator().manual_seed(8)
    q, k, v, upstream = torch.rand(4, 2, 90, generator=generator)
    kernel_of = choose_kernel(0.5, 90, "linear", 1e-8, in_double=False)
    q.requires_grad_()
    k.requires_grad_()
    output = _ScalarAttention.apply(q, k, v, kernel_of)
    (expected,) = torch.autograd.grad(output, k, upstream, retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = torch.autograd.grad(output, k, upstream)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(0, 5), (3, 0, 5), (2, 0)])
def test_empty(method, shape):
    q = torch.rand(shape, requires_grad=True)
    output = scalar_attention(q, q, q, method=method)
    assert output.shape == shape
    output.sum().backward()
    assert q.grad.shape == shape


@pytest.mark.parametrize("method", METHODS)
def test_layout_in_memory_does_not_matter(method):
    generator = torch.Generator().manual_seed(9)
    numbers = torch.randn(80, 4, 3, 4, generator=generator)
    *tensors, upstream = (part.permute(2, 1, 0) for part in numbers.unbind(-1))
    attend = functools.partial(scalar_attention, method=method)
    found = value_and_gradients(attend, tensors, upstream)
    expected = value_and_gradients(
        attend, [tensor.contiguous() for tensor in tensors], upstream.contiguous()
    )
    assert not any(tensor.is_contiguous() for tensor in tensors)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_leading_dimensions_are_broadcast(method):
    generator = torch.Generator().manual_seed(10)
    q = torch.randn(5, 1, 60, generator=generator, dtype=torch.float64)
    k = torch.randn(3, 60, generator=generator, dtype=torch.float64)
    v = torch.randn(60, generator=generator, dtype=torch.float64)
    upstream = torch.randn(5, 3, 60, generator=generator, dtype=torch.float64)
    found = value_and_gradients(
        functools.partial(scalar_attention, method=method), [q, k, v], upstream
    )
    expected = value_and_gradients(dense, [q, k, v], upstream)
    for tensor, reference in zip(found, expected, strict=True):
        assert tensor.shape == reference.shape
        assert relative_error(tensor, reference) < 1e-7


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_chunks_do_not_show(method, monkeypatch):
    generator = torch.Generator().manual_seed(11)
    tensors = torch.randn(3, 13, 70, generator=generator, dtype=torch.float64).unbind()
    upstream = torch.randn(13, 70, generator=generator, dtype=torch.float64)
    attend = functools.partial(scalar_attention, method=method)
    expected = value_and_gradients(attend, tensors, upstream)
    for scratch in (1, 3000, 12345):
        monkeypatch.setattr("tgem.nn.exact_attention.scratch_elements", lambda _, s=scratch: s)
        monkeypatch.setattr("tgem.nn.linear_attention.scratch_elements", lambda _, s=scratch: s)
        found = value_and_gradients(attend, tensors, upstream)
        for tensor, reference in zip(found, expected, strict=True):
            torch.testing.assert_close(tensor, reference, rtol=1e-12, atol=1e-12)


class Watch(TorchDispatchMode):
    """Records the largest tensor made and every operator that waits for the device."""

    def __init__(self):
        super().__init__()
        self.largest, self.waits = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        if re.search("_local_scalar_dense|nonzero|equal|masked_select|is_nonzero", str(func)):
            self.waits.append(str(func))
        return result


@pytest.mark.parametrize("method", ["linear", "exact"])
def test_memory_is_linear_in_genes(method):
    n_genes = 3000
    q, k, v = torch.rand(3, 1, n_genes).unbind()
    q.requires_grad_()
    k.requires_grad_()
    with Watch() as watch:
        scalar_attention(q, k, v, method=method).sum().backward()
    assert watch.largest < 8 * n_genes**2 / 20


@pytest.mark.parametrize("method", METHODS)
def test_waits_for_the_device_once(method, monkeypatch):
    reads = []
    original = torch.Tensor.tolist

    def tolist(self):
        reads.append(self.numel())
        return original(self)

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    tensors = [tensor.requires_grad_() for tensor in torch.rand(3, 4, 200).unbind()]
    with Watch() as watch:
        scalar_attention(*tensors, method=method).sum().backward()
    assert watch.waits == []
    assert len(reads) == 1
    assert reads[0] < 10


def test_compiled_code_calls_it_uncompiled():
    def model(x):
        return scalar_attention(2 * x, x, x + 1).sin()

    x = torch.rand(3, 100)
    torch.testing.assert_close(torch.compile(model, backend="eager")(x), model(x))


def test_inputs_that_do_not_fit():
    x = torch.rand(4, 5)
    with pytest.raises(ValueError, match=r"found \(4, 5\), \(4, 6\) and \(4, 5\)"):
        scalar_attention(x, torch.rand(4, 6), x)
    with pytest.raises(ValueError, match="equal n_genes"):  # genes are not broadcast
        scalar_attention(x, torch.rand(4, 1), x)
    with pytest.raises(ValueError, match="leading dimensions"):
        scalar_attention(x, torch.rand(3, 5), x)
    with pytest.raises(ValueError, match="equal n_genes"):
        scalar_attention(*[torch.tensor(1.0)] * 3)
    with pytest.raises(TypeError, match=r"floating-point.*torch.int64"):
        scalar_attention(x, x, torch.ones(4, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="'auto', 'linear', 'exact'"):
        scalar_attention(x, x, x, method="fast")
    for tolerance in (0, -1e-8, 1, math.nan):
        with pytest.raises(ValueError, match="tolerance"):
            scalar_attention(x, x, x, tolerance=tolerance)


def test_inputs_are_left_as_they_are():
    tensors = torch.rand(3, 4, 100, dtype=torch.float64)
    before = tensors.clone()
    for method in METHODS:
        scalar_attention(*tensors.unbind(), method=method)
    assert torch.equal(tensors, before)
