"""DeepLIFT of isoforms by captum, in four ways, and by tgem."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from deeplift_comparison.network import Case, Log2Plus1, readout

BATCHED = 5  # outputs of one call of captum_batched
PART = 64  # samples of one call of captum_in_parts


def moments(scores: Tensor) -> Tensor:
    """Mean and standard deviation over samples, ``(2, n_factors)``."""
    return torch.stack([scores.mean(0), scores.std(0)])


class Captum:
    """captum's DeepLIFT of one isoform or several: mean and standard deviation over samples."""

    def __init__(self, case: Case) -> None:
        from captum.attr import DeepLift  # noqa: PLC0415
        from captum.attr._core import deep_lift  # noqa: PLC0415

        deep_lift.SUPPORTED_NON_LINEAR[Log2Plus1] = deep_lift.nonlinear
        self.case = case
        self.method = DeepLift
        self.whole = DeepLift(case.network)
        self.reference = torch.zeros_like(case.factors)

    def attribute(self, method: Any, factors: Tensor, gene_tpm: Tensor, target: Any) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum says that it sets hooks
            return method.attribute(
                factors,
                torch.zeros_like(factors),
                target=target,
                additional_forward_args=(gene_tpm,),
            ).detach()

    def captum(self, isoforms: list[int]) -> Tensor:
        _, factors, gene_tpm = self.case
        found = [moments(self.attribute(self.whole, factors, gene_tpm, each)) for each in isoforms]
        return torch.stack(found, 2)

    def captum_batched(self, isoforms: list[int]) -> Tensor:
        _, factors, gene_tpm = self.case
        found = []
        for first in range(0, len(isoforms), BATCHED):
            several = isoforms[first : first + BATCHED]
            targets = torch.tensor(several).repeat_interleave(len(factors))
            copies = len(several)
            scores = self.attribute(
                self.whole, factors.repeat(copies, 1), gene_tpm.repeat(copies, 1), targets
            )
            found += [moments(each) for each in scores.split(len(factors))]
        return torch.stack(found, 2)

    def captum_in_parts(self, isoforms: list[int]) -> Tensor:
        _, factors, gene_tpm = self.case
        parts = list(zip(factors.split(PART), gene_tpm.split(PART), strict=True))
        found = [
            moments(torch.cat([self.attribute(self.whole, *part, each) for part in parts]))
            for each in isoforms
        ]
        return torch.stack(found, 2)

    def captum_cut(self, isoforms: list[int]) -> Tensor:
        network, factors, gene_tpm = self.case
        found = []
        for each in isoforms:
            method = self.method(network.cut(each))
            tpm = gene_tpm[:, each : each + 1]
            found.append(moments(self.attribute(method, factors, tpm, 0)))
        return torch.stack(found, 2)


def tgem(case: Case) -> Any:
    """All isoforms; the read-out of a cut network is a column of the whole one's."""
    from tgem.attr import deeplift_summary  # noqa: PLC0415

    network, factors, gene_tpm = case
    found = deeplift_summary(
        network.hidden,
        network.last.weight,
        inputs=factors,
        baselines=torch.zeros(factors.shape[1]).to(factors),
        offset=network.last.bias,
        response=readout,
        response_arguments=(gene_tpm,),
    )
    found.t_statistic  # noqa: B018 - part of the question
    return found
