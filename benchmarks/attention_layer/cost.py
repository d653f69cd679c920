"""Time and memory over numbers of genes."""

from __future__ import annotations

import math
import statistics
from functools import partial
from typing import Any

from attention_layer.layer import FORMS, Layer, Sizes, largest_score_spread
from attention_layer.peak import allocator_peak, computed_bytes, process_growth
from attention_layer.turns import in_turns


def one_layer(sizes: Sizes, device: str, limits: dict[str, float]) -> list[dict[str, Any]]:
    """Time and memory of every form at every number of genes."""
    rows: list[dict[str, Any]] = []
    last: dict[str, tuple[int, float]] = {}  # the size that was measured last, and its time
    for n_genes in sizes.n_genes:
        layer, steps, row = Layer(n_genes, sizes, device), {}, {"n_genes": n_genes}
        for form in FORMS:
            size = computed_bytes(form, n_genes, sizes)
            before, seconds = last.get(form, (n_genes, 0.0))
            projected = seconds * (n_genes / before) ** 2
            if size > limits["bytes"]:
                row[form] = {"skipped": f"needs at least {size / 1e9:.0f} GB", "bytes": size}
            elif form != "linear" and projected > limits["seconds"]:
                row[form] = {"skipped": f"would take about {projected:.0f} s", "wall_s": projected}
            else:
                steps[form] = partial(layer, form)
        measured = in_turns(steps, sizes, device)
        for form, timing in measured.items():
            last[form] = n_genes, timing["wall_s"]
            memory = (
                process_growth(form, n_genes, sizes)
                if device == "cpu"
                else allocator_peak(layer, form)
            )
            row[form] = {**timing, "peak_bytes": memory}
        rows.append(row)
        show_row(row)
    return rows


def show_row(row: dict[str, Any]) -> None:
    cells = [f"{row['n_genes']:>7,}"]
    for form in FORMS:
        found = row[form]
        cells.append(
            f"{found['skipped']:>26}"
            if "skipped" in found
            else f"{found['wall_s'] * 1e3:>12,.1f} ms {found['peak_bytes'] / 1e6:>7,.0f} MB"
        )
    print("  ".join(cells), flush=True)


def scaling(sizes: Sizes, device: str) -> dict[str, Any]:
    """Cost of the linear form in genes: the slope of a straight line through the logarithms."""
    result = {}
    for name, target in (("initial weights", None), ("X = 100", 100.0)):
        layers = {}
        for n_genes in sizes.scaling:
            layer = Layer(n_genes, sizes, device)
            if target is not None:
                # X is a product of a query's and a key's weight.
                layer.scaled(math.sqrt(target / largest_score_spread(*layer.tokens()[:2])))
            layers[n_genes] = layer
        steps = {str(n): partial(layer, "linear") for n, layer in layers.items()}
        times = in_turns(steps, sizes, device)
        found = {
            str(n): {**times[str(n)], "X": largest_score_spread(*layer.tokens()[:2])}
            for n, layer in layers.items()
        }
        exponents = {
            clock: slope(sizes.scaling, [row[clock] for row in times.values()])
            for clock in ("wall_s", "process_s")
        }
        result[name] = {"exponent": exponents, "steps": found}
        print(f"exponent at {name}: {exponents['wall_s']:.2f} (wall)", flush=True)
    return result


def slope(x: tuple[int, ...], y: list[float]) -> float:
    """Least-squares slope of log y over log x."""
    logs = [math.log(value) for value in x]
    return statistics.linear_regression(logs, [math.log(max(v, 1e-9)) for v in y]).slope
