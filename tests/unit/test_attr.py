"""Integrated Gradients against closed forms and captum."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from tgem.attr import METHODS, Attribution, integrated_gradients

N_OBS, N_GENES, N_TARGETS = 7, 6, 4


class TwoInputs(nn.Module):
    """Nonlinear in both inputs, with an interaction between them."""

    def __init__(self) -> None:
        super().__init__()
        self.genes = nn.Linear(N_GENES, 8)
        self.marks = nn.Linear(6, 8)
        self.out = nn.Linear(8, N_TARGETS)

    def forward(self, genes: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.genes(genes)) * torch.sigmoid(self.marks(marks.flatten(1)))
        return self.out(hidden).log_softmax(1)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def network():
    return nn.Sequential(
        nn.Linear(N_GENES, 16), nn.Tanh(), nn.Linear(16, N_TARGETS), nn.LogSoftmax(1)
    )


@pytest.fixture
def cells():
    return torch.rand(N_OBS, N_GENES) * 3


@pytest.fixture
def targets():
    return torch.arange(N_OBS) % N_TARGETS


def captum_values(function, inputs, targets, *, baselines, n_steps):
    captum_attr = pytest.importorskip("captum.attr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return captum_attr.IntegratedGradients(function).attribute(
            inputs, baselines=baselines, target=targets, n_steps=n_steps, method="gausslegendre"
        )


def assert_same(found, expected):
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < 1e-5


@pytest.mark.parametrize("n_steps", [1, 8, 50])
@pytest.mark.parametrize("with_baseline", [False, True])
def test_equals_captum(network, cells, targets, *, n_steps, with_baseline):
    baselines = torch.rand(N_OBS, N_GENES) if with_baseline else None
    found = integrated_gradients(
        network, cells, targets=targets, baselines=baselines, n_steps=n_steps
    )
    assert_same(
        found.values, captum_values(network, cells, targets, baselines=baselines, n_steps=n_steps)
    )


@pytest.mark.parametrize("with_baseline", [False, True])
def test_equals_captum_for_two_inputs(cells, targets, with_baseline):
    network, marks = TwoInputs(), torch.rand(N_OBS, 2, 3)
    baselines = (torch.rand(N_OBS, N_GENES), torch.rand(1, 2, 3)) if with_baseline else None
    inputs = (cells, marks)
    found = integrated_gradients(
        network, inputs, targets=targets, baselines=baselines, batch_size=13
    )
    expected = captum_values(network, inputs, targets, baselines=baselines, n_steps=50)
    assert isinstance(found.values, tuple)
    for value, other, tensor in zip(found.values, expected, inputs, strict=True):
        assert value.shape == tensor.shape
        assert_same(value, other)
    assert found.residual.abs().max() < 1e-5


def test_linear_function_is_exact_in_one_step(cells, targets):
    weight, baseline = torch.randn(N_GENES, N_TARGETS), torch.rand(N_GENES)
    found = integrated_gradients(
        lambda x: x @ weight + 3.0, cells, targets=targets, baselines=baseline, n_steps=1
    )
    torch.testing.assert_close(found.values, (cells - baseline) * weight.T[targets])
    assert found.residual.abs().max() < 1e-5


def test_quadratic_form_has_its_closed_form(cells):
    matrix = torch.randn(N_GENES, N_GENES)
    matrix = matrix + matrix.T
    found = integrated_gradients(
        lambda x: ((x @ matrix) * x).sum(1, keepdim=True), cells, targets=0, n_steps=2
    )
    torch.testing.assert_close(found.values, cells * (cells @ matrix), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("degree", [3, 4, 5])
def test_nodes_integrate_polynomials_of_degree_below_twice_their_number(cells, degree):
    cells = cells.double()
    found = integrated_gradients(lambda x: x**degree, cells, targets=2, n_steps=3)
    expected = torch.zeros_like(cells)
    expected[:, 2] = cells[:, 2] ** degree
    torch.testing.assert_close(found.values, expected)


def test_residual_is_the_completeness_error_and_vanishes_with_more_steps(network, cells, targets):
    network, cells = network.double(), cells.double() * 4
    residuals = []
    for n_steps in (1, 4, 100):
        values, residual = integrated_gradients(network, cells, targets=targets, n_steps=n_steps)
        rows = torch.arange(N_OBS)
        change = (network(cells) - network(torch.zeros_like(cells)))[rows, targets]
        torch.testing.assert_close(residual, values.sum(1) - change.detach())
        residuals.append(residual.abs().max())
    assert residuals[0] > residuals[1] > residuals[2]
    assert residuals[2] < 1e-9


def test_integer_target_explains_that_column_for_all(network, cells):
    one = integrated_gradients(network, cells, targets=2)
    many = integrated_gradients(network, cells, targets=torch.full((N_OBS,), 2))
    assert torch.equal(one.values, many.values)
    assert torch.equal(one.residual, many.residual)


def test_exactly_zero_where_input_equals_baseline(network, cells, targets):
    cells[:, 1] = 0.0
    found = integrated_gradients(network, cells, targets=targets)
    assert torch.all(found.values[:, 1] == 0)
    assert torch.all(found.values[:, 0] != 0)


def test_zero_even_where_the_gradient_is_infinite():
    cells = torch.tensor([[0.0, 4.0]])
    found = integrated_gradients(lambda x: x.sqrt(), cells, targets=0)
    assert torch.all(found.values == 0)


def test_ignored_input_has_zero_attribution(network, cells, targets):
    ignored = torch.rand(N_OBS, 3)
    found = integrated_gradients(lambda x, _: network(x), (cells, ignored), targets=targets)
    alone = integrated_gradients(network, cells, targets=targets)
    assert torch.equal(found.values[0], alone.values)
    assert torch.all(found.values[1] == 0)


def test_leaves_no_trace(network, cells, targets):
    network.insert(2, nn.Dropout(0.0))
    network[2].eval()
    modes = [module.training for module in network.modules()]
    before, state = cells.clone(), copy.deepcopy(network.state_dict())
    cells.requires_grad_()
    values, residual = integrated_gradients(network, cells, targets=targets)
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert cells.grad is None
    assert torch.equal(before, cells)
    assert not values.requires_grad
    assert not residual.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_switched_off(network, cells, targets, context):
    expected = integrated_gradients(network, cells, targets=targets)
    with context():
        found = integrated_gradients(network, cells * 1, targets=targets)
        assert not torch.is_grad_enabled()
    assert torch.equal(found.values, expected.values)
    assert torch.equal(found.residual, expected.residual)


def test_no_batch_is_larger_than_batch_size(network, cells, targets):
    sizes = []

    def function(x):
        sizes.append(len(x))
        return network(x)

    integrated_gradients(function, cells, targets=targets, n_steps=10, batch_size=20)
    assert max(sizes) == 14  # two points of seven cells
    sizes.clear()
    integrated_gradients(function, cells, targets=targets, n_steps=10, batch_size=3)
    assert max(sizes) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_the_input_type(cells, dtype):
    found = integrated_gradients(lambda x: x**2, cells.to(dtype), targets=1)
    assert found.values.dtype == dtype
    assert found.residual.dtype == dtype


def test_no_observations(network, cells):
    found = integrated_gradients(network, cells[:0], targets=0)
    assert found.values.shape == (0, N_GENES)
    assert found.residual.shape == (0,)


def test_methods_table():
    assert METHODS["integrated_gradients"].function is integrated_gradients
    assert Attribution._fields == ("values", "residual")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n_steps": 0}, ValueError, "`n_steps` to be at least 1, found 0"),
        ({"batch_size": 0}, ValueError, "`batch_size` to be at least 1, found 0"),
        ({"targets": N_TARGETS}, ValueError, "between 0 and 3.*found 4"),
        ({"targets": -1}, ValueError, "at least 0, found -1"),
        ({"targets": torch.zeros(3, dtype=torch.long)}, ValueError, r"7 observations.*\(3,\)"),
        ({"targets": torch.zeros(N_OBS)}, TypeError, "whole numbers.*float32"),
        ({"baselines": torch.zeros(5)}, ValueError, r"shape \(7, 6\), found shape \(5,\)"),
        ({"baselines": (torch.zeros(6),) * 2}, ValueError, "Expected 1 `baselines`.*found 2"),
        ({"inputs": torch.ones(N_OBS, N_GENES).long()}, TypeError, "floating-point.*int64"),
        ({"inputs": [[1.0]]}, TypeError, "tensor or tuple of tensors, found.*list"),
        ({"inputs": ()}, ValueError, "at least one tensor"),
        ({"inputs": (torch.ones(2, 6), torch.ones(3, 6))}, ValueError, "same number of obs"),
        ({"inputs": torch.tensor(1.0)}, ValueError, "same number of obs"),
        ({"function": lambda x: x.sum(1)}, ValueError, r"shape \(\d+, n_targets\)"),
        ({"function": lambda x: x[:2]}, ValueError, r"shape \(\d+, n_targets\).*\(2, 6\)"),
        ({"function": lambda x: x.detach()}, ValueError, "carry a gradient"),
    ],
)
def test_errors_say_what_was_expected_and_found(network, cells, *, changes, error, message):
    arguments = {"function": network, "inputs": cells, "targets": 0} | changes
    with pytest.raises(error, match=message):
        integrated_gradients(arguments.pop("function"), arguments.pop("inputs"), **arguments)


def test_inputs_of_one_number_per_observation():
    found = integrated_gradients(
        lambda x: torch.stack([x, x**3], 1), torch.tensor([1.0, 2.0]), targets=1
    )
    torch.testing.assert_close(found.values, torch.tensor([1.0, 8.0]))
