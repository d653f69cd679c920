"""Attribution methods against captum, closed forms and brute force."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from tgem.attr import (
    METHODS,
    ablation,
    guided_backpropagation,
    input_x_gradient,
    integrated_gradients,
    smoothgrad_squared,
    vargrad,
)
from tgem.model.tgem._module import TGEMModule
from tgem.model.tgem._presets import PRESETS

N_OBS, N_GENES, N_TARGETS = 7, 12, 4
PAPER_SIX = [
    f"{base}{summary}"
    for base in ("integrated_gradients", "guided_backpropagation")
    for summary in ("", "_smoothgrad_squared", "_vargrad")
]
SUMMARIES = {"smoothgrad_sq": smoothgrad_squared, "vargrad": vargrad}
NETWORKS = ["relu", "paper"]
# In float64; captum's integration weights are float32.
LIKE_CAPTUM = 1e-7


class Dense(nn.Module):
    """Two hidden layers behind ReLU modules."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(N_GENES, 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, N_TARGETS),
        )

    def forward(self, genes):
        return self.layers(genes)


class TwoInputs(nn.Module):
    """Nonlinear in both inputs, with an interaction between them."""

    def __init__(self) -> None:
        super().__init__()
        self.genes = nn.Linear(N_GENES, 8)
        self.marks = nn.Linear(6, 8)
        self.out = nn.Linear(8, N_TARGETS)
        self.relu = nn.ReLU()

    def forward(self, genes, marks):
        return self.out(self.relu(self.genes(genes)) * torch.sigmoid(self.marks(marks.flatten(1))))


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def network(request):
    """The dense network, or the one that the test names."""
    if getattr(request, "param", "relu") == "relu":
        return Dense().double().eval()
    module = TGEMModule(N_GENES, N_TARGETS, **PRESETS["paper"].module)
    with torch.no_grad():  # heads that matter, as after training
        for attention in module.attentions:
            attention.head_weight.fill_(0.5)
    return module.double().eval()


@pytest.fixture
def cells():
    """Half of the genes not expressed."""
    values = torch.rand(N_OBS, N_GENES, dtype=torch.float64) * 3
    return values * (torch.rand(N_OBS, N_GENES) < 0.5)


@pytest.fixture
def targets():
    return torch.arange(N_OBS) % N_TARGETS


def captum_values(name, network, inputs, **arguments):
    captum_attr = pytest.importorskip("captum.attr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(captum_attr, name)(network).attribute(inputs, **arguments)


def assert_same(found, expected, tolerance=1e-9):
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def reference_noise(seed, n_samples, *shapes):
    """Noise of every observation, for each input ``(n_obs * n_samples, ...)``."""
    per_input = [[] for _ in shapes]
    for observation in range(shapes[0][0]):
        generator = torch.Generator().manual_seed(seed + observation)
        for draws, shape in zip(per_input, shapes, strict=True):
            draws.append(torch.randn(n_samples, *shape[1:], generator=generator))
    return [torch.cat(draws).double() for draws in per_input]


# -- against captum -----------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize(
    ("name", "captum_name", "options", "captum_options"),
    [
        (
            "integrated_gradients",
            "IntegratedGradients",
            {"n_steps": 20},
            {"n_steps": 20, "method": "gausslegendre"},
        ),
        ("input_x_gradient", "InputXGradient", {}, {}),
        ("guided_backpropagation", "GuidedBackprop", {}, {}),
        ("ablation", "FeatureAblation", {}, {}),
    ],
)
def test_equals_captum(network, cells, targets, *, name, captum_name, options, captum_options):
    found = METHODS[name](network, cells, targets=targets, **options)
    expected = captum_values(captum_name, network, cells, target=targets, **captum_options)
    assert_same(found.values, expected, LIKE_CAPTUM)
    single = METHODS[name](network.float(), cells.float(), targets=targets, **options)
    assert_same(single.values.double(), expected, tolerance=1e-4)


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("nt_type", SUMMARIES)
@pytest.mark.parametrize("base", ["integrated_gradients", "guided_backpropagation"])
def test_noise_equals_captum_given_the_same_noise(
    monkeypatch, network, cells, targets, *, base, nt_type
):
    captum_attr = pytest.importorskip("captum.attr")
    (noise,) = reference_noise(3, 6, cells.shape)
    monkeypatch.setattr(
        captum_attr.NoiseTunnel,
        "_add_noise_to_input",
        staticmethod(lambda x, stdev, n: x.repeat_interleave(n, 0) + stdev * noise),
    )
    method, options = {
        "integrated_gradients": (
            captum_attr.IntegratedGradients(network),
            {"n_steps": 20, "method": "gausslegendre"},
        ),
        "guided_backpropagation": (captum_attr.GuidedBackprop(network), {}),
    }[base]
    expected = captum_values(
        "NoiseTunnel",
        method,
        cells,
        nt_type=nt_type,
        nt_samples=6,
        stdevs=0.3,
        target=targets,
        **options,
    )
    name = {"smoothgrad_sq": "smoothgrad_squared"}.get(nt_type, nt_type)
    arguments = {"targets": targets, "seed": 3, "n_steps": 20, "n_samples": 6, "noise": 0.3}
    found = METHODS[f"{base}_{name}"](network, cells, **arguments)
    assert_same(found.values, expected, LIKE_CAPTUM)
    single = METHODS[f"{base}_{name}"](network.float(), cells.float(), **arguments)
    assert_same(single.values.double(), expected, tolerance=1e-4)


@pytest.mark.parametrize(
    ("method", "captum_name", "with_baseline"),
    [
        (input_x_gradient, "InputXGradient", False),
        (guided_backpropagation, "GuidedBackprop", False),
        (ablation, "FeatureAblation", False),
        (ablation, "FeatureAblation", True),
    ],
)
def test_equals_captum_for_two_inputs(cells, targets, *, method, captum_name, with_baseline):
    network = TwoInputs().double()
    inputs = (cells, torch.rand(N_OBS, 2, 3, dtype=torch.float64))
    baselines = {}
    if with_baseline:
        baselines = {"baselines": tuple(torch.rand_like(each) for each in inputs)}
    found = method(network, inputs, targets=targets, batch_size=5, **baselines)
    expected = captum_values(captum_name, network, inputs, target=targets, **baselines)
    assert isinstance(found.values, tuple)
    for value, other in zip(found.values, expected, strict=True):
        assert_same(value, other)


# -- every method -------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("batch_size", [1, 16])
def test_batch_size_does_not_matter(network, cells, targets, *, name, batch_size):
    expected = METHODS[name](network, cells, targets=targets, n_steps=3, batch_size=10_000)
    sizes = []

    def function(x):
        sizes.append(len(x))
        return network(x)

    found = METHODS[name](function, cells, targets=targets, n_steps=3, batch_size=batch_size)
    assert_same(found.values, expected.values)
    torch.testing.assert_close(found.residual, expected.residual)
    # The copies of one observation go to their method together, which splits them.
    assert max(sizes) <= batch_size


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("name", METHODS)
def test_explains_each_observations_own_target(network, cells, targets, name):
    found = METHODS[name](network, cells, targets=targets, n_steps=5).values
    for column in range(N_TARGETS):
        single = METHODS[name](network, cells, targets=column, n_steps=5).values
        rows = targets == column
        assert_same(found[rows], single[rows])
        assert not torch.allclose(found[~rows], single[~rows])


@pytest.mark.parametrize("name", METHODS)
def test_residual_is_the_sum_minus_the_change(network, cells, targets, name):
    baselines = torch.rand_like(cells)
    found = METHODS[name](network, cells, targets=targets, baselines=baselines, n_steps=300)
    rows = torch.arange(N_OBS)
    change = (network(cells) - network(baselines))[rows, targets].detach()
    torch.testing.assert_close(found.residual, found.values.sum(1) - change)
    assert bool(found.residual.abs().max() < 1e-2) is METHODS[name].complete


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("name", METHODS)
def test_properties_are_as_the_table_says(network, cells, targets, name):
    assert (cells == 0).any()
    values = METHODS[name](network, cells, targets=targets, n_steps=5).values
    assert bool((values < 0).any()) is METHODS[name].signed
    assert bool((values[cells == 0] == 0).all()) is METHODS[name].zero_at_baseline
    assert (values[cells != 0] != 0).any()


@pytest.mark.parametrize("name", METHODS)
def test_ignored_input_and_structure(network, cells, targets, name):
    ignored = torch.rand(N_OBS, 2, 2, dtype=torch.float64)
    found = METHODS[name](lambda x, _: network(x), (cells, ignored), targets=targets, n_steps=5)
    alone = METHODS[name](network, (cells,), targets=targets, n_steps=5)
    assert [tuple(value.shape) for value in found.values] == [(N_OBS, N_GENES), (N_OBS, 2, 2)]
    assert found.values[1].abs().max() < 1e-12
    assert isinstance(alone.values, tuple)
    if not METHODS[name].takes_seed:  # the second input's draws come between
        torch.testing.assert_close(found.values[0], alone.values[0])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_leaves_no_trace_even_where_gradients_are_switched_off(
    network, cells, targets, *, name, context
):
    expected = METHODS[name](network, cells, targets=targets, n_steps=5)
    before = cells.clone()
    cells.requires_grad_()
    state = torch.random.get_rng_state()
    with context():
        found = METHODS[name](network, cells * 1, targets=targets, n_steps=5)
        assert not torch.is_grad_enabled()
    METHODS[name](network, cells, targets=targets, n_steps=5)
    assert torch.equal(found.values, expected.values)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert cells.grad is None
    assert torch.equal(before, cells)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not found.values.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_no_observations(network, cells, name):
    found = METHODS[name](network, cells[:0], targets=0)
    assert found.values.shape == (0, N_GENES)
    assert found.residual.shape == (0,)


def test_table_has_the_six_methods_of_the_paper_and_passes_options_on(network, cells):
    assert {*PAPER_SIX, "input_x_gradient", "ablation"} == set(METHODS)
    assert METHODS["integrated_gradients"].function is integrated_gradients
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    for name in set(METHODS) - {name for name in METHODS if METHODS[name].takes_seed}:
        with pytest.raises(TypeError, match="noise"):
            METHODS[name](network, cells, targets=0, noise=0.1)


# -- noise --------------------------------------------------------------------------------


@pytest.mark.parametrize("summary", SUMMARIES.values())
def test_seed_gives_the_noise(network, cells, targets, summary):
    def values(seed, rows=slice(None)):
        return summary(network, cells[rows], targets=targets[rows], n_steps=3, seed=seed).values

    whole = values(5)
    assert torch.equal(values(5), whole)
    assert not torch.allclose(values(500), whole)
    # A part that starts at observation 3 is seeded with 5 + 3.
    torch.testing.assert_close(values(8, slice(3, None)), whole[3:])
    torch.testing.assert_close(values(5, slice(3)), whole[:3])


@pytest.mark.parametrize("summary", SUMMARIES.values())
def test_noise_formula_for_two_inputs_and_a_baseline(summary):
    network = TwoInputs().double()
    inputs = (torch.rand(3, N_GENES).double(), torch.rand(3, 2, 3).double())
    baselines = (torch.rand(N_GENES), torch.rand(3, 2, 3))
    targets = torch.tensor([3, 1, 2])
    noises = reference_noise(2, 4, *(each.shape for each in inputs))
    found = summary(
        network, inputs, targets=targets, baselines=baselines, n_steps=5, seed=2, n_samples=4
    )
    for row in range(3):
        samples = []
        for sample in range(4):
            noisy = tuple(
                each[row : row + 1] + 0.1 * noise[4 * row + sample]
                for each, noise in zip(inputs, noises, strict=True)
            )
            starts = (baselines[0], baselines[1][row : row + 1])
            one = integrated_gradients(
                network, noisy, targets=targets[row], baselines=starts, n_steps=5
            )
            samples.append(one.values)
        for which in range(2):
            own = torch.cat([sample[which] for sample in samples])
            expected = (own**2).mean(0)
            if summary is vargrad:
                expected = expected - own.mean(0) ** 2
            assert_same(found.values[which][row], expected)


@pytest.mark.parametrize("summary", SUMMARIES.values())
def test_copies_are_made_a_batch_at_a_time(network, cells, summary):
    sizes = []

    def method(function, inputs, **arguments):
        sizes.append(len(inputs[0]))
        return input_x_gradient(function, inputs, **arguments)

    summary(network, cells, method=method, targets=0, n_samples=4, batch_size=9)
    assert sizes == [8, 8, 8, 4]  # two observations at once, then the seventh


def test_without_noise_only_the_square_remains(network, cells, targets):
    plain = input_x_gradient(network, cells, targets=targets).values
    arguments = {"method": input_x_gradient, "targets": targets, "noise": 0.0}
    assert_same(smoothgrad_squared(network, cells, **arguments).values, plain**2)
    assert vargrad(network, cells, **arguments).values.abs().max() < 1e-20


def test_variance_is_that_of_the_noise_where_the_function_is_linear():
    weight = torch.tensor([[1.0], [-2.0], [0.5]])
    found = vargrad(
        lambda x: x @ weight,
        torch.full((1, 3), 1e4),  # large inputs, so that rounding would show
        targets=0,
        method=input_x_gradient,
        n_samples=20_000,
        noise=2.0,
    )
    torch.testing.assert_close(found.values, (2 * weight.T) ** 2, rtol=0.05, atol=0)


# -- guided backpropagation ---------------------------------------------------------------

RELU_CALLS = {
    "module": nn.ReLU(),
    "in-place module": nn.ReLU(inplace=True),
    "functional": functional.relu,
    "in-place functional": lambda x: functional.relu(x, inplace=True),
    "torch": torch.relu,
    "in-place torch": torch.relu_,
    "tensor": lambda x: x.relu(),
    "in-place tensor": lambda x: x.relu_(),
}
LEAKY_CALLS = {
    "module": nn.LeakyReLU(0.2),
    "functional": lambda x: functional.leaky_relu(x, 0.2),
    "in-place": lambda x: functional.leaky_relu_(x, 0.2),
}


def plain_gradient(function, cells, targets):
    cells = cells.clone().requires_grad_()
    function(cells).gather(1, targets[:, None]).sum().backward()
    return cells.grad


@pytest.mark.parametrize("relu", RELU_CALLS.values(), ids=RELU_CALLS)
def test_every_relu_is_guided_at_each_call(network, cells, targets, relu):
    first, _, second, _, out = network.layers
    found = guided_backpropagation(
        lambda x: out(relu(second(relu(first(x))))), cells, targets=targets
    )
    expected = captum_values("GuidedBackprop", network, cells, target=targets)
    assert_same(found.values, expected)
    assert not torch.allclose(found.values, plain_gradient(network, cells, targets))


@pytest.mark.parametrize("call", LEAKY_CALLS.values(), ids=LEAKY_CALLS)
def test_leaky_relu_is_guided_on_request(cells, targets, call):
    first, last = torch.randn(N_GENES, 9).double(), torch.randn(9, N_TARGETS).double()

    def function(x):
        return call(x @ first) @ last

    slope = torch.where(cells @ first > 0, 1.0, 0.2 * torch.ones_like(cells[:, :1]))
    guided = (slope * last.T[targets].clamp(min=0)) @ first.T
    assert_same(guided_backpropagation(function, cells, targets=targets, leaky=True).values, guided)
    plain = plain_gradient(function, cells, targets)
    assert_same(guided_backpropagation(function, cells, targets=targets).values, plain)
    assert not torch.allclose(guided, plain)


@pytest.mark.parametrize("network", ["paper"], indirect=True)
def test_paper_preset_has_no_relu(network, cells, targets):
    plain = plain_gradient(network, cells, targets)
    assert_same(guided_backpropagation(network, cells, targets=targets).values, plain)
    guided = METHODS["guided_backpropagation"](network, cells, targets=targets, leaky=True)
    assert not torch.allclose(guided.values, plain)


def test_gradients_beside_the_relu_are_whole():
    cells = torch.tensor([[1.0, 2.0]])
    found = guided_backpropagation(lambda x: (x.relu() + 3 * x) * -1, cells, targets=0)
    assert torch.equal(found.values, torch.tensor([[-3.0, 0.0]]))


def test_relu_is_itself_again_afterwards(network, cells, targets):
    before = plain_gradient(network, cells, targets)
    guided_backpropagation(network, cells, targets=targets)
    with pytest.raises(RuntimeError, match="broken"):
        guided_backpropagation(broken, cells, targets=targets)
    assert torch.equal(plain_gradient(network, cells, targets), before)


def broken(_):
    msg = "broken"
    raise RuntimeError(msg)


# -- ablation and input x gradient --------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@pytest.mark.parametrize("with_baseline", [False, True])
def test_ablation_equals_brute_force(network, cells, targets, *, with_baseline):
    baselines = torch.rand(N_OBS, N_GENES).double() if with_baseline else None
    start = baselines if with_baseline else torch.zeros_like(cells)
    found = ablation(network, cells, targets=targets, baselines=baselines, batch_size=4)
    expected = torch.empty_like(cells)
    with torch.no_grad():
        for i in range(N_OBS):
            for j in range(N_GENES):
                changed = cells[i : i + 1].clone()
                changed[0, j] = start[i, j]
                fall = network(cells[i : i + 1]) - network(changed)
                expected[i, j] = fall[0, targets[i]]
    assert_same(found.values, expected)


def test_ablation_evaluates_only_what_differs(network, cells, targets):
    rows = []

    def function(x):
        rows.append(len(x))
        return network(x)

    found = ablation(function, cells, targets=targets)
    expressed = int((cells != 0).sum())
    assert sum(rows) == expressed + 3 * N_OBS  # whole, and both ends for the residual
    assert torch.all(found.values[cells == 0] == 0)


def test_ablation_needs_no_gradient_and_takes_any_memory_order():
    marks = torch.rand(3, 2, N_OBS).permute(2, 1, 0)
    found = ablation(lambda x: (x > 0.5).flatten(1).to(x), marks, targets=4)
    expected = torch.zeros(N_OBS, 2, 3)
    expected[:, 1, 1] = (marks[:, 1, 1] > 0.5).float()
    assert 0 < expected.sum() < N_OBS
    assert torch.equal(found.values, expected)


def test_input_x_gradient_starts_at_the_baseline(network, cells, targets):
    baselines = torch.rand(N_GENES).double()
    found = input_x_gradient(network, cells, targets=targets, baselines=baselines)
    assert_same(found.values, (cells - baselines) * plain_gradient(network, cells, targets))


def test_input_x_gradient_is_zero_even_where_the_gradient_is_infinite():
    found = input_x_gradient(lambda x: x.sqrt(), torch.tensor([[0.0, 4.0]]), targets=0)
    assert torch.all(found.values == 0)


# -- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "`batch_size` to be at least 1, found 0"),
        ({"targets": N_TARGETS}, ValueError, "between 0 and 3.*found 4"),
        ({"targets": torch.zeros(N_OBS)}, TypeError, "whole numbers.*float32"),
        ({"baselines": torch.zeros(5)}, ValueError, r"shape \(7, 12\), found shape \(5,\)"),
    ],
)
def test_errors_are_the_same_for_all_methods(network, cells, *, name, changes, error, message):
    with pytest.raises(error, match=message):
        METHODS[name](network, cells, **({"targets": 0} | changes))


@pytest.mark.parametrize(
    ("summary", "changes", "message"),
    [
        (smoothgrad_squared, {"n_samples": 0}, "`n_samples` to be at least 1, found 0"),
        (vargrad, {"n_samples": 1}, "`n_samples` to be at least 2, found 1"),
        (smoothgrad_squared, {"noise": -0.1}, "`noise`.*found -0.1"),
        (vargrad, {"noise": float("nan")}, "`noise`.*found nan"),
    ],
)
def test_errors_of_noise(network, cells, *, summary, changes, message):
    with pytest.raises(ValueError, match=message):
        summary(network, cells, targets=0, **changes)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"ablation"}))
def test_error_where_the_gradient_is_broken(network, cells, name):
    with pytest.raises(ValueError, match="carry a gradient"):
        METHODS[name](lambda x: network(x).detach(), cells, targets=0)
