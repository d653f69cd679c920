"""A network of the size and the read-out of DeepRBP, trained briefly."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

SEED = 0


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_factors: int = 1282
    layers: tuple[int, int] = (1024, 128)
    n_isoforms: int = 11462
    n_samples: int = 336
    measured: int = 50  # isoforms that captum explains
    turns: int = 5
    steps: int = 50  # of training


QUICK = Sizes(60, (40, 16), 200, n_samples=8, measured=10, turns=2, steps=5)


class Log2Plus1(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.log2(values + 1)


class Network(nn.Module):
    """Factors to the log-expression of isoforms, as DeepRBP."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        first, second = sizes.layers
        self.hidden = nn.Sequential(
            nn.Linear(sizes.n_factors, first),
            nn.BatchNorm1d(first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.ReLU(),
        )
        self.last = nn.Linear(second, sizes.n_isoforms)
        self.share = nn.Sigmoid()
        self.logarithm = Log2Plus1()  # a module, which captum needs

    def forward(self, factors: Tensor, gene_tpm: Tensor) -> Tensor:
        return self.logarithm(self.share(self.last(self.hidden(factors))) * gene_tpm)

    def cut(self, isoform: int) -> Network:
        """The same network with a single output."""
        short = copy.copy(self)
        short._modules = dict(self._modules)
        short.last = nn.Linear(self.last.in_features, 1)
        short.last.weight = nn.Parameter(self.last.weight[isoform : isoform + 1].detach())
        short.last.bias = nn.Parameter(self.last.bias[isoform : isoform + 1].detach())
        return short.eval().requires_grad_(requires_grad=False)


class Case(NamedTuple):
    """A trained network and the samples to explain."""

    network: Network
    factors: Tensor
    gene_tpm: Tensor


def drawn(sizes: Sizes, n: int) -> tuple[Tensor, Tensor]:
    """Scaled factors in [0, 1], and the TPM of each isoform's gene, log-normal."""
    factors = (torch.randn(n, sizes.n_factors) / 4 + 0.5).clamp_(0, 1)
    return factors, torch.randn(n, sizes.n_isoforms).add_(1.5).exp_()


def case(sizes: Sizes) -> Case:
    """Network after a short training on what another random network makes of factors."""
    torch.manual_seed(SEED)
    network, teacher = Network(sizes), Network(sizes)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    for _ in range(sizes.steps):
        factors, gene_tpm = drawn(sizes, 64)
        with torch.no_grad():
            target = teacher(factors, gene_tpm)
        optimiser.zero_grad()
        nn.functional.mse_loss(network(factors, gene_tpm), target).backward()
        optimiser.step()
    network.eval().requires_grad_(requires_grad=False)
    return Case(network, *drawn(sizes, sizes.n_samples))


def readout(logits: Tensor, gene_tpm: Tensor) -> Tensor:
    return torch.log2(torch.sigmoid(logits) * gene_tpm + 1)
