"""All sides in turns."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from shared import Timing, ratios, timed

from attributions.agreement import relative

if TYPE_CHECKING:
    from torch import Tensor

    from attributions.trained import Networks, Sizes

CLOCKS = {"process_s": "CPU", "wall_s": "wall"}


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
    return compared(times, differences, errors, n_obs=len(cells))


def compared(
    times: dict[str, dict[str, Any]],
    differences: dict[str, list[float]],
    errors: dict[str, list[float]],
    *,
    n_obs: int,
) -> dict[str, Any]:
    """Add totals, ratios and largest differences to the times, and print them."""
    for name, side in times.items():
        side["total"] = {clock: side[clock] * n_obs for clock in CLOCKS}
        side["relative_error"] = max(errors[name])
    for side, values in differences.items():
        times[side] |= {
            "total_is": (f"time per cell x {n_obs} cells: captum is given one cell at a time"),
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
