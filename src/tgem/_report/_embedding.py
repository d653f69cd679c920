"""The cells in two dimensions, where scanpy laid them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.lines import Line2D

from tgem._core import keys
from tgem._report._figures import figure
from tgem._report._html import Section, missing
from tgem.pl._figure import literal

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_UMAP = "X_umap"  # scanpy's
# Apart from both grounds, black and white.
_CONFIDENCE = LinearSegmentedColormap.from_list(
    "confidence", ["#A8A8A8", "#7FC0E8", "#2A8FD0", "#00659E"]
)
_MISSING = "#D0D0D0"
_LONGEST_NAME = 42
_PALETTES = ("tab20", "tab20b", "tab20c")


def embedding(adata: AnnData, prefix: str, labels_key: str | None) -> Section:
    """UMAP by label, prediction and confidence, as far as they are there."""
    if _UMAP not in adata.obsm:
        return missing("umap", "UMAP", "`scanpy.tl.umap(adata)`")
    wanted = {
        "given label": labels_key,
        "prediction": keys.PREDICTION.key(prefix),
        "confidence": keys.CONFIDENCE.key(prefix),
    }
    shown = {name: key for name, key in wanted.items() if key is not None and key in adata.obs}
    if not shown:
        return missing("umap", "UMAP", "`tgem.tl.predict(adata, model)`")
    label = f"UMAP of {adata.n_obs} cells by {', '.join(shown)}"
    return Section("umap", "UMAP", figure(_draw, adata, shown, label=label))


def _draw(adata: AnnData, shown: dict[str, str]) -> Axes:
    """Panels side by side, and below them one key of all labels."""
    colours = _colours(adata, [key for name, key in shown.items() if name != "confidence"])
    longest = min(max(map(len, colours), default=0), _LONGEST_NAME)
    n_columns = max(int(3.6 * len(shown) / (0.075 * longest + 0.45)), 1)
    n_lines = -(-len(colours) // n_columns)
    drawn, axes = plt.subplots(
        1, len(shown), figsize=(3.6 * len(shown) + 0.4, 3.6 + 0.19 * n_lines), layout="constrained",
        squeeze=False, facecolor="none",
    )  # fmt: skip
    places = np.asarray(adata.obsm[_UMAP], dtype=float)[:, :2]
    order = np.random.default_rng(0).permutation(len(places))  # no class hides the others
    size = float(np.clip(9000 / len(places), 1.0, 14.0))
    style: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": True}
    for panel, (name, key) in zip(axes[0], shown.items(), strict=True):
        if name == "confidence":
            values = adata.obs[key].to_numpy(dtype=float)[order]
            dots = panel.scatter(
                *places[order].T, c=values, cmap=_CONFIDENCE, vmin=0, vmax=1, **style
            )
            place = panel.inset_axes((0.25, -0.04, 0.5, 0.025))
            bar = drawn.colorbar(dots, cax=place, orientation="horizontal")
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=8, length=0)
        else:
            column = adata.obs[key]
            labels = column.astype(str).where(column.notna(), None)
            panel.scatter(
                *places[order].T,
                c=[colours.get(label, _MISSING) for label in labels.iloc[order]],
                **style,
            )
        panel.set_title(name, fontsize=9)
        panel.set_aspect("equal", adjustable="datalim")
        panel.set_axis_off()
    if colours:
        handles = [_dot(name, colour) for name, colour in colours.items()]
        drawn.legend(
            handles=handles, loc="outside lower left", ncols=n_columns, frameon=False, fontsize=8,
            handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip
    return axes[0][0]


def _dot(name: str, colour: str) -> Line2D:
    text = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return Line2D([], [], marker="o", linestyle="", markersize=5, color=colour, label=literal(text))


def _colours(adata: AnnData, columns: list[str]) -> dict[str, str]:
    """One colour for each label in all panels: the first column's own, where scanpy gave them."""
    known: dict[str, str] = {}
    for key in columns:
        own = adata.uns.get(f"{key}_colors")
        column = adata.obs[key]
        if own is not None and isinstance(column.dtype, pd.CategoricalDtype):
            categories = column.cat.categories.astype(str)
            if len(own) >= len(categories):
                known = dict(zip(categories, map(str, own), strict=False)) | known
    labels = dict.fromkeys(label for key in columns for label in _labels(adata.obs[key]))
    spare = _palette(len(labels))
    return {label: known.get(label, colour) for label, colour in zip(labels, spare, strict=True)}


def _labels(column: pd.Series[Any]) -> list[str]:
    """Labels that occur, in the order of the categories."""
    occur = set(column.dropna().astype(str))
    ordered = isinstance(column.dtype, pd.CategoricalDtype)
    return (
        [each for each in map(str, column.cat.categories) if each in occur]
        if ordered
        else sorted(occur)
    )


def _palette(n_labels: int) -> list[str]:
    if n_labels <= 10:
        listed = [to_hex(colormaps["tab10"](at)) for at in range(10)]
    else:
        listed = [to_hex(colormaps[name](at)) for name in _PALETTES for at in range(20)]
    return [listed[at % len(listed)] for at in range(n_labels)]
