"""Isoforms of samples that were never seen."""

from __future__ import annotations

import json
from typing import Any

from benchmark_tables._text import RESULTS, machine_of, table

SPLICING_TITLES = {
    "usage": "DeepSF, default",
    "psi": "DeepSF, PSI",
    "additive": "DeepSF, published decoder",
    "sigmoid": "DeepRBP, published decoder",
    "mean usage": "mean usage x gene expression",
    "mean usage of the other samples": "their own mean usage x gene expression",
    "mean of logarithms": "mean of logarithms",
}

SPLICING_COHORTS = {
    "lymphoblasts": "Lymphoblastoid lines after training on all macrophages",
    "cells": "Single cells left out",
    "tumours": "Patients with breast tumours left out, PSI",
}


def write() -> str:
    """Tables of methods and contexts on held-out lines, of other cohorts, and of all isoforms."""
    result = json.loads((RESULTS / "splicing.json").read_text(encoding="utf-8"))
    methods = result["decoders"] | result.get("baselines", {})
    first = next(iter(methods.values()))["folds"]
    header = ["", *(row["line"] for row in first), "mean (sd)", "relative to mean usage"]
    rows = [_splicing_row(SPLICING_TITLES.get(name, name), row) for name, row in methods.items()]
    contexts = []
    for name, found in result["contexts"].items():
        explained = [row.get("explained_variance_of_line") for row in found["folds"]]
        shares = "" if None in explained else f"{min(explained):.2f} to {max(explained):.2f}"
        contexts.append([*_splicing_row(name, found), shares])
    every = result["all_isoforms"]
    parts = [
        "```{image} ../benchmarks/results/splicing.png\n"
        ":alt: Errors of each method on each held-out line, and in other cohorts\n"
        "```",
        f"{machine_of(result)} Mean squared error of log2(1 + TPM) in the held-out line, "
        f"{result['n_isoforms']:,} isoforms of cancer genes.",
        table(header, rows),
        _splicing_methods(methods, result["differences"], result["decoders"]["usage"]),
        *(_splicing_curve(found) for found in [result.get("learning_curve")] if found),
        *(_splicing_cohort(name, found) for name, found in result.get("cohorts", {}).items()),
        "**Contexts**: the default decoder with contexts pretrained on other cohorts, and the "
        "variance of the held-out line that the context's autoencoder explains:",
        table(["context", *header[1:], "explained"], contexts),
        f"**All {every['n_isoforms']:,} isoforms**: error {every['ratio']:.3f} of that of the mean "
        f"usage, mean of {len(every['folds'])} held-out lines; {every['train_s']:.0f} s of "
        f"training for one, {every['peak_bytes'] / 1e9:.1f} GB at the peak.",
    ]
    return "\n\n".join(parts) + "\n"


def _splicing_row(name: str, found: dict[str, Any]) -> list[str]:
    errors = [f"{row['mse']:.4f}" for row in found["folds"]]
    spread = f"{found['mse']:.4f} ({found['mse_sd']:.4f})"
    return [name, *errors, spread, f"{found['ratio']:.3f} ({found['ratio_sd']:.3f})"]


def _splicing_methods(
    methods: dict[str, Any], differences: dict[str, Any], ours: dict[str, Any]
) -> str:
    """R² of deviations of usage, and the default decoder less each method, fold by fold."""
    rows = [
        [SPLICING_TITLES["usage"], f"{ours['usage_r2']:.3f} ({ours['usage_r2_sd']:.3f})", *[""] * 4]
    ]
    for name, row in differences.items():
        explained = methods[name]
        cells = [SPLICING_TITLES.get(name, name)]
        cells.append(f"{explained['usage_r2']:.3f} ({explained['usage_r2_sd']:.3f})")
        for metric, digits in (("usage_r2", 3), ("mse", 4)):
            cells.append(f"{row[metric]:+.{digits}f} ({row[f'{metric}_sd']:.{digits}f})")
            cells.append(f"{row[f'{metric}_better']} of {row['n_folds']}")
        rows.append(cells)
    header = ["", "R² of usage, mean (sd)", "DeepSF less this, R²", "folds better"]
    return table([*header, "DeepSF less this, error", "folds better"], rows)


def _splicing_curve(found: dict[str, Any]) -> str:
    names = list(next(iter(found.values())))
    rows = []
    for n_lines, methods in found.items():
        cells = [f"{methods[name]['mse']:.4f}; {methods[name]['usage_r2']:+.3f}" for name in names]
        base = [row["mse_mean_usage"] for row in methods["usage"]["folds"]]
        rows.append([n_lines, *cells, f"{sum(base) / len(base):.4f}"])
    titles = [SPLICING_TITLES.get(name, name) for name in names]
    return (
        "**Fewer training lines**: error; R² of usage, each the mean of the held-out lines, on "
        "every fourth gene.\n\n" + table(["training lines", *titles, "mean usage, error"], rows)
    )


def _splicing_cohort(name: str, found: dict[str, Any]) -> str:
    rows = []
    for method, row in found["methods"].items():
        change = found["differences"].get(method)
        rows.append(
            [
                SPLICING_TITLES.get(method, method),
                f"{row['mse']:.4f} ({row['mse_sd']:.4f})",
                f"{row['ratio']:.3f}",
                f"{row['usage_r2']:.3f} ({row['usage_r2_sd']:.3f})",
                f"{change['mse']:+.4f} ({change['mse_sd']:.4f})" if change else "",
                f"{change['mse_better']} of {change['n_folds']}" if change else "",
            ]
        )
    header = ["", "error, mean (sd)", "relative to mean usage", "R² of usage, mean (sd)"]
    header += ["DeepSF less this, error", "better in"]
    return (
        f"**{SPLICING_COHORTS[name]}**: {found['n_obs']:,} samples, {found['n_isoforms']:,} "
        f"{'events' if name == 'tumours' else 'isoforms'}, {found['n_factors']} factors.\n\n"
        f"{table(header, rows)}"
    )
