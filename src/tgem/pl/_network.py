"""The strongest edges of a network, on paper or as a page to click through."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.lines import Line2D

from tgem._core.errors import listed
from tgem._core.networks import caption_of, network_params, network_prefix, read_network
from tgem._core.validate import check_count, chosen_classes
from tgem.pl._figure import BLUE, MEDIUM, SMALL, VERMILION, finish, panels, wrapped
from tgem.pl._layout import place_names
from tgem.pl._network_page import write_page
from tgem.pl._network_panel import draw_panel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

_MOST_COLUMNS = 6
_STATIC_EDGES = 60
_LETTER = 0.075  # inches


def network(
    adata: AnnData | MuData,
    *,
    n_edges: int | None = None,
    classes: Sequence[str] | str | None = None,
    layers: Sequence[Any] | None = None,
    n_labels: int = 8,
    interactive: str | Path | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw the strongest edges of a network.

    Arrows go from source to target; the width is the absolute weight, blue is positive and
    vermilion negative. A gene's size is its number of drawn edges, and the largest are named.
    Distances mean nothing beyond links. An edge that several layers share is drawn once, with
    its strongest weight; an edge of a gene to itself is only in the page. Where the share of the
    decision that the cells' own attention carries is recorded with the network, it is printed
    below: a network is worth reading only as far as attention decides. So is, for regulation, how
    many edges are of genes that the model predicts on held-out samples; the others are paler.

    Parameters
    ----------
    adata
        AnnData or MuData with a network in ``.uns``.
    n_edges
        Number of strongest edges of each class: 60 by default, in the page all.
    classes
        Classes to draw, in this order; all by default.
    layers
        Layers to draw; all by default.
    n_labels
        Largest number of genes to name in each class; a name that has no room is left out, and
        the middle of one of more than 20 letters.
    interactive
        Path of an HTML page to write instead of drawing: one file without anything from the
        network, to zoom and pan, find a gene, choose class and layer, and read single edges.
    key_added
        Prefix of the slot; by default that of the network that is there.
    ax
        Axes to draw into, for one class only; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each class, or ``None`` if `show` is true or a page was written.

    Raises
    ------
    KeyError
        If there is no network in `adata`.
    ValueError
        For an unknown class or layer, a number below 1, or `ax` with several classes.
    FileNotFoundError
        If the folder of `interactive` or `save` does not exist.

    Examples
    --------
    A network by hand, where a model's would come from a tool:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_network"] = pd.DataFrame(
    ...     {
    ...         "class": "B cell",
    ...         "layer": 1,
    ...         "source": ["MS4A1", "MS4A1", "CD74"],
    ...         "target": ["CD79A", "CD74", "CD79A"],
    ...         "weight": [0.9, -0.7, 0.2],
    ...     }
    ... )
    >>> (ax,) = tgem.pl.network(adata, n_edges=2, show=False)
    >>> sorted(text.get_text() for text in ax.texts)
    ['CD74', 'CD79A', 'MS4A1']
    """
    check_count("n_labels", n_labels)
    if n_edges is not None:
        check_count("n_edges", n_edges)
    prefix = network_prefix(adata, key_added)
    edges = _chosen_layers(_plain(read_network(adata, prefix)), layers)
    chosen = chosen_classes(classes, list(edges["class"].unique())) if len(edges) else ["all"]
    caption = caption_of(network_params(adata, prefix))
    order = edges["weight"].abs().sort_values(ascending=False, kind="stable").index
    edges = edges.loc[order]
    if interactive is not None:
        kept = edges[edges["class"].isin(chosen)]
        if n_edges is not None:
            kept = kept.groupby("class", sort=False).head(n_edges)
        write_page(kept, interactive, classes=chosen, caption=caption)
        return None
    strongest = {
        label: edges[edges["class"] == label]
        .drop_duplicates(["source", "target"])
        .head(n_edges or _STATIC_EDGES)
        for label in chosen
    }
    side = 4.6 if len(chosen) <= 4 else 3.6
    n_columns = min(len(chosen), max(2, min(_MOST_COLUMNS, math.ceil(math.sqrt(len(chosen))))))
    axes = panels(len(chosen), n_columns, side, side, ax=ax)
    drawn = []
    for panel, label in zip(axes, chosen, strict=True):
        is_only = set(edges["class"]) <= {"all"}  # a network without classes
        title = "" if is_only else wrapped(label, int(side / _LETTER) - 4)
        panel.set_title(title, fontsize=MEDIUM)
        drawn.append(draw_panel(panel, strongest[label], n_labels))
    _add_key(axes, pd.concat(list(strongest.values())), caption, alone=ax is not None)
    axes[0].figure.figure.draw_without_rendering()
    for panel, (texts, points, radii) in zip(axes, drawn, strict=True):
        place_names(panel, texts, points, radii=radii)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Names as text, whatever the file made of them."""
    label = table["class"].astype(str) if "class" in table else "all"
    names = {name: table[name].astype(str).astype(object) for name in ("source", "target")}
    return table.assign(**{"class": label}, **names).reset_index(drop=True)


def _chosen_layers(edges: pd.DataFrame, layers: Sequence[Any] | None) -> pd.DataFrame:
    if layers is None:
        return edges
    known = list(edges["layer"].unique()) if "layer" in edges else []
    wanted = list(layers) if isinstance(layers, list | tuple) else [layers]
    unknown = [layer for layer in wanted if layer not in known]
    if unknown or not wanted:
        msg = (
            f"Expected `layers` to name layers of the network, got {listed(unknown)}. "
            f"Known: {listed(known, 20)}."
        )
        raise ValueError(msg)
    return edges[edges["layer"].isin(wanted)]


def _add_key(axes: list[Axes], drawn: pd.DataFrame, caption: str, *, alone: bool) -> None:
    """Name the colours that occur, and print the caption."""
    occurs = {
        "positive": (BLUE, (drawn["weight"] > 0).any()),
        "negative": (VERMILION, (drawn["weight"] <= 0).any()),
    }
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=name)
        for name, (colour, there) in occurs.items()
        if there
    ]
    style: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "handlelength": 1.2}
    if alone:
        axes[0].legend(handles=handles, loc="upper right", **style)
        axes[0].annotate(
            caption, (0.5, 0), xycoords="axes fraction", ha="center", va="top", fontsize=SMALL
        )
        return
    figure = axes[0].figure.figure
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=2, **style)
    if caption:
        inches = figure.get_size_inches()[0]
        figure.supxlabel(wrapped(caption, int(inches / 0.07)), fontsize=SMALL)
