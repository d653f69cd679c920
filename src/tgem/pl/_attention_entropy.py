"""How evenly genes attend to other genes, layer by layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem.pl._figure import GREY, MEDIUM, SKY, SMALL, clean, finish, single

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_WIDTH_OF_BOX = 0.28  # inches
_SMALLEST_RANGE = 0.01  # of the axis: what is less is alike


def attention_entropy(
    adata: AnnData,
    *,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes | None:
    """Draw how evenly genes attend to others in the cells, one box for each layer and head.

    A box holds the middle half of the cells, its line is the median, the whiskers end at the 5th
    and 95th percentile. 1 is attention to all genes alike, 0 attention to a single one. The title
    says how much broader the first layer's attention is than the last one's, with its 95 %
    interval. A focused map is no evidence that attention decides:
    :func:`tgem.pl.attention_necessity` shows that.

    Parameters
    ----------
    adata
        Data with the entropy that :func:`tgem.tl.attention` wrote.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there is no entropy in `adata`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata, n_heads=2)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attention(adata, model)
    >>> ax = tgem.pl.attention_entropy(adata, show=False)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['1', '2']
    """
    table: pd.DataFrame = keys.ATTENTION_ENTROPY.read(adata, key_added)
    params = adata.uns.get(keys.ATTENTION_ENTROPY.params_key(key_added), {})
    layers, heads = zip(*(_layer_and_head(name) for name in table.columns), strict=True)
    # a gap between layers
    places = np.arange(len(heads)) + 0.8 * (np.array(layers) - 1)
    drawn = single(ax, max(3.0, 1.0 + _WIDTH_OF_BOX * (places[-1] + 1)), 2.8)
    values = [column[np.isfinite(column)] for column in table.to_numpy(dtype=float).T]
    found = drawn.boxplot(
        values,
        positions=places,
        widths=0.7,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
    )
    for box in found["boxes"]:
        box.set(facecolor=SKY, edgecolor=GREY, linewidth=0.8)
    for name in ("whiskers", "caps", "medians"):
        for line in found[name]:
            line.set(color="black" if name == "medians" else GREY, linewidth=0.9)
    drawn.set_xticks(places, [str(head) for head in heads])
    for layer in dict.fromkeys(layers):
        middle = places[np.array(layers) == layer].mean()
        drawn.annotate(
            f"layer {layer}",
            (middle, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
        )
    drawn.set_xlabel("head", fontsize=MEDIUM)
    drawn.set_ylabel("entropy of attention\n(1: all genes alike)", fontsize=MEDIUM)
    _set_range(drawn)
    clean(drawn)
    drawn.set_title(_title(params), fontsize=MEDIUM, pad=18)
    return drawn if finish(drawn, drawn_here=ax is None, show=show, save=save) else None


def _layer_and_head(name: str) -> tuple[int, int]:
    layer, head = re.findall(r"\d+", name)
    return int(layer), int(head)


def _set_range(ax: Axes) -> None:
    """Neither magnify differences that are none, nor hide those that are."""
    low, high = ax.get_ylim()
    if high - low < _SMALLEST_RANGE:
        middle = (low + high) / 2
        low, high = middle - _SMALLEST_RANGE / 2, middle + _SMALLEST_RANGE / 2
    ax.set_ylim(max(low, 0), min(high, 1.0 + 0.02 * (high - low)))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.ticklabel_format(axis="y", useOffset=False)


def _title(params: dict[str, np.ndarray]) -> str:
    if "entropy_first_minus_last" not in params:
        return ""
    value, low, high = params["entropy_first_minus_last"]
    return f"first minus last layer: {value:.2g} ({low:.2g} to {high:.2g})"
