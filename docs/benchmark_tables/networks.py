"""Time of networks of genes."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Table of the time of one class's network, and of larger ones with their memory."""
    path = RESULTS / "networks.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/networks.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    names = {
        "published": "published, dense (extrapolated)",
        "tgem_paper": "tgem, paper preset",
        "tgem_default": "tgem, default preset",
    }
    rows = []
    for side, name in names.items():
        found = result["times"][side]
        ratio = found.get("ratio_to_published")
        faster = f"{ratio['process_s']:,.0f} x" if ratio else ""
        rows.append([name, f"{found['process_s']:,.1f} s", f"{found['wall_s']:,.1f} s", faster])
    larger = [
        [
            f"{row['preset']}, {row['n_genes']:,} genes x {row['n_obs']:,} cells",
            f"{row['process_s']:,.0f} s",
            f"{row['wall_s']:,.0f} s",
            f"{row['peak_bytes'] / 1e9:.1f} GB",
        ]
        for row in result["larger"]
    ]
    ours = result["times"]["tgem_paper"]
    return (
        f"{machine_of(result)} {result['n_genes']:,} genes x {result['n_obs']} cells. The "
        f"published way is **extrapolated** from {result['published_cells']} cells, explained "
        "one at a time.\n\n"
        f"{table(['', 'CPU time', 'wall time', 'faster, CPU time'], rows)}\n"
        "Largest difference between the two sides' edge weights in single cells, where the "
        f"strongest is 1: {ours['largest_difference']:.0e}. Larger networks of simulated cells:\n\n"
        f"{table(['', 'CPU time', 'wall time', 'peak memory of the process'], larger)}\n"
    )
