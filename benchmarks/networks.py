"""Time of the network of one class against the published dense way, in one run.

One command measures both sides on the same weights and the same cells, and writes a table (JSON)::

    python benchmarks/networks.py [--quick] [--out benchmarks/results] [--published-cells 2]

The network of genes of a class is the mean over its cells of Integrated Gradients of the attention
maps of each layer. Three sides take turns, so that whatever else the machine does meets all:

published
    ``captum.attr.LayerIntegratedGradients`` on each layer's map of the dense network, one cell at a
    time, 50 steps in one batch. A turn is one cell; ``--published-cells`` are measured, and the
    time for all cells is **extrapolated**: the time per cell times their number.
tgem_paper
    ``TGEM.get_attention_network`` with the same network. A turn is all cells, from reading the
    data to the strongest edges.
tgem_default
    The same with the default preset, another network, whose attributions have a closed form.

The data are real blood cells (``pbmc68k_reduced``, its log-normalised ``raw``), the models are
trained briefly. Then larger networks of simulated cells, ours alone, each in a process of its own,
whose peak memory is measured.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gene_networks.models import GROUP, SEED, blood_cells, trained
from gene_networks.published import N_STEPS, Published, largest_difference, published_network
from memory import largest_resident_size
from shared import Timing, machine, ratios, timed


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_genes: int | None = None  # all
    n_obs: int = 100
    max_epochs: int = 2
    #: preset, genes, cells
    larger: tuple[tuple[str, int, int], ...] = (
        ("default", 2000, 500),
        ("paper", 2000, 500),
        ("default", 5000, 500),
    )


QUICK = Sizes(n_genes=50, n_obs=4, max_epochs=1, larger=(("default", 100, 10),))


def speed(sizes: Sizes, published_cells: int) -> dict[str, Any]:
    """All sides in turns."""
    adata = blood_cells(sizes.n_genes, sizes.n_obs)
    models = {
        preset: trained(adata.copy(), preset, sizes.max_epochs, "bulk_labels")
        for preset in ("paper", "default")
    }
    cells = np.arange(sizes.n_obs)
    dense = Published(copy.deepcopy(models["paper"].module)).eval()
    expression = torch.from_numpy(models["paper"].get_expression(indices=cells))

    def their_turn(cell: int, n_steps: int = N_STEPS) -> None:
        target = int(dense(expression[[cell]]).argmax())
        published_network(dense, expression[[cell]], target, n_steps)

    def our_turn(preset: str, chosen: np.ndarray[Any, Any]) -> Any:
        return models[preset].get_attention_network(indices=chosen, groupby="group")

    their_turn(0, 1)  # what loads at the first call is nobody's time
    for preset in models:
        our_turn(preset, cells[:2])
    timings: dict[str, list[Timing]] = {"published": [], "tgem_paper": [], "tgem_default": []}
    for cell in range(min(published_cells, sizes.n_obs)):
        timings["published"].append(timed(partial(their_turn, cell)))
        for preset in models:
            timings[f"tgem_{preset}"].append(timed(partial(our_turn, preset, cells)))
        print({side: turns[-1] for side, turns in timings.items()}, flush=True)
    times: dict[str, dict[str, Any]] = {}
    for side, turns in timings.items():
        times_n = sizes.n_obs if side == "published" else 1
        times[side] = {
            "wall_s": statistics.median(turn.wall for turn in turns) * times_n,
            "process_s": statistics.median(turn.process for turn in turns) * times_n,
            "turns": [turn._asdict() for turn in turns],
            "cells_per_turn": 1 if side == "published" else sizes.n_obs,
            "extrapolated": side == "published",
        }
    for side in ("tgem_paper", "tgem_default"):
        times[side]["ratio_to_published"] = ratios(times, "published", side)
        layers = our_turn(side.removeprefix("tgem_"), cells).layers
        times[side]["largest_residual"] = float(layers["residual"].max())
        times[side]["mean_change"] = float(layers["change"].mean())
        ratio = times[side]["ratio_to_published"]["process_s"]
        print(f"{side}: {ratio:.0f} times faster than published in CPU time", flush=True)
    checked = list(range(min(2, sizes.n_obs)))
    times["tgem_paper"]["largest_difference"] = largest_difference(models["paper"], dense, checked)
    return {
        "n_genes": expression.shape[1],
        "n_obs": sizes.n_obs,
        "published_cells": min(published_cells, sizes.n_obs),
        "times": times,
    }


def one_network(preset: str, n_genes: int, n_obs: int) -> dict[str, Any]:
    """Time and peak memory of a network of simulated cells, in this process."""
    import tgem  # noqa: PLC0415

    small = {} if n_genes >= 200 else {"n_causal": 3, "n_decoys": 4}
    adata = tgem.datasets.synthetic_expression(n_obs=n_obs, n_genes=n_genes, seed=SEED, **small)
    adata.obs["group"] = GROUP
    model = trained(adata, preset, 1, "cell_type")
    before = largest_resident_size(reset=True)
    wall, process = time.perf_counter(), time.process_time()
    found = model.get_attention_network(groupby="group", n_edges=10_000)
    wall, process = time.perf_counter() - wall, time.process_time() - process
    return {
        "preset": preset,
        "n_genes": n_genes,
        "n_obs": n_obs,
        "expressed": float((model.get_expression() != 0).mean()),
        "wall_s": wall,
        "process_s": process,
        "peak_bytes": largest_resident_size(),
        "peak_bytes_before": before,
        "largest_residual": float(found.layers["residual"].max()),
        "mean_change": float(found.layers["change"].mean()),
    }


def larger(sizes: Sizes) -> list[dict[str, Any]]:
    """Each network in a process of its own."""
    rows = []
    for preset, n_genes, n_obs in sizes.larger:
        command = [sys.executable, __file__, "--one", preset, str(n_genes), str(n_obs)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append(json.loads(output.strip().splitlines()[-1]))
        print(
            f"{preset}, {n_genes:,} genes x {n_obs} cells: {rows[-1]['wall_s']:.0f} s, "
            f"{rows[-1]['peak_bytes'] / 1e9:.1f} GB",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--published-cells", type=int, default=2, help="cells explained the published way"
    )
    parser.add_argument(
        "--one", nargs=3, metavar=("PRESET", "GENES", "CELLS"), help="measure one network only"
    )
    options = parser.parse_args()
    if options.one:
        preset, n_genes, n_obs = options.one
        print(json.dumps(one_network(preset, int(n_genes), int(n_obs))))
        return
    if options.published_cells < 1:
        sys.exit(f"Expected --published-cells to be at least 1, found {options.published_cells}.")
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = QUICK if options.quick else Sizes()
    result = {
        "machine": machine("cpu") | {"captum": version("captum")},
        "n_steps_published": N_STEPS,
        **speed(sizes, options.published_cells),
        "larger": larger(sizes),
    }
    path = options.out / "networks.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
