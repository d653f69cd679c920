"""Times of all sides in turns, and how far their scores differ."""

from __future__ import annotations

import copy
import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from shared import Timing, ratios, timed
from torch import Tensor

from deeplift_comparison.network import SEED, Case, Sizes
from deeplift_comparison.sides import Captum, tgem

if TYPE_CHECKING:
    from collections.abc import Callable

SIDES = ("captum", "captum_batched", "captum_in_parts", "captum_cut", "tgem")


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


def keep(results: list[Any], step: Callable[[], Any]) -> None:
    results.append(step())


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


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()
