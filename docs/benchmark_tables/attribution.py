"""Time of Integrated Gradients."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table


def write() -> str:
    """Table of seconds per cell, and the residual of completeness."""
    result = json.loads((RESULTS / "attribution.json").read_text(encoding="utf-8"))
    names = {"captum": "captum", "captum_stepwise": "captum, one step at a time", "tgem": "tgem"}
    sides = result["integrated_gradients"]
    ours = sides["tgem"]["process_s"]
    rows = [
        [name, f"{sides[side]['process_s']:.3g} s", f"{sides[side]['process_s'] / ours:.0f} x"]
        for side, name in names.items()
    ]
    residuals = ", ".join(
        f"{row['median']:.0e} (largest {row['largest']:.0e}) with {row['n_steps']} steps"
        for row in result["completeness"]
    )
    return (
        f"{machine_of(result)} {result['n_genes']:,} genes, {result['n_steps']} steps.\n\n"
        f"{table(['', 'CPU time per cell', 'relative to tgem'], rows)}\n"
        "Residual of completeness relative to the change of the output, on the paper preset, "
        f"median over cells: {residuals}.\n"
    )
