"""A training step of EpiAttention at the published sizes, against a plain implementation.

Run ``python benchmarks/epiattention.py``; ``--quick`` is a smoke test. Both sides see the same
genes, work interleaved, and carry the same weights, so that their losses agree. The plain
implementation is written as the published network is described: packed LSTMs, dense maps of
factors x factors, padded CpGs masked before the softmax, each fusion weight on its own entry.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from epiattention_step.plain import QUICK, PlainNetwork, Sizes, with_weights_of
from shared import machine, ratios, timed
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tgem.model.epiattention._inputs import Grid
from tgem.model.epiattention._module import EpiAttentionModule
from tgem.nn.focal_loss import focal_loss

SIDES = ("plain", "tgem")


class Step:
    """One training step of each side on the same genes."""

    def __init__(self, sizes: Sizes, device: str) -> None:
        generator = torch.Generator().manual_seed(0)
        rand = torch.rand
        n = sizes.n_obs
        self.histone = rand(n, sizes.n_marks, sizes.n_bins, generator=generator).to(device)
        self.lengths = torch.randint(1, sizes.n_cpgs + 1, (n,), generator=generator)
        self.lengths[0] = sizes.n_cpgs
        real = torch.arange(sizes.n_cpgs) < self.lengths[:, None]
        level = rand(n, sizes.n_cpgs, generator=generator)
        position = rand(n, sizes.n_cpgs, generator=generator).sort(1).values
        sites = torch.stack([level, position], 2)
        self.methylation = (sites * real[..., None]).to(device)
        self.ragged = torch.where(real[..., None], sites, torch.nan).to(device)
        self.tf = torch.randn(n, sizes.n_factors, 3, generator=generator).to(device)
        high = (torch.arange(n) % 2).float().to(device)
        self.targets = torch.stack([high, torch.zeros_like(high)], 1)
        torch.manual_seed(0)
        plain = PlainNetwork(sizes)
        grids = {
            "histone": Grid(sizes.n_marks, sizes.n_bins),
            "methylation": Grid(sizes.n_cpgs, 2, kept=(1,)),
            "tf": Grid(sizes.n_factors, 3),
        }
        ours = EpiAttentionModule(grids, 0)
        with_weights_of(plain, ours)
        self.networks = {"plain": plain.to(device), "tgem": ours.to(device)}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=1e-3)
            for name, network in self.networks.items()
        }
        self.loss: dict[str, float] = {}

    def outputs(self, side: str) -> Tensor:
        if side == "plain":
            return self.networks["plain"](self.histone, self.methylation, self.lengths, self.tf)
        return self.networks["tgem"](self.histone, self.ragged, self.tf)

    def __call__(self, side: str) -> None:
        self.optimizers[side].zero_grad()
        loss = focal_loss(self.outputs(side)[:, 0], self.targets[:, 0])
        loss.backward()
        self.optimizers[side].step()
        self.loss[side] = loss.item()


def parts(step: Step, sizes: Sizes, device: str) -> dict[str, Any]:
    """Forward and backward pass of the two slow branches alone."""
    plain, ours = step.networks["plain"], step.networks["tgem"]

    def plain_methylation() -> Tensor:
        packed = pack_padded_sequence(
            step.methylation, step.lengths, batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(plain.methylation(packed)[0], batch_first=True)[0]

    def plain_factors() -> Tensor:
        maps = torch.softmax(plain.query(step.tf) @ plain.key(step.tf).transpose(1, 2), -1)
        return maps @ step.tf

    lengths = step.lengths.to(device)
    forms = {
        "methylation LSTM": {
            "plain": plain_methylation,
            "tgem": lambda: ours.branches["methylation"].lstm(step.methylation, lengths),
        },
        "factor attention": {
            "plain": plain_factors,
            "tgem": lambda: ours.branches["tf"].attention(step.tf),
        },
    }
    result = {}
    for name, form in forms.items():
        times = in_turns(
            {s: lambda f=form[s]: (f() ** 2).sum().backward() for s in SIDES}, sizes, device
        )
        result[name] = times | {"ratio": ratios(times, "plain", "tgem")}
        print(f"{name}: {result[name]['ratio']['process_s']:.1f} times less CPU time", flush=True)
    return result


def in_turns(steps: dict[str, Any], sizes: Sizes, device: str) -> dict[str, dict[str, Any]]:
    """Medians and extremes of steps that take turns."""
    for _ in range(sizes.warm_up):
        for step in steps.values():
            step()
    found: dict[str, list[Any]] = {name: [] for name in steps}
    for _ in range(sizes.repeats):
        for name, step in steps.items():
            found[name].append(timed(step, device))
    result = {}
    for name, times in found.items():
        walls, process = [t.wall for t in times], [t.process for t in times]
        result[name] = {
            "wall_s": statistics.median(walls),
            "wall_min_s": min(walls),
            "wall_max_s": max(walls),
            "process_s": statistics.median(process),
        }
    return result


def measure(sizes: Sizes, device: str) -> dict[str, Any]:
    """Everything on one device."""
    step = Step(sizes, device)
    with torch.no_grad():
        difference = (step.outputs("plain") - step.outputs("tgem")).abs().max().item()
    times = in_turns({side: lambda s=side: step(s) for side in SIDES}, sizes, device)
    ratio = ratios(times, "plain", "tgem")
    print(f"step on {device}: {times}")
    print(f"{ratio['wall_s']:.1f} times faster (wall), {ratio['process_s']:.1f} in CPU time")
    return {
        "machine": machine(device),
        "sizes": sizes._asdict(),
        "largest_output_difference": difference,
        "step": times | {"ratio": ratio, "loss": step.loss},
        "parts": parts(step, sizes, device),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        result = measure(QUICK if options.quick else Sizes(), device)
        path = options.out / f"epiattention_{device}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(f"written: {path}")


if __name__ == "__main__":
    main()
