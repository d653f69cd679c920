"""One attention layer in four forms, and a batch for it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from shared import published
from torch import Tensor
from torch.nn import functional

from tgem.nn import attention_statistics, scalar_attention

if TYPE_CHECKING:
    from collections.abc import Callable

PADDED = 8  # numbers per token that torch's kernels want at least


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_obs: int = 16
    n_heads: int = 5
    n_genes: tuple[int, ...] = (500, 765, 1000, 1708, 3000, 5000, 10_000, 20_000, 50_000)
    scaling: tuple[int, ...] = (2000, 5000, 10_000, 20_000, 50_000)
    errors: tuple[int, ...] = (765, 1708)
    paper: int = 1708  # genes of the published network
    seconds: float = 15.0  # that the turns of a form may take together at one size
    rounds: int = 7  # at most


QUICK = Sizes(
    n_obs=2,
    n_heads=2,
    n_genes=(300,),
    scaling=(200, 400, 800),
    errors=(100,),
    paper=150,
    seconds=0.1,
    rounds=2,
)


def sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """torch's fused attention, the diagonal included."""
    padded = (functional.pad(tensor.unsqueeze(-1), (0, PADDED - 1)) for tensor in (q, k, v))
    return functional.scaled_dot_product_attention(*padded, scale=1.0)[..., 0]


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "published": published,
    "sdpa": sdpa,
    "exact": partial(scalar_attention, method="exact"),
    "linear": partial(scalar_attention, method="linear"),
}


class Layer:
    """One layer's weights, and a batch; calling it is one training step."""

    def __init__(self, n_genes: int, sizes: Sizes, device: str = "cpu", seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        rate = 3 * torch.rand(sizes.n_obs, n_genes, generator=generator) ** 4
        counts = torch.poisson(rate, generator=generator)
        self.expression = torch.log1p(counts).to(device)  # three of four are zero
        deviation = math.sqrt(2 / (n_genes + sizes.n_heads))
        self.weights = [
            (torch.randn(sizes.n_heads, n_genes, generator=generator) * deviation)
            .to(device)
            .requires_grad_()
            for _ in range(3)
        ]
        self.head_weight = torch.full((sizes.n_heads,), 1e-3, device=device, requires_grad=True)
        upstream = torch.randn(sizes.n_obs, n_genes, generator=generator)
        self.upstream = upstream.to(device)

    def scaled(self, factor: float) -> Layer:
        """Multiply the weights of queries and keys."""
        with torch.no_grad():
            for weight in self.weights[:2]:
                weight.mul_(factor)
        return self

    def tokens(self) -> list[Tensor]:
        """Queries, keys and values, ``(n_obs, n_heads, n_genes)``."""
        return [self.expression.unsqueeze(1) * weight for weight in self.weights]

    def __call__(self, form: str) -> None:
        for weight in (*self.weights, self.head_weight):
            weight.grad = None
        attended = FORMS[form](*self.tokens())
        torch.einsum("h,nhg->ng", self.head_weight, attended).backward(self.upstream)


def largest_score_spread(q: Tensor, k: Tensor) -> float:
    """X, the largest of max|q| times the range of k."""
    spread = q.abs().amax(-1) * (k.amax(-1) - k.amin(-1))
    return spread.max().item()


def mean_entropy(layer: Layer) -> float:
    q, k, _ = layer.tokens()
    return attention_statistics(q, k).entropy[q != 0].mean().item()
