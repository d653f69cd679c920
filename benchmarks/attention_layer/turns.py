"""Steps that take turns."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from shared import Timing, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from attention_layer.layer import Sizes


def in_turns(
    steps: dict[str, Callable[[], Any]], sizes: Sizes, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Median times of steps that take turns, after a first turn that does not count.

    A step that takes longer than the allowance is not repeated, and its first turn counts.
    """
    first = {name: timed(step, device) for name, step in steps.items()}
    times: dict[str, list[Timing]] = {name: [] for name in steps}
    rounds = {
        name: min(sizes.rounds, int(sizes.seconds / max(timing.wall, 1e-9)))
        for name, timing in first.items()
    }
    for turn in range(max(rounds.values())):
        for name, step in steps.items():
            if turn < rounds[name]:
                times[name].append(timed(step, device))
    result = {}
    for name, timings in times.items():
        kept = timings or [first[name]]
        result[name] = {
            "wall_s": statistics.median(timing.wall for timing in kept),
            "process_s": statistics.median(timing.process for timing in kept),
            "repeats": len(kept),
            "warmed_up": bool(timings),
        }
    return result
