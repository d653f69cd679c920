"""Time of binning tracks."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Time and memory of binning tracks around all genes."""
    result = json.loads((RESULTS / "bin_signal.json").read_text(encoding="utf-8"))
    sizes = result["sizes"]
    rows = [
        [
            str(n_jobs),
            *(f"{result[f'n_jobs_{n_jobs}'][clock]:.1f} s" for clock in ("wall_s", "wall_max_s")),
        ]
        for n_jobs in (1, 2)
    ]
    return (
        f"{machine_of(result)} {sizes['n_genes']:,} genes, {sizes['n_tracks']} bigWig files of "
        f"{sizes['n_intervals']:,} intervals each, {result['n_bins']} bins; "
        f"{sizes['repeats']} turns.\n\n"
        f"{table(['processes', 'median', 'longest'], rows)}\n"
        f"- CPU time with one process: {result['n_jobs_1']['process_s']:.1f} s.\n"
        "- Peak memory beyond that at the start: "
        f"{result['peak_megabytes_beyond_start']:.0f} MB.\n"
        f"- Largest difference from {sizes['n_checked']} windows written out base by base: "
        f"{result['largest_difference']:.0e}.\n"
    )
