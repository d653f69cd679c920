"""Time, memory and error of scalar attention against the published dense formulation.

One command measures everything in one run and writes a table (JSON) and a figure::

    python benchmarks/attention.py [--quick] [--out benchmarks/results]

A *step* is the forward and backward pass of one layer: queries, keys and values from a batch of
sparse, log-normalised expression and per-gene weights, attention, sum over heads, and the
gradients of all weights. Four forms take turns, so that whatever else the machine does meets all
of them:

published
    Softmax of all pairs, zero diagonal, matrix product: dense, in plain torch, head by head.
sdpa
    torch's ``scaled_dot_product_attention`` with the scalars padded to vectors. It cannot zero
    the diagonal, so it computes something *simpler* than the others.
exact, linear
    ``tgem.nn.scalar_attention`` with that method.

A form whose tensors would not fit, or whose step would take too long by its own quadratic
scaling, is reported with its computed size or time instead.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from attention_layer.cost import one_layer, scaling
from attention_layer.figure import draw
from attention_layer.layer import FORMS, QUICK, Sizes
from attention_layer.networks import network, sharp_attention
from attention_layer.peak import measure_memory, memory_is
from attention_layer.precision import errors
from shared import machine


def measure(sizes: Sizes, device: str, limits: dict[str, float]) -> dict[str, Any]:
    """Everything on one device."""
    print("\n" + "  ".join([f"{device:>7}", *(f"{form:>26}" for form in FORMS)]), flush=True)
    result = {
        "machine": machine(device) | {"memory_is": memory_is(device)},
        "n_obs": sizes.n_obs,
        "n_heads": sizes.n_heads,
        "limits": limits,
        "layer": one_layer(sizes, device, limits),
        "scaling": scaling(sizes, device),
        "sharp": sharp_attention(sizes, device),
        "network": network(sizes, device),
    }
    if device == "cpu":
        result["errors"] = errors(sizes)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--gigabytes", type=float, default=8.0, help="a form needing more is left out"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="a longer step is left out")
    parser.add_argument("--measure-memory", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_memory:
        form, *numbers = options.measure_memory
        n_genes, n_obs, n_heads = map(int, numbers)
        print(measure_memory(form, n_genes, Sizes(n_obs=n_obs, n_heads=n_heads)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    limits = {"bytes": options.gigabytes * 1e9, "seconds": options.seconds}
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        result = measure(QUICK if options.quick else Sizes(), device, limits)
        path = options.out / f"attention_{device}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        draw(result, path.with_suffix(".png"))
        print(f"written: {path} and {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
