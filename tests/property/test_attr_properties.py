"""Properties of the attributions that hold for every input."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tgem.attr import integrated_gradients

N_GENES, N_TARGETS = 5, 3
SEEDS = st.integers(0, 2**16)


def problem(seed: int, n_obs: int):
    """A smooth function, cells and targets in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    first, second, cells = draw(N_GENES, 8), draw(8, N_TARGETS), draw(n_obs, N_GENES)
    targets = torch.randint(N_TARGETS, (n_obs,), generator=generator)
    return lambda x: torch.tanh(x @ first / 2) @ second, cells, targets


@settings(deadline=None, derandomize=True, max_examples=50)
@given(SEEDS, st.integers(1, 9), st.integers(1, 12), st.integers(1, 120))
def test_batch_size_does_not_matter(seed, n_obs, n_steps, batch_size):
    function, cells, targets = problem(seed, n_obs)
    whole = integrated_gradients(
        function, cells, targets=targets, n_steps=n_steps, batch_size=10_000
    )
    parts = integrated_gradients(
        function, cells, targets=targets, n_steps=n_steps, batch_size=batch_size
    )
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(parts.residual, whole.residual, rtol=1e-10, atol=1e-12)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(SEEDS)
def test_attributions_are_complete(seed):
    function, cells, targets = problem(seed, 4)
    found = integrated_gradients(function, cells, targets=targets, n_steps=100)
    change = function(cells) - function(torch.zeros_like(cells))
    expected = change.gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(found.values.sum(1), expected, rtol=1e-6, atol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(SEEDS, st.permutations(range(N_GENES)))
def test_permuted_genes_give_permuted_attributions(seed, order):
    function, cells, targets = problem(seed, 4)
    back = torch.argsort(torch.tensor(order))
    found = integrated_gradients(lambda x: function(x[:, back]), cells[:, order], targets=targets)
    expected = integrated_gradients(function, cells, targets=targets)
    torch.testing.assert_close(found.values, expected.values[:, order])


@settings(deadline=None, derandomize=True, max_examples=30)
@given(SEEDS)
def test_swapping_input_and_baseline_flips_the_sign(seed):
    function, cells, targets = problem(seed, 4)
    start = cells.roll(1, 0)
    there = integrated_gradients(function, cells, targets=targets, baselines=start)
    back = integrated_gradients(function, start, targets=targets, baselines=cells)
    torch.testing.assert_close(there.values, -back.values)
