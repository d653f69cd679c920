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
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attributions.agreement import completeness, methods
from attributions.figure import draw
from attributions.speed import speed
from attributions.trained import QUICK, Sizes, trained
from shared import machine


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
