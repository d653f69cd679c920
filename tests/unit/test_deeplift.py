"""Closed-form DeepLIFT against captum, its own definition and bad input."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from tgem.attr import deeplift_scores, deeplift_summary, hidden_multipliers, output_slopes

N, N_FACTORS, N_HIDDEN, N_ISOFORMS = 9, 14, 10, 23
ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
}


class Log2Plus1(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.log2(values + 1)


class Additive(nn.Module):
    """Factors and context to isoforms, plus a weight times the expression of the gene."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        self.last = nn.Linear(N_HIDDEN + 3, N_ISOFORMS)
        self.gene_weight = nn.Parameter(torch.rand(N_ISOFORMS) / 3)
        self.final = nn.ReLU()

    def forward(self, factors, context, gene):
        hidden = torch.cat([self.network(factors), context], 1)
        return self.final(self.last(hidden) + self.gene_weight * gene)

    def in_parts(self, context, gene):
        with torch.no_grad():
            offset = self.last.bias + context @ self.last.weight[:, N_HIDDEN:].T
            offset = offset + self.gene_weight * gene
        weight = self.last.weight[:, :N_HIDDEN]
        return {"weight": weight, "offset": offset, "response": torch.relu}


class Usage(nn.Module):
    """Factors to the share of its gene's TPM that an isoform has, on a logarithmic scale."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        self.last = nn.Linear(N_HIDDEN, N_ISOFORMS)
        self.share = nn.Sigmoid()
        self.logarithm = Log2Plus1()

    def forward(self, factors, context, gene):
        return self.logarithm(self.share(self.last(self.network(factors))) * gene)

    def in_parts(self, context, gene):
        return {
            "weight": self.last.weight,
            "offset": self.last.bias,
            "response": lambda logits, tpm: torch.log2(torch.sigmoid(logits) * tpm + 1),
            "response_arguments": (gene,),
        }


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True)
def _captum_knows_the_logarithm():
    deep_lift = pytest.importorskip("captum.attr._core.deep_lift")
    known = deep_lift.SUPPORTED_NON_LINEAR
    known[Log2Plus1] = deep_lift.nonlinear
    yield
    del known[Log2Plus1]


def two_layers(activation=nn.ReLU):
    return nn.Sequential(
        nn.Linear(N_FACTORS, 16),
        nn.BatchNorm1d(16),
        activation(),
        nn.Dropout(0.3),
        nn.Sequential(nn.Linear(16, N_HIDDEN), nn.BatchNorm1d(N_HIDDEN), activation()),
    )


def samples():
    """Factors in [0, 1], some at the ends, context, and the expression of genes."""
    factors = (torch.rand(N, N_FACTORS) * 1.4 - 0.2).clamp(0, 1)
    return factors, torch.randn(N, 3), torch.rand(N, N_ISOFORMS) * 20


def reference(kind, factors):
    return {
        "median": factors.median(0).values,
        "zero": torch.zeros(N_FACTORS),
        "group": factors[:3].mean(0),
        "one each": factors.roll(1, 0),
    }[kind]


def trained(model, steps=30):
    """Model after a short training, in evaluation mode, so that no statistic is trivial."""
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        factors, context, gene = samples()
        optimiser.zero_grad()
        loss = (model(factors, context, gene) - torch.randn(N, N_ISOFORMS).exp()).square().mean()
        loss.backward()
        optimiser.step()
    return model.eval()


def captum_scores(model, factors, baselines, *others):
    """captum's scores, one output after the other, ``(n, n_factors, n_isoforms)``."""
    from captum.attr import DeepLift

    baselines = baselines.expand_as(factors).contiguous()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it sets hooks
        method = DeepLift(model)
        found = [
            method.attribute(
                factors, baselines, target=isoform, additional_forward_args=others
            ).detach()
            for isoform in range(N_ISOFORMS)
        ]
    return torch.stack(found, 2)


def relative(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


def our_scores(model, factors, baselines, *others):
    parts = model.in_parts(*others)
    weight = parts.pop("weight")
    return deeplift_scores(model.network, weight, inputs=factors, baselines=baselines, **parts)


def compare(model, factors, baselines, *others):
    """Errors of our single and double precision, and of captum's single, against its double.

    captum's single precision is no reference: it divides differences that rounding has left of
    nearby values.
    """
    single = (model, factors, baselines, *others)
    double = (copy.deepcopy(model).double(), *(each.double() for each in single[1:]))
    exact = captum_scores(*double)
    assert exact.abs().max() > 0.01
    return (
        relative(our_scores(*single), exact),
        relative(our_scores(*double), exact),
        relative(captum_scores(*single), exact),
    )


@pytest.mark.parametrize("kind", ["median", "zero", "group", "one each"])
@pytest.mark.parametrize("training", ["random", "trained"])
@pytest.mark.parametrize("readout", [Additive, Usage])
def test_equals_captum(readout, training, kind):
    model = readout(two_layers()).eval()
    if training == "trained":
        trained(model)
    factors, context, gene = samples()
    baselines = reference(kind, factors)
    single, double, captums_single = compare(model, factors, baselines, context, gene)
    assert single < 1e-5
    assert double < 1e-7
    assert single <= captums_single + 2e-6
    found = our_scores(model, factors, baselines, context, gene)
    with torch.no_grad():
        start = model(baselines.expand_as(factors), context, gene)
        change = model(factors, context, gene) - start
    assert relative(found.sum(1), change) < 1e-5


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_equals_captum(name):
    model = trained(Usage(two_layers(ACTIVATIONS[name])), steps=5)
    factors, context, gene = samples()
    single, double, _ = compare(model, factors, torch.zeros(N_FACTORS), context, gene)
    assert single < 1e-5
    assert double < 1e-7


@pytest.mark.parametrize("kind", ["median", "one each"])
def test_multipliers_carry_the_change_of_the_hidden_units(kind):
    network = trained(Usage(two_layers())).network
    factors, *_ = samples()
    baselines = reference(kind, factors)
    multipliers, hidden, at_baseline = hidden_multipliers(network, factors, baselines)
    assert multipliers.shape == (N, N_FACTORS, N_HIDDEN)
    with torch.no_grad():
        torch.testing.assert_close(hidden, network(factors))
        torch.testing.assert_close(at_baseline, network(baselines.expand_as(factors)))
    change = torch.einsum("nf,nfh->nh", factors - baselines, multipliers)
    torch.testing.assert_close(change, hidden - at_baseline, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variance", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("kind", ["zero", "one each"])
def test_summary_equals_the_scores_it_does_not_keep(kind, batch_size, variance, monkeypatch):
    monkeypatch.setattr("tgem.attr.deeplift_spread.CPU_BLOCK", 5 * N_FACTORS)
    model = trained(Additive(two_layers()))
    factors, context, gene = samples()
    parts = model.in_parts(context, gene) | {
        "inputs": factors,
        "baselines": reference(kind, factors),
    }
    weight = parts.pop("weight")
    scores = deeplift_scores(model.network, weight, **parts).double()
    found = deeplift_summary(
        model.network, weight, variance=variance, batch_size=batch_size, **parts
    )
    assert found.n_samples == N
    assert found.residual < 1e-5 * found.largest_change
    assert found.mean.shape == (N_FACTORS, N_ISOFORMS)
    torch.testing.assert_close(found.mean.double(), scores.mean(0), rtol=1e-5, atol=1e-7)
    if not variance:
        assert found.standard_deviation is None
        with pytest.raises(ValueError, match="variance=True"):
            _ = found.t_statistic
        return
    spread = scores.std(0)
    torch.testing.assert_close(found.standard_deviation.double(), spread, rtol=1e-4, atol=1e-7)
    expected = scores.mean(0) / spread * N**0.5
    solid = spread > 1e-3 * spread.max()
    torch.testing.assert_close(
        found.t_statistic.double()[solid], expected[solid], rtol=1e-3, atol=1e-4
    )
    assert (found.t_statistic[(scores == 0).all(0)] == 0).all()


def test_a_small_spread_around_a_large_mean_survives_single_precision():
    linear = nn.Sequential(nn.Linear(4, 4))
    factors = 1000 + torch.randn(40, 4) * 0.01
    weight = torch.eye(4)
    found = deeplift_summary(linear, weight, inputs=factors, baselines=torch.zeros(4))
    exact = (factors.double().std(0) * linear[0].weight.detach().double()).abs().T
    torch.testing.assert_close(found.standard_deviation.double(), exact, rtol=0.02, atol=0)
    equal = deeplift_summary(
        linear, weight, inputs=factors[:1].expand(40, 4), baselines=torch.zeros(4)
    )
    assert (equal.standard_deviation == 0).all()
    assert equal.t_statistic.isinf().all()


def test_a_linear_network_gives_its_weights_times_the_difference():
    network = nn.Sequential(nn.Linear(N_FACTORS, N_HIDDEN), nn.Identity())
    weight, (factors, *_) = torch.randn(N_ISOFORMS, N_HIDDEN), samples()
    found = deeplift_scores(network, weight, inputs=factors, baselines=factors.mean(0))
    whole = (weight @ network[0].weight).detach()
    expected = (factors - factors.mean(0))[:, :, None] * whole.T
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_activations_without_a_linear_layer():
    found, hidden, at_baseline = hidden_multipliers(
        nn.Sequential(nn.Tanh()), torch.tensor([[1.0, -2.0]]), torch.zeros(2)
    )
    torch.testing.assert_close(found[0].diagonal() * torch.tensor([1.0, -2.0]), hidden[0])
    assert found[0].count_nonzero() == 2
    assert not at_baseline.any()


def test_an_input_at_its_reference_has_no_score():
    model = trained(Usage(two_layers()))
    factors, context, gene = samples()
    parts = model.in_parts(context, gene)
    baselines = factors.clone()
    baselines[:, ::2] += 0.1
    found = deeplift_scores(
        model.network, parts.pop("weight"), inputs=factors, baselines=baselines, **parts
    )
    assert (found[:, 1::2] == 0).all()
    assert (found[:, ::2] != 0).any()


def test_the_reference_itself_has_scores_of_zero_and_finite_multipliers():
    network = trained(Usage(two_layers(nn.Sigmoid))).network
    factors, *_ = samples()
    multipliers, *_ = hidden_multipliers(network, factors, factors)
    points = factors.clone().requires_grad_()
    gradient = torch.autograd.grad(network(points)[:, 2].sum(), points)[0]
    torch.testing.assert_close(multipliers[:, :, 2], gradient, rtol=1e-4, atol=1e-6)
    scores = deeplift_scores(
        network, torch.randn(N_ISOFORMS, N_HIDDEN), inputs=factors, baselines=factors
    )
    assert not scores.any()


def test_slopes_of_nearby_values_stay_exact():
    near = torch.tensor([0.3, -2.0, 4.0])
    far = near + torch.tensor([1e-6, 1e-6, 1e-6])
    found = output_slopes(torch.sigmoid, far, near)
    exact = near.double().sigmoid() * (1 - near.double().sigmoid())
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


def test_works_under_inference_mode_and_leaves_the_network_alone():
    model = trained(Usage(two_layers(lambda: nn.ReLU(inplace=True))))
    before = copy.deepcopy(model.state_dict())
    factors, context, gene = samples()
    parts = model.in_parts(context, gene)
    weight = parts.pop("weight")
    expected = deeplift_scores(
        model.network, weight, inputs=factors, baselines=torch.zeros(N_FACTORS), **parts
    )
    with torch.inference_mode():
        parts["response_arguments"] = (gene * 1,)
        inputs = factors * 1
        found = deeplift_scores(model.network, weight, inputs=inputs, baselines=inputs[0], **parts)
        assert not found[0].any()
        zero = torch.zeros(N_FACTORS)
        found = deeplift_scores(model.network, weight, inputs=inputs, baselines=zero, **parts)
    torch.testing.assert_close(found, expected)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), TypeError, "Softmax at '1'"),
        (nn.Sequential(nn.Sequential(nn.LayerNorm(4))), TypeError, "LayerNorm at '0.0'"),
        (nn.Linear(4, 3), TypeError, "nn.Sequential, found Linear"),
        (nn.Sequential(nn.BatchNorm1d(4)), ValueError, r"training mode.*network\.eval\(\)"),
        (
            nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)).eval(),
            ValueError,
            "no running statistics",
        ),
        (nn.Sequential(nn.Linear(5, 3)), ValueError, "Expected 5 columns at '0'.*found 4"),
        (nn.Sequential(nn.Linear(4, 7)), ValueError, r"\(n_outputs, 7\).*found \(2, 3\)"),
    ],
)
def test_networks_that_have_no_closed_form(network, error, message):
    with pytest.raises(error, match=message):
        deeplift_scores(
            network, torch.rand(2, 3), inputs=torch.rand(6, 4), baselines=torch.zeros(4)
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": torch.rand(4)}, "n, n_inputs"),
        ({"inputs": torch.rand(0, 4)}, "at least one sample"),
        ({"inputs": torch.ones(6, 4, dtype=torch.long)}, "floating-point"),
        ({"inputs": torch.full((6, 4), torch.nan)}, "finite `inputs`, found 24"),
        ({"baselines": torch.zeros(3)}, r"\(4,\) or \(6, 4\), found \(3,\)"),
        ({"baselines": torch.full((4,), torch.inf)}, "finite `baselines`, found 4"),
        ({"weight": torch.rand(3)}, "n_outputs, n_hidden"),
        ({"weight": torch.rand(2, 3).double()}, "torch.float32 on cpu, found torch.float64"),
        ({"offset": torch.rand(5)}, "`offset` to broadcast"),
        ({"offset": torch.tensor(torch.nan)}, "finite `offset`, found 1"),
        ({"response_arguments": (torch.rand(6, 5),)}, "`response_arguments` to broadcast"),
        ({"response_arguments": (torch.tensor(torch.nan),)}, "finite `response_arguments`"),
        ({"response": lambda z: z / 0}, "finite values and slopes.*found 12 of 12"),
        ({"response": lambda z: z.softmax(1)}, "elementwise `response`"),
        ({"response": lambda z: z.sum(1)}, "shape of its argument"),
    ],
)
@pytest.mark.parametrize("function", [deeplift_scores, deeplift_summary])
def test_bad_arguments(function, changed, message):
    arguments = {
        "network": nn.Sequential(nn.Linear(4, 3)),
        "weight": torch.rand(2, 3),
        "inputs": torch.rand(6, 4),
        "baselines": torch.zeros(4),
    }
    with pytest.raises(ValueError, match=message):
        function(**arguments | changed)


def test_a_spread_needs_two_samples():
    network, weight = nn.Sequential(nn.Linear(4, 3)), torch.rand(2, 3)
    one = {"inputs": torch.rand(1, 4), "baselines": torch.zeros(4)}
    with pytest.raises(ValueError, match="variance=False"):
        deeplift_summary(network, weight, **one)
    found = deeplift_summary(network, weight, **one, variance=False)
    torch.testing.assert_close(found.mean, deeplift_scores(network, weight, **one)[0])
    with pytest.raises(ValueError, match="`batch_size`"):
        deeplift_summary(network, weight, **one, variance=False, batch_size=0)
