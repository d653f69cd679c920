"""Time and memory of EpiAttention."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Table of the time of a training step and of its two slow branches."""
    result = json.loads((RESULTS / "epiattention_cpu.json").read_text(encoding="utf-8"))
    sizes = result["sizes"]
    timed = {"whole training step": result["step"], **result["parts"]}
    rows = [
        [
            name,
            *(f"{found[side]['process_s'] * 1e3:,.0f} ms" for side in ("plain", "tgem")),
            *(f"{found['ratio'][clock]:.1f} x" for clock in ("process_s", "wall_s")),
        ]
        for name, found in timed.items()
    ]
    header = ["", "plain, CPU time", "tgem, CPU time", "faster, CPU time", "faster, wall time"]
    return (
        f"{machine_of(result)} {sizes['n_obs']} genes in a batch, {sizes['n_marks']} marks x "
        f"{sizes['n_bins']} bins, {sizes['n_cpgs']} CpGs, {sizes['n_factors']:,} factors; median "
        f"of {sizes['repeats']} turns.\n\n"
        f"{table(header, rows)}\n"
        "- Largest difference of the two networks' outputs before training, with the same "
        f"weights: {result['largest_output_difference']:.0e}.\n"
    )
