"""Time and equality of attributions against captum on the published dense network.

One command measures both sides in one run, on the same weights and the same cells, and writes a
table (JSON) and a figure::

    python benchmarks/attribution.py [--quick] [--out benchmarks/results] [--captum-cells 3]

The network is the paper preset, trained briefly on real blood cells (``pbmc68k_reduced``, its
log-normalised ``raw``). What is timed are Integrated Gradients of the predicted class, baseline
zero. Three sides take turns, so that whatever else the machine does meets all of them:

captum
    ``captum.attr.IntegratedGradients`` with its defaults on the published network: dense, in
    plain torch, head by head. As published, one cell at a time, all its steps in one batch. A
    turn is one cell; ``--captum-cells`` are measured, and the time for all is the time per cell
    times their number.
captum_stepwise
    The same with ``internal_batch_size=1``: one step at a time. That is not how it was published,
    but the batch of all steps needs gigabytes, and asking the system for them costs time.
tgem
    ``tgem.attr.integrated_gradients`` with its defaults on our network. A turn is all cells.

All are also compared with captum in double precision, untimed.

Then every method of ``tgem.attr.METHODS`` on our network is compared with captum's on the
published one, with fewer genes, in single and in double precision.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from shared import DenseAttention, Timing, machine, ratios, timed
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 0
TITLES = {
    "captum": "captum, published\ndense network",
    "captum_stepwise": "the same,\none step at a time",
    "tgem": "tgem",
}
CLOCKS = {"process_s": "CPU", "wall_s": "wall"}


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_genes: int | None = None  # all
    n_obs: int = 100
    n_steps: int = 50
    max_epochs: int = 2
    converged: tuple[int, ...] = (50, 200)  # steps whose completeness is compared
    methods_genes: int = 100
    methods_obs: int = 4
    n_samples: int = 5  # noisy copies
    noise: float = 0.1


QUICK = Sizes(
    n_genes=100, n_obs=10, max_epochs=1, converged=(50, 100), methods_genes=40, methods_obs=2
)


class Networks(NamedTuple):
    """One trained network in both forms, and cells to explain."""

    ours: nn.Module
    dense: nn.Module
    cells: Tensor
    targets: Tensor

    def to(self, dtype: torch.dtype) -> Networks:
        ours, dense = (copy.deepcopy(each).to(dtype) for each in (self.ours, self.dense))
        return Networks(ours, dense, self.cells.to(dtype), self.targets)


def trained(n_genes: int | None, n_obs: int, max_epochs: int) -> Networks:
    """Paper preset after a short training, and cells in random order."""
    import scanpy as sc  # noqa: PLC0415

    import tgem  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is older than what reads it
        adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    adata = adata[:, :n_genes].copy()
    tgem.model.TGEM.setup_anndata(adata, labels_key="bulk_labels")
    model = tgem.model.TGEM(adata, preset="paper")
    model.train(
        max_epochs=max_epochs,
        seed=SEED,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    ours = model.module.eval().requires_grad_(requires_grad=False)
    dense = copy.deepcopy(ours)
    dense.attentions = nn.ModuleList(map(DenseAttention, dense.attentions))
    order = torch.randperm(adata.n_obs, generator=torch.Generator().manual_seed(SEED))
    cells = torch.as_tensor(adata.X[order[:n_obs].numpy()].toarray(), dtype=torch.float32)
    return Networks(ours, dense, cells, ours(cells).argmax(1))


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def summary(timings: list[Timing], n_obs: int) -> dict[str, Any]:
    """Median times of turns of `n_obs` cells each, per cell."""
    return {
        "wall_s": statistics.median(timing.wall for timing in timings) / n_obs,
        "process_s": statistics.median(timing.process for timing in timings) / n_obs,
        "turns": [timing._asdict() for timing in timings],
        "cells_per_turn": n_obs,
    }


def speed(networks: Networks, sizes: Sizes, captum_cells: int) -> dict[str, Any]:
    """All sides in turns: times per cell, and how far their attributions differ."""
    from captum.attr import IntegratedGradients  # noqa: PLC0415

    from tgem.attr import integrated_gradients  # noqa: PLC0415

    ours, dense, cells, targets = networks
    captum = IntegratedGradients(dense)
    precise = networks.to(torch.float64)
    in_double = IntegratedGradients(precise.dense)
    found: dict[str, Tensor] = {}

    def their_turn(side: str, batch: int | None, cell: int, n_steps: int) -> None:
        rows = slice(cell, cell + 1)
        found[side] = captum.attribute(
            cells[rows], target=targets[rows], n_steps=n_steps, internal_batch_size=batch
        )

    def our_turn(_: int, n_steps: int) -> None:
        found["tgem"] = integrated_gradients(ours, cells, targets=targets, n_steps=n_steps).values

    turns = {
        "captum": partial(their_turn, "captum", None),
        "captum_stepwise": partial(their_turn, "captum_stepwise", 1),
        "tgem": our_turn,
    }
    per_turn = {side: len(cells) if side == "tgem" else 1 for side in turns}
    for turn in turns.values():
        turn(0, 1)  # what loads at the first call is nobody's time
    timings: dict[str, list[Timing]] = {side: [] for side in turns}
    differences: dict[str, list[float]] = {side: [] for side in turns if side != "tgem"}
    errors: dict[str, list[float]] = {side: [] for side in turns}
    for cell in range(captum_cells):
        rows = slice(cell, cell + 1)
        reference = in_double.attribute(
            precise.cells[rows], target=targets[rows], n_steps=sizes.n_steps, internal_batch_size=1
        )[0]
        for side, turn in turns.items():
            timings[side].append(timed(partial(turn, cell, sizes.n_steps)))
        for side, values in differences.items():
            values.append(relative(found["tgem"][cell], found[side][0]))
        for side, values in errors.items():
            values.append(relative(found[side][cell if side == "tgem" else 0], reference))
        seconds = ", ".join(
            f"{side} {timings[side][-1].process / per_turn[side]:.3g}" for side in turns
        )
        print(f"turn {cell + 1}, CPU seconds per cell: {seconds}", flush=True)
    times = {side: summary(timings[side], per_turn[side]) for side in turns}
    for name, side in times.items():
        side["total"] = {clock: side[clock] * len(cells) for clock in CLOCKS}
        side["relative_error"] = max(errors[name])
    for side, values in differences.items():
        times[side] |= {
            "total_is": (f"time per cell x {len(cells)} cells: captum is given one cell at a time"),
            "ratio_to_tgem": ratios(times, side, "tgem"),
            "relative_difference_of_tgem": max(values),
        }
        ratio = times[side]["ratio_to_tgem"]
        print(
            f"tgem is {ratio['process_s']:.0f} times faster than {side} in CPU time, "
            f"{ratio['wall_s']:.0f} times by the wall clock; largest relative difference "
            f"{max(values):.0e} (errors {max(errors['tgem']):.0e} and {max(errors[side]):.0e})",
            flush=True,
        )
    return times


def completeness(networks: Networks, sizes: Sizes) -> list[dict[str, Any]]:
    """How far our contributions are from adding up to the change of the output."""
    from tgem.attr import integrated_gradients  # noqa: PLC0415

    ours, _, cells, targets = networks
    change = ours(cells) - ours(torch.zeros_like(cells[:1]))
    change = change.gather(1, targets[:, None])[:, 0].abs()
    rows = []
    for n_steps in sizes.converged:
        residual = integrated_gradients(ours, cells, targets=targets, n_steps=n_steps).residual
        share = residual.abs() / change
        row = {
            "n_steps": n_steps,
            "median": share.median().item(),
            "largest": share.max().item(),
            "largest_residual": residual.abs().max().item(),
            "smallest_change": change.min().item(),
        }
        rows.append(row)
        print(
            f"completeness residual with {n_steps} steps, relative to the change of the output: "
            f"median {row['median']:.0e}, largest {row['largest']:.0e}",
            flush=True,
        )
    return rows


def in_captum(name: str, network: nn.Module, sizes: Sizes) -> Callable[[Tensor, int], Tensor]:
    """captum's form of one of our methods, for one cell."""
    from captum import attr  # noqa: PLC0415

    classes = {
        "integrated_gradients": attr.IntegratedGradients,
        "guided_backpropagation": attr.GuidedBackprop,
        "input_x_gradient": attr.InputXGradient,
        "ablation": attr.FeatureAblation,
    }
    summaries = {"": None, "_smoothgrad_squared": "smoothgrad_sq", "_vargrad": "vargrad"}
    base, kind = next(
        (base, kind)
        for base in classes
        for suffix, kind in summaries.items()
        if name == base + suffix
    )
    method = classes[base](network)
    options: dict[str, Any] = {}
    if base == "integrated_gradients":
        options["n_steps"] = sizes.n_steps
    if kind is not None:
        method = attr.NoiseTunnel(method)
        options |= {"nt_type": kind, "nt_samples": sizes.n_samples, "stdevs": sizes.noise}

    def call(cell: Tensor, target: int) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum says that it needs gradients and hooks
            return method.attribute(cell, target=target, **options).detach()

    return call


def methods(networks: Networks, sizes: Sizes) -> list[dict[str, Any]]:
    """Largest difference from captum for each method, relative to captum's largest value.

    Noise is drawn from the same seed on both sides: ours starts anew at every cell, and so does
    torch's own generator here, which captum draws from, in single precision.
    """
    from tgem.attr import METHODS  # noqa: PLC0415

    rows = []
    for name, method in METHODS.items():
        options = {"n_samples": sizes.n_samples, "noise": sizes.noise} if method.takes_seed else {}
        row: dict[str, Any] = {"method": name}
        for dtype in (torch.float32, torch.float64):
            ours, dense, cells, targets = networks.to(dtype)
            found = method(
                ours, cells, targets=targets, n_steps=sizes.n_steps, seed=SEED, **options
            ).values
            captum = in_captum(name, dense, sizes)
            differences = []
            for i, (values, cell, target) in enumerate(
                zip(found, cells, targets.tolist(), strict=True)
            ):
                torch.manual_seed(SEED + i)
                differences.append(relative(values, captum(cell[None], target)[0]))
            row[str(dtype).removeprefix("torch.")] = max(differences)
        rows.append(row)
        print(f"{name:>45}  {row['float32']:.0e}  {row['float64']:.0e}", flush=True)
    return rows


def draw(result: dict[str, Any], path: Path) -> None:
    """Seconds per cell on all sides, on a logarithmic axis."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    speeds, sides = result["integrated_gradients"], list(TITLES)
    for (clock, label), marker, offset in zip(CLOCKS.items(), "os", (-0.15, 0.15), strict=True):
        seconds = [speeds[side][clock] for side in sides]
        heights = [row + offset for row in range(len(sides))]
        axes.plot(seconds, heights, marker, ms=6, label=f"{label} time")
        for value, height in zip(seconds, heights, strict=True):
            axes.annotate(
                f"{value:.2g} s",
                (value, height),
                (8, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    axes.set(xscale="log", xlabel="seconds per cell")
    axes.set_yticks(range(len(sides)), list(TITLES.values()))
    axes.margins(x=0.25, y=0.5)
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x", which="major", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    figure.suptitle(
        f"Integrated Gradients, {result['n_genes']:,} genes, {result['n_steps']} steps\n"
        f"{result['machine']['device_name']}, threads: {result['machine']['threads']}",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def measure(sizes: Sizes, captum_cells: int) -> dict[str, Any]:
    """Everything."""
    networks = trained(sizes.n_genes, sizes.n_obs, sizes.max_epochs)
    few = trained(sizes.methods_genes, sizes.methods_obs, sizes.max_epochs)
    captum_cells = min(captum_cells, len(networks.cells))
    return {
        "machine": machine("cpu") | {"captum": version("captum")},
        "n_genes": networks.cells.shape[1],
        "n_obs": len(networks.cells),
        "n_steps": sizes.n_steps,
        "captum_cells": captum_cells,
        "max_epochs": sizes.max_epochs,
        "integrated_gradients": speed(networks, sizes, captum_cells),
        "completeness": completeness(networks, sizes),
        "methods": {
            "n_genes": few.cells.shape[1],
            "n_obs": len(few.cells),
            "n_samples": sizes.n_samples,
            "noise": sizes.noise,
            "relative_difference": methods(few, sizes),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--captum-cells", type=int, default=3, help="cells that captum explains, at least 1"
    )
    options = parser.parse_args()
    if options.captum_cells < 1:
        sys.exit(f"Expected --captum-cells to be at least 1, found {options.captum_cells}.")
    options.out.mkdir(parents=True, exist_ok=True)
    result = measure(QUICK if options.quick else Sizes(), options.captum_cells)
    path = options.out / "attribution.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    draw(result, path.with_suffix(".png"))
    print(f"written: {path} and {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
