"""Peak memory of a step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from memory import largest_resident_size

from attention_layer.layer import Layer, Sizes

SCRIPT = Path(__file__).parents[1] / "attention.py"
FLOAT_BYTES = 4


def computed_bytes(form: str, n_genes: int, sizes: Sizes) -> int:
    """What a step keeps at least: if dense, all weights, with the diagonal and without."""
    rows = sizes.n_obs * sizes.n_heads
    return FLOAT_BYTES * rows * (2 * n_genes**2 if form == "published" else 10 * n_genes)


def process_growth(form: str, n_genes: int, sizes: Sizes) -> int:
    """Growth of the largest resident size over one step, in a fresh process."""
    command = [sys.executable, str(SCRIPT), "--measure-memory", form, str(n_genes)]
    command += [str(sizes.n_obs), str(sizes.n_heads)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_memory(form: str, n_genes: int, sizes: Sizes) -> int:
    """Print-out of :func:`process_growth`: bytes by which this process grew."""
    Layer(64, sizes)(form)  # what torch loads at the first step is not the step's
    layer = Layer(n_genes, sizes)
    before = largest_resident_size(reset=True)
    layer(form)
    return largest_resident_size() - before


def allocator_peak(layer: Layer, form: str) -> int:
    """Bytes that torch's CUDA allocator held at most during a step, above what was there."""
    layer(form)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    layer(form)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def memory_is(device: str) -> str:
    if device == "cpu":
        return "growth of the largest resident size in a fresh process"
    return "peak of torch's CUDA allocator above what was allocated before the step"
