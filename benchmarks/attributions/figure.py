"""Seconds per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attributions.speed import CLOCKS

if TYPE_CHECKING:
    from pathlib import Path

TITLES = {
    "captum": "captum, published\ndense network",
    "captum_stepwise": "the same,\none step at a time",
    "tgem": "tgem",
}


def draw(result: dict[str, Any], path: Path) -> None:
    """Seconds per cell on all sides, on a logarithmic axis."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    speeds, sides = result["integrated_gradients"], list(TITLES)
    for (clock, label), marker, offset in zip(CLOCKS.items(), "os", (-0.15, 0.15), strict=True):
        seconds = [speeds[side][clock] for side in sides]
        heights = [row + offset for row in range(len(sides))]
        axes.plot(seconds, heights, marker, ms=6, label=f"{label} time")
        for value, height in zip(seconds, heights, strict=True):
            axes.annotate(
                f"{value:.2g} s",
                (value, height),
                (8, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    axes.set(xscale="log", xlabel="seconds per cell")
    axes.set_yticks(range(len(sides)), list(TITLES.values()))
    axes.margins(x=0.25, y=0.5)
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x", which="major", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    figure.suptitle(
        f"Integrated Gradients, {result['n_genes']:,} genes, {result['n_steps']} steps\n"
        f"{result['machine']['device_name']}, threads: {result['machine']['threads']}",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
