"""Time and memory of an attention layer."""

from __future__ import annotations

import json

from benchmark_tables._text import RESULTS, machine_of, table, time_of


def write() -> str:
    """Tables of time, exponents, sharp attention, the whole network and errors."""
    result = json.loads((RESULTS / "attention_cpu.json").read_text(encoding="utf-8"))
    rows = []
    for row in result["layer"]:
        dense, ours = row["published"], row["linear"]
        both = "skipped" not in dense
        times = f"{dense['wall_s'] / ours['wall_s']:.0f} x" if both else ""
        memory = f"{ours['peak_bytes'] / 1e6:,.0f} MB"
        if both:
            memory = f"{dense['peak_bytes'] / 1e6:,.0f} MB against {memory}"
        rows.append(
            [
                f"{row['n_genes']:,}",
                time_of(dense),
                time_of(row["exact"]),
                time_of(ours),
                times,
                memory,
            ]
        )
    header = [
        "Genes",
        "published",
        "exact",
        "linear",
        "faster",
        "peak memory, published and linear",
    ]
    exponents = ", ".join(
        f"{found['exponent']['wall_s']:.2f} at {name}" for name, found in result["scaling"].items()
    )
    sharp, network = result["sharp"], result["network"]
    worst = {
        form: max(max(row[form].values()) for row in result["errors"])
        for form in ("published", "linear")
    }
    return (
        f"{machine_of(result)}\n\n{table(header, rows)}\n"
        f"- Exponent of the linear form's time in the number of genes: {exponents}.\n"
        f"- Sharp attention (mean row entropy half of the largest, {sharp['n_genes']:,} genes): "
        f"{sharp['ratio']['wall_s']:.0f} times faster.\n"
        f"- Three layers of the paper preset, {network['n_genes']:,} genes: "
        f"{network['ratio']['wall_s']:.0f} times faster.\n"
        "- Largest error of output and gradients against double precision, initial weights and "
        f"weights 10 and 100 times as large: {worst['published']:.0e} published in single "
        f"precision, {worst['linear']:.0e} linear.\n"
    )
