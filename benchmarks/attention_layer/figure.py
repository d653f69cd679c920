"""Time and memory over genes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def draw(result: dict[str, Any], path: Path) -> None:
    """Time and memory over genes, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    titles = {
        "published": "published, dense",
        "sdpa": "torch SDPA, diagonal included",
        "exact": "tgem, exact",
        "linear": "tgem, linear",
    }
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for form, title in titles.items():
        rows = [row for row in result["layer"] if "skipped" not in row[form]]
        genes = [row["n_genes"] for row in rows]
        for axes, key, unit in zip(panels, ("wall_s", "peak_bytes"), (1, 1e-6), strict=True):
            axes.plot(
                genes, [row[form][key] * unit or math.nan for row in rows], "o-", ms=4, label=title
            )
    panels[0].set(ylabel="seconds per training step")
    panels[1].set(ylabel="peak memory of a step (MB)")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="genes")
        axes.grid(visible=True, which="major", alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small"
    )
    figure.suptitle(
        f"One layer, {result['n_obs']} cells, {result['n_heads']} heads; "
        f"{result['machine']['device_name']}, {result['machine']['threads']} threads",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
