"""The blocks of EpiAttention: exact, masked, finite, and of the published sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tgem.model.epiattention._branches import BatchNorm, HistoneBranch, MethylationBranch
from tgem.model.epiattention._inputs import Grid
from tgem.model.epiattention._module import EpiAttentionModule
from tgem.nn.additive_attention import AdditiveAttention, masked_softmax
from tgem.nn.factor_attention import FactorAttention
from tgem.nn.focal_loss import focal_loss
from tgem.nn.fusion import AttentionFusion
from tgem.nn.ragged_lstm import RaggedLSTM

SMALL = {
    "histone": Grid(3, 9, logarithm=True),
    "methylation": Grid(6, 2, kept=(1,)),
    "tf": Grid(5, 3),
}


def seeded_module(grids=SMALL, n_cell_types=0, **options):
    torch.manual_seed(0)
    return EpiAttentionModule(grids, n_cell_types, **options).eval()


def small_inputs(n=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(n, g.n_rows, g.n_columns, generator=generator) for g in SMALL.values()]


# -- attention ---------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), n_real=st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_masked_softmax_is_the_softmax_of_the_real_entries(seed, n_real):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(6, generator=generator) * 20
    mask = torch.zeros(6, dtype=torch.bool)
    mask[torch.randperm(6, generator=generator)[:n_real]] = True
    weights = masked_softmax(logits, mask)
    assert (weights[~mask] == 0).all()
    if n_real:
        torch.testing.assert_close(weights[mask], torch.softmax(logits[mask], -1))


def test_padding_gets_no_attention_and_no_gradient():
    torch.manual_seed(0)
    attention = AdditiveAttention(4, 3)
    sequence = torch.randn(2, 5, 4, requires_grad=True)
    mask = torch.tensor([[True, True, False, True, False], [False] * 5])
    context, weights = attention(sequence, mask)
    (context**2).sum().backward()
    assert (weights[~mask] == 0).all()
    assert (sequence.grad[~mask] == 0).all()
    assert (sequence.grad[mask] != 0).any()
    torch.testing.assert_close(weights.sum(1), torch.tensor([1.0, 0.0]))


def dense_factor_attention(layer, features):
    weights = torch.softmax(layer.query(features) @ layer.key(features).transpose(1, 2), -1)
    return weights @ features, weights.mean(1)


@pytest.mark.parametrize(("n_factors", "n_features"), [(1, 3), (7, 1), (40, 3), (130, 5)])
def test_factor_attention_is_the_dense_one(n_factors, n_features):
    torch.manual_seed(1)
    layer = FactorAttention(n_features, 30)
    features = torch.randn(3, n_factors, n_features)
    upstream = torch.randn(3, n_factors, n_features)
    results = []
    for dtype, dense in ((torch.float64, True), (torch.float32, False)):
        layer.to(dtype).zero_grad()
        x = features.to(dtype).requires_grad_()
        attended, received = dense_factor_attention(layer, x) if dense else (layer(x), None)
        received = layer.received(x) if received is None else received
        (attended * upstream.to(dtype)).sum().backward()
        gradients = [layer.query.weight.grad, layer.query.bias.grad, layer.key.weight.grad]
        results.append([attended, received, x.grad, *gradients])
    for expected, found in zip(*results, strict=True):
        error = (expected - found.double()).detach().abs().max()
        assert error < 1e-5 * expected.detach().abs().max().clamp_min(1)


def test_each_fusion_weight_multiplies_its_own_entry_alone():
    torch.manual_seed(0)
    fusion = AttentionFusion([4, 3, 2], n_attentions=5)
    joint, present = torch.randn(2, 9), torch.ones(2, 3, dtype=torch.bool)
    weights = fusion.weights(joint, present)
    before = torch.cat(fusion.attended(joint, weights), 2)
    torch.testing.assert_close(before, weights * joint[:, None])
    for attention, entry in ((0, 0), (3, 5), (4, 8)):
        changed = weights.clone()
        changed[:, attention, entry] += 0.5
        moved = torch.cat(fusion.attended(joint, changed), 2) - before
        expected = torch.zeros_like(moved)
        expected[:, attention, entry] = 0.5 * joint[:, entry]
        torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-5)


def test_fusion_of_an_absent_modality():
    torch.manual_seed(0)
    fusion = AttentionFusion([4, 3, 2], n_attentions=5)
    present = torch.tensor([[True, False, True], [False, False, True]])
    joint = torch.randn(2, 9) * fusion.entries(present)
    fused, weights = fusion(joint, present)
    absent = ~fusion.entries(present)
    assert (weights.transpose(1, 2)[absent] == 0).all()
    assert (fused[absent] == 0).all()
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 5))


# -- sequences ---------------------------------------------------------------------------------


def packed_twin(ours, n_inputs, n_hidden):
    theirs = torch.nn.LSTM(n_inputs, n_hidden, bidirectional=True, batch_first=True)
    state = {name: value.clone() for name, value in ours.forwards.state_dict().items()}
    state |= {f"{name}_reverse": value for name, value in ours.backwards.state_dict().items()}
    theirs.load_state_dict(state)
    return theirs


@given(seed=st.integers(0, 1000), n=st.integers(1, 4), longest=st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_ragged_lstm_is_the_packed_one(seed, n, longest):
    torch.manual_seed(seed)
    ours = RaggedLSTM(2, 3)
    theirs = packed_twin(ours, 2, 3)
    lengths = torch.randint(1, longest + 1, (n,))
    lengths[0] = longest
    sequence = torch.randn(n, longest, 2)
    packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(sequence, lengths)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    upstream = torch.randn_like(found)
    (found * upstream).sum().backward()
    (expected * upstream).sum().backward()
    for name, direction in (("", ours.forwards), ("_reverse", ours.backwards)):
        for weight, value in direction.named_parameters():
            twin = getattr(theirs, f"{weight}{name}").grad
            torch.testing.assert_close(value.grad, twin, atol=1e-4, rtol=1e-3)


def test_order_of_cpgs_does_not_matter_when_positions_are_given():
    torch.manual_seed(0)
    branch = MethylationBranch(2, position=1)
    sites, mask = torch.rand(3, 7, 2), torch.rand(3, 7) > 0.3
    mask[:, 0] = True
    order = torch.randperm(7)
    context, weights = branch(sites * mask[..., None], mask)
    moved, moved_weights = branch((sites * mask[..., None])[:, order], mask[:, order])
    torch.testing.assert_close(context, moved)
    torch.testing.assert_close(weights[:, order], moved_weights)
    unsorted, _ = MethylationBranch(2, position=None)(sites, mask)
    assert unsorted.shape == context.shape


def test_without_positions_the_order_of_the_slots_counts():
    torch.manual_seed(0)
    branch = MethylationBranch(1, position=None)
    sites, mask = torch.rand(2, 7, 1), torch.ones(2, 7, dtype=torch.bool)
    assert not torch.allclose(branch(sites, mask)[0], branch(sites.flip(1), mask)[0])


@pytest.mark.parametrize("n_bins", [1, 2, 3, 6, 7, 8, 40, 41])
@pytest.mark.parametrize("same_padding", [False, True])
def test_attention_over_bins_adds_up_to_one(n_bins, same_padding):
    torch.manual_seed(0)
    branch = HistoneBranch(2, n_bins, same_padding=same_padding).eval()
    context, attention = branch(torch.rand(3, 2, n_bins))
    assert context.shape == (3, 80)
    assert attention.shape == (3, n_bins)
    torch.testing.assert_close(attention.sum(1), torch.ones(3))


def test_a_single_value_is_normalised_by_the_running_statistics():
    norm = BatchNorm(4)
    norm.running_mean.fill_(2.0)
    found = norm(torch.full((1, 4), 3.0))
    torch.testing.assert_close(found, torch.ones(1, 4), atol=1e-4, rtol=0)
    assert (norm.running_mean == 2).all()


# -- loss --------------------------------------------------------------------------------------


@given(
    logit=st.floats(-30, 30),
    target=st.sampled_from([0.0, 1.0]),
    gamma=st.sampled_from([0.0, 1.0, 2.0]),
)
@settings(max_examples=50, deadline=None)
def test_focal_loss_is_its_definition(logit, target, gamma):
    value = focal_loss(
        torch.tensor([logit], dtype=torch.float64), torch.tensor([target]), gamma=gamma
    )
    wrong = -logit if target else logit
    probability_of_wrong, minus_log_of_right = 1 / (1 + np.exp(-wrong)), np.log1p(np.exp(wrong))
    expected = probability_of_wrong**gamma * minus_log_of_right
    np.testing.assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("logit", [-1e4, -100.0, 0.0, 100.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_focal_loss_and_its_gradient_are_finite(logit, target):
    logits = torch.tensor([logit], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([target]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    if logit == (-1e4 if target else 1e4):
        assert float(loss.detach()) == 1e4
        assert abs(float(logits.grad)) == 1


# -- the network -------------------------------------------------------------------------------


def published_parameter_count(marks=7, factors=1016):
    def lstm(inputs, hidden):
        return 2 * 4 * hidden * (inputs + hidden + 2)

    def linear(inputs, outputs):
        return (inputs + 1) * outputs

    histone = 20 * (marks * 7 + 1) + 2 * 20 + lstm(20, 40) + linear(80, 16) + 16
    methylation = lstm(2, 10) + linear(20, 16) + 16
    flat = 3 * factors
    tf = 2 * linear(3, 30) + 2 * flat + linear(flat, 5)
    reductions = sum(linear(10 * size, size) for size in (80, 20, 5))
    fusion = linear(105, 10 * 105) + reductions
    return histone + methylation + tf + fusion + linear(105, 32) + linear(32, 1)


def test_paper_preset_has_the_published_sizes():
    grids = {
        "histone": Grid(7, 40),
        "methylation": Grid(436, 2, kept=(1,)),
        "tf": Grid(1016, 3),
    }
    module = EpiAttentionModule(grids, 0)
    assert sum(p.numel() for p in module.parameters()) == published_parameter_count()
    assert module.fusion.sizes == [80, 20, 5]
    assert module.fusion.n_attentions == 10
    assert tuple(module.branches["histone"].convolution.weight.shape) == (20, 7, 7)
    inputs = [torch.rand(2, g.n_rows, g.n_columns) for g in grids.values()]
    assert module(*inputs).shape == (2, 1)


@pytest.mark.parametrize("absent", list(SMALL))
def test_a_masked_modality_has_no_attention_no_influence_and_no_gradient(absent):
    module = seeded_module()
    inputs = small_inputs()
    which = list(SMALL).index(absent)
    inputs[which][:4] = torch.nan
    for tensor in inputs:
        tensor.requires_grad_()
    encoded = module.encode(*module.masked(*inputs))
    module(*inputs).sum().backward()
    assert (inputs[which].grad[:4] == 0).all()
    assert (inputs[which].grad[4:] != 0).any()
    if absent == "tf":
        assert (module.factor_attention(inputs[2])[:4] == 0).all()
    else:
        assert (encoded.attention[absent][:4] == 0).all()
    start = sum(module.fusion.sizes[:which])
    part = slice(start, start + module.fusion.sizes[which])
    assert (encoded.attention["fusion"][:4, :, part] == 0).all()
    assert (encoded.latent[:4, part] == 0).all()
    torch.testing.assert_close(encoded.attention["fusion"].sum(2), torch.ones(8, 10))


def test_padded_cpgs_have_no_attention_and_no_gradient_wherever_they_are():
    module = seeded_module()
    inputs = small_inputs()
    padding = torch.zeros(8, 6, dtype=torch.bool)
    padding[:, [1, 4]] = True
    inputs[1][padding] = torch.nan
    inputs[1].requires_grad_()
    attention = module.encode(*module.masked(*inputs)).attention["methylation"]
    module(*inputs).sum().backward()
    assert (attention[padding] == 0).all()
    assert (inputs[1].grad[padding] == 0).all()
    assert (attention[~padding] > 0).all()
    shorter = [inputs[0], inputs[1][:, [0, 2, 3, 5]], inputs[2]]
    torch.testing.assert_close(module(*inputs), module(*shorter))


def test_normalisation_in_training_looks_at_present_genes_only():
    whole, half = seeded_module().train(), seeded_module().train()
    inputs = small_inputs()
    half_missing = [tensor.clone() for tensor in inputs]
    for tensor in half_missing[::2]:
        tensor[4:] = torch.nan
    first = half(*half_missing)[:4]
    alone = whole(*(tensor[:4] for tensor in inputs))
    torch.testing.assert_close(first, alone)
    running = [m.branches["histone"].norm.running_mean for m in (whole, half)]
    torch.testing.assert_close(*running)


@pytest.mark.parametrize("training", [False, True])
def test_a_batch_of_one(training):
    module = seeded_module(n_cell_types=2, residual=True, standardize=True).train(training)
    inputs = [tensor[:1] for tensor in small_inputs()]
    output = module(*inputs, torch.tensor([1]))
    assert output.shape == (1, 1)
    output.sum().backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_cell_types_have_an_embedding_of_their_own():
    module = seeded_module(n_cell_types=3)
    outputs = torch.stack([module(*small_inputs(), torch.full((8,), code)) for code in range(3)])
    assert (outputs[0] != outputs[1]).all()
    assert (outputs[1] != outputs[2]).all()
