"""Figure of the benchmark of isoforms: each held-out line, fewer training lines, other cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

OURS, OTHER = "#c0392b", "#34495e"
TITLES = {
    "usage": "DeepSF, default",
    "psi": "DeepSF, PSI",
    "additive": "DeepSF, published decoder",
    "sigmoid": "DeepRBP, published decoder",
    "mean usage": "mean usage and gene",
    "mean usage of the other samples": "own mean usage and gene",
    "mean of logarithms": "mean of logarithms",
}
COHORT_TITLES = {
    "lymphoblasts": "Lymphoblastoid lines,\ntrained on macrophages",
    "cells": "Single cells left out",
    "tumours": "Patients left out (PSI)",
}
CURVE_COLORS = {
    "usage": OURS,
    "ridge, usage": "#2980b9",
    "ridge, log2 TPM": "#8e44ad",
    "mean of logarithms": "#7f8c8d",
}
LARGEST_RATIO = 1.6
LABELS = {
    "ratio": "Error relative to mean usage",
    "usage_r2": "R² of deviations from mean usage",
}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the panels whose parts have been measured."""
    lines = result.get("decoders", {}) | result.get("baselines", {})
    cohorts = result.get("cohorts", {})
    n_panels = 2 * bool(lines) + bool(result.get("learning_curve")) + len(cohorts)
    if not n_panels:
        return
    n_columns = min(n_panels, 3)
    n_rows = -(-n_panels // n_columns)
    size = (4.4 * n_columns, 3.2 * n_rows)
    figure, grid = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")
    panels = np.atleast_1d(grid).ravel().tolist()
    if lines:
        _folds(panels.pop(0), lines, "ratio", "Macrophage lines left out")
        _folds(panels.pop(0), lines, "usage_r2", "Macrophage lines left out")
    if result.get("learning_curve"):
        _curve(panels.pop(0), result["learning_curve"])
    for name, found in cohorts.items():
        _folds(panels.pop(0), found["methods"], "ratio", COHORT_TITLES[name])
    for axes in panels:
        axes.set_axis_off()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _values(found: dict[str, Any], metric: str) -> list[float]:
    if metric == "ratio":
        return [row["mse"] / row["mse_mean_usage"] for row in found["folds"]]
    return [row[metric] for row in found["folds"]]


def _folds(axes: Axes, methods: dict[str, Any], metric: str, title: str) -> None:
    """A point for each fold and a line for the mean; points beyond the limits are said in words."""
    best_first = sorted(methods, key=lambda name: np.mean(_values(methods[name], metric)))
    names = best_first[::-1] if metric == "ratio" else best_first
    low, high = (0.3, LARGEST_RATIO) if metric == "ratio" else (-0.6, 0.3)
    shown = [value for name in names for value in _values(methods[name], metric)]
    low, high = max(low, min(shown) - 0.03), min(high, max(shown) + 0.03)
    for at, name in enumerate(names):
        values = np.array(_values(methods[name], metric))
        color = OURS if name in ("usage", "psi") else OTHER
        inside = values[(values >= low) & (values <= high)]
        axes.plot(inside, np.full(len(inside), at), "o", ms=4, alpha=0.6, color=color, mew=0)
        mean = values.mean()
        if low <= mean <= high:
            axes.plot([mean, mean], [at - 0.32, at + 0.32], color=color, lw=1.6)
        if beyond := values[(values < low) | (values > high)].tolist():
            text = ", ".join(f"{value:.1f}" for value in beyond)
            side = {"x": 0.99, "ha": "right"} if metric == "ratio" else {"x": 0.01, "ha": "left"}
            place = {"transform": axes.get_yaxis_transform(), "fontsize": 6, "color": color}
            axes.text(y=at + 0.3, s=text, va="center", **side, **place)
    axes.axvline(1 if metric == "ratio" else 0, color="0.6", lw=0.8, ls="--")
    axes.set_xlim(low, high)
    axes.set_yticks(range(len(names)), [TITLES.get(name, name) for name in names])
    axes.set_xlabel(LABELS[metric])
    axes.set_title(title, fontsize="medium")
    axes.tick_params(labelsize="small")


def _curve(axes: Axes, found: dict[str, Any]) -> None:
    """Error against the number of training lines, with the spread over held-out lines."""
    n_lines = [int(name) for name in found]
    for shift, name in enumerate(CURVE_COLORS):
        mean = np.array([each[name]["mse"] for each in found.values()])
        spread = np.array([each[name]["mse_sd"] for each in found.values()])
        spread = spread / np.sqrt(len(found[str(n_lines[0])][name]["folds"]))
        axes.errorbar(
            np.array(n_lines) + 0.06 * (shift - 1.5),
            mean,
            yerr=spread,
            color=CURVE_COLORS[name],
            marker="o",
            ms=3,
            lw=1.2,
            elinewidth=0.7,
            label=TITLES.get(name, name),
        )
    base = [each["usage"]["folds"] for each in found.values()]
    axes.plot(
        n_lines,
        [np.mean([row["mse_mean_usage"] for row in rows]) for rows in base],
        color="0.6",
        ls="--",
        lw=1,
        label=TITLES["mean usage"],
    )
    axes.set_xticks(n_lines)
    axes.set_xlabel("Training lines (four samples each)")
    axes.set_ylabel("Mean squared error of log2(1 + TPM)")
    axes.set_title("Fewer training lines", fontsize="medium")
    axes.legend(fontsize="x-small", frameon=False)
