"""Time of DeepLIFT."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Table of the time for all isoforms, memory, errors and completeness."""
    result = json.loads((RESULTS / "deeplift.json").read_text(encoding="utf-8"))
    times, differences, sizes = result["times"], result["differences"], result["sizes"]
    names = {
        "captum": "captum, one output after the other",
        "captum_batched": f"captum, {result['batched_outputs']} outputs in one call",
        "captum_in_parts": f"captum, {result['samples_of_a_part']} samples in one call",
        "captum_cut": "captum on a network cut to the one output",
        "tgem": "tgem",
    }
    rows = []
    for side, name in names.items():
        low, high = times[side]["range"]["process_s"]
        ratio = times[side].get("ratio_of_totals")
        rows.append(
            [
                name,
                f"{times[side]['total']['process_s']:,.1f} s ({low:,.1f} to {high:,.1f})",
                f"{times[side]['total']['wall_s']:,.1f} s",
                f"{ratio['process_s']:.0f} x, {ratio['wall_s']:.0f} x" if ratio else "",
            ]
        )
    header = ["", "CPU time", "wall time", "relative to tgem, CPU and wall"]
    peaks = {side: times[side]["memory"]["process_bytes"] / 1e9 for side in ("captum", "tgem")}
    return (
        f"{machine_of(result)} {sizes['n_samples']:,} samples, {sizes['n_factors']:,} factors, "
        f"{sizes['n_isoforms']:,} isoforms. captum's times are **extrapolated**: measured on "
        f"{differences['isoforms']} isoforms in {sizes['turns']} turns, median turn times the "
        "number of isoforms; those of tgem are measured.\n\n"
        f"{table(header, rows)}\n"
        f"- Largest difference from captum on those isoforms, relative to the largest value: "
        f"{differences['mean_of_tgem_from_captum']:.0e} of the mean, "
        f"{differences['sd_of_tgem_from_captum']:.0e} of the standard deviation.\n"
        "- Error of the mean against captum in double precision: "
        f"{differences['error_of_mean']['captum']:.0e} captum in single precision, "
        f"{differences['error_of_mean']['tgem']:.0e} tgem.\n"
        "- Largest residual of completeness relative to the largest change of an output: "
        f"{differences['completeness']:.0e}.\n"
        f"- Peak memory of the process: {peaks['captum']:.1f} GB captum, {peaks['tgem']:.1f} GB "
        "tgem.\n"
    )
