"""What the benchmarks share: the published attention, clocks, and the record of the machine."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def published(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Dense, one head after the other; training keeps the maps of all of them."""
    others = 1 - torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
    heads = []
    for query, key, value in zip(q.unbind(1), k.unbind(1), v.unbind(1), strict=True):
        weights = torch.softmax(query.unsqueeze(-1) * key.unsqueeze(-2), -1)
        heads.append((weights * others @ value.unsqueeze(-1)).squeeze(-1))
    return torch.stack(heads, 1)


class DenseAttention(torch.nn.Module):
    """The published attention, on the weights of one of our layers."""

    def __init__(self, ours: torch.nn.Module) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, expression: Tensor) -> Tensor:
        attended = published(*self.ours.heads(expression))
        return torch.einsum("h,...hg->...g", self.ours.head_weight, attended)


class Timing(NamedTuple):
    wall: float
    process: float


def timed(step: Callable[[], Any], device: str = "cpu") -> Timing:
    """Wall and process CPU time of one step, in seconds."""
    if device != "cpu":
        torch.cuda.synchronize()
    wall, process = time.perf_counter(), time.process_time()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return Timing(time.perf_counter() - wall, time.process_time() - process)


def ratios(times: dict[str, dict[str, Any]], slow: str, fast: str) -> dict[str, float]:
    return {
        clock: times[slow][clock] / max(times[fast][clock], 1e-9)
        for clock in ("wall_s", "process_s")
    }


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine(device: str) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {
        "device": device,
        "device_name": name,
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "tgem": version("tgem"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
