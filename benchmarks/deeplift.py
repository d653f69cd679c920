"""Time and equality of DeepLIFT of all isoforms against captum's loop over outputs.

One command measures all sides in one run, on the same weights and the same samples, and writes a
table (JSON)::

    python benchmarks/deeplift.py [--quick] [--out benchmarks/results] [--samples 336]

The network has the size and the read-out of DeepRBP: 1,282 factors, layers of 1,024 and 128 units
with batch normalisation and ReLU, 11,462 isoforms, ``log2(sigmoid(z) * gene TPM + 1)``; the
reference is zero (a knock-out). It is trained briefly here, on random factors and on isoforms that
a random network of this size makes of them, so that no weight and no statistic of the
normalisation is what it was drawn as. The question is DeepRBP's: mean score over samples, and its
t-statistic, of every factor for every isoform, on as many samples as it had of liver cancer. The
sides take turns, so that whatever else the machine does meets all of them:

captum
    ``captum.attr.DeepLift`` on the network as it is, one output after the other as in DeepRBP, all
    samples at once; mean and standard deviation over them.
captum_batched
    The same with the samples repeated, so that one call answers for several outputs.
captum_in_parts
    The same with 64 samples at a time, whose intermediate results are smaller.
captum_cut
    captum on a network whose last layer is cut to the one output that is explained: no change of
    captum, but of the network that it is given.
tgem
    ``tgem.attr.deeplift_summary`` with its defaults. A turn is all isoforms.

captum is measured on 50 isoforms; its time for all of them is the median time of one multiplied by
their number. Errors are differences from captum in double precision, untimed. Memory is the
largest resident size of a fresh process that computes one side.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from memory import largest_resident_size
from shared import Timing, machine, ratios, timed
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 0
SIDES = ("captum", "captum_batched", "captum_in_parts", "captum_cut", "tgem")
BATCHED = 5  # outputs of one call of captum_batched
PART = 64  # samples of one call of captum_in_parts


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


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def keep(results: list[Any], step: Callable[[], Any]) -> None:
    results.append(step())


def speed(case: Case, sizes: Sizes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Times of all sides in turns, and how far their mean scores differ."""
    captum = Captum(case)
    theirs: dict[str, Callable[[list[int]], Tensor]] = {
        side: getattr(captum, side) for side in SIDES if side != "tgem"
    }
    order = torch.randperm(sizes.n_isoforms, generator=torch.Generator().manual_seed(SEED))
    isoforms = order[: sizes.measured].tolist()
    found: dict[str, list[Tensor]] = {side: [] for side in theirs}
    summaries: list[Any] = []
    timings: dict[str, list[Timing]] = {side: [] for side in SIDES}
    for call in theirs.values():
        call(isoforms[:1])  # what loads at the first call is nobody's time
    tgem(Case(case.network, case.factors[:2], case.gene_tpm[:2]))
    per_turn = sizes.measured // sizes.turns
    for turn in range(sizes.turns):
        part = isoforms[turn * per_turn : (turn + 1) * per_turn]
        for side, call in theirs.items():
            timings[side].append(timed(partial(keep, found[side], partial(call, part))))
        timings["tgem"].append(timed(partial(keep, summaries, partial(tgem, case))))
        del summaries[:-1]
        show = ", ".join(f"{side} {timings[side][-1].wall:.3g} s" for side in SIDES)
        print(f"turn {turn + 1} ({per_turn} isoforms; tgem all): {show}", flush=True)
    measured = isoforms[: per_turn * sizes.turns]
    per_isoform = {side: sizes.n_isoforms if side == "tgem" else per_turn for side in SIDES}
    times = {side: summary(timings[side], per_isoform[side], sizes) for side in SIDES}
    means = {side: torch.cat(parts, 2) for side, parts in found.items()}
    for side in theirs:
        times[side]["ratio_of_totals"] = ratios(
            {name: each["total"] for name, each in times.items()}, side, "tgem"
        )
    return times, errors(case, summaries[-1], means, measured)


def summary(timings: list[Timing], n_isoforms: int, sizes: Sizes) -> dict[str, Any]:
    """Median, smallest and largest time of a turn, and the time for all isoforms."""
    found: dict[str, Any] = {"isoforms_per_turn": n_isoforms, "total": {}, "range": {}}
    for clock in ("wall", "process"):
        values = [getattr(timing, clock) * sizes.n_isoforms / n_isoforms for timing in timings]
        found["total"][f"{clock}_s"] = statistics.median(values)
        found["range"][f"{clock}_s"] = [min(values), max(values)]
    found["turns"] = [timing._asdict() for timing in timings]
    found["total_is"] = (
        "measured"
        if n_isoforms == sizes.n_isoforms
        else f"median turn of {n_isoforms} isoforms x {sizes.n_isoforms / n_isoforms:.1f}"
    )
    return found


def errors(case: Case, ours: Any, theirs: dict[str, Tensor], isoforms: list[int]) -> dict[str, Any]:
    """Differences of mean and standard deviation on the isoforms that captum explained."""
    network, factors, gene_tpm = case
    double = Case(copy.deepcopy(network).double(), factors.double(), gene_tpm.double())
    exact = Captum(double).captum_cut(isoforms)
    columns = torch.stack([ours.mean[:, isoforms], ours.standard_deviation[:, isoforms]])
    result: dict[str, Any] = {"isoforms": len(isoforms)}
    for name, found, expected in zip(("mean", "sd"), columns, theirs["captum"], strict=True):
        result[f"{name}_of_tgem_from_captum"] = relative(found, expected)
    for i, name in enumerate(("mean", "sd")):
        result[f"error_of_{name}"] = {
            side: relative(found[i], exact[i])
            for side, found in (theirs | {"tgem": columns}).items()
        }
    change = ours.mean.sum(0) - readout_change(case).mean(0)
    return result | {
        "completeness": ours.residual / ours.largest_change,
        "completeness_of_mean": change.abs().max().item() / ours.largest_change,
    }


def readout_change(case: Case) -> Tensor:
    """Change of every isoform from the reference."""
    network, factors, gene_tpm = case
    return network(factors, gene_tpm) - network(torch.zeros_like(factors), gene_tpm)


def memory(side: str, sizes: Sizes) -> dict[str, int]:
    """Growth of the largest resident size in a fresh process, and that size itself."""
    command = [sys.executable, __file__, "--memory-of", side, "--sizes", json.dumps(sizes)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def measure_memory(side: str, sizes: Sizes) -> dict[str, int]:
    found = case(sizes)
    if side == "tgem":
        step = partial(tgem, found)
        tgem(Case(found.network, found.factors[:2], found.gene_tpm[:2]))
    else:
        step = partial(Captum(found).captum, [0, 1])
    before = largest_resident_size(reset=True)
    step()
    peak = largest_resident_size()
    return {"growth_bytes": peak - before, "process_bytes": peak}


def sizes_from(text: str) -> Sizes:
    values = json.loads(text)
    return Sizes(*(tuple(each) if isinstance(each, list) else each for each in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--samples", type=int, help="number of samples")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--memory-of", choices=("captum", "tgem"), help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=sizes_from, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sizes = arguments.sizes or (QUICK if arguments.quick else Sizes())
    if arguments.samples:
        sizes = sizes._replace(n_samples=arguments.samples)
    if arguments.memory_of:
        print(json.dumps(measure_memory(arguments.memory_of, sizes)))
        return
    times, differences = speed(case(sizes), sizes)
    for side in ("captum", "tgem"):
        times[side]["memory"] = memory(side, sizes)
    result = {
        "machine": machine("cpu") | {"captum": version("captum")},
        "sizes": sizes._asdict(),
        "batched_outputs": BATCHED,
        "samples_of_a_part": PART,
        "times": times,
        "differences": differences,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (arguments.out / "deeplift.json").write_text(text, encoding="utf-8")
    for side, found in times.items():
        ratio = found.get("ratio_of_totals", {}).get("wall_s", 1)
        print(f"{side:>16}: {found['total']['wall_s']:,.3g} s in all, {ratio:,.0f} x tgem")
    for side in ("captum", "tgem"):
        print(f"{side:>16}: {times[side]['memory']['process_bytes'] / 1e9:.2f} GB")
    print(json.dumps(differences, indent=2))


if __name__ == "__main__":
    main()
