"""How often hubs and edges come back when the model is trained again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from tgem._core import keys
from tgem._core.networks import network_key, network_prefix
from tgem._core.validate import check_choice, check_count, chosen_classes
from tgem.pl._figure import (
    BLUE,
    GREY,
    LIGHT_GREY,
    MEDIUM,
    SMALL,
    clean,
    finish,
    literal,
    panels,
    wrapped,
)
from tgem.pl._mark_legend import Mark, name_marks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_MOST_COLUMNS = 6
_LETTER = 0.075  # inches, of names
_ROW = 0.165  # inches


def stability(
    adata: AnnData,
    *,
    of: Literal["hubs", "edges"] = "hubs",
    n_top: int = 15,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw in how many trainings the most frequent hubs or edges of each class come back.

    An edge is named by its source and target; hollow marks are edges that come back but are not in
    the network itself. Each class has its own panel.

    Parameters
    ----------
    adata
        AnnData with what :func:`tgem.tl.stability` wrote.
    of
        ``"hubs"`` or ``"edges"``.
    n_top
        Number of rows in each panel.
    classes
        Classes to draw, in this order; all by default.
    key_added
        Prefix of the slots, by default that of the network that is there.
    ax
        Axes to draw into, for one class only; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each class, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If the slots are not there.
    ValueError
        For an unknown class or `of`, `n_top` below 1, or `ax` with several classes.

    Examples
    --------
    Frequencies by hand, where :func:`tgem.tl.stability` would write them:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_stability_hubs"] = pd.DataFrame(
    ...     {"class": "B cell", "gene": ["CD74", "MS4A1"], "frequency": [0.4, 0.9],
    ...      "mean_rank": [3.0, 1.0]}
    ... )
    >>> (ax,) = tgem.pl.stability(adata, show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['MS4A1', 'CD74']
    """
    check_choice("of", of, ("hubs", "edges"))
    check_count("n_top", n_top)
    prefix = network_prefix(adata, key_added)
    slot = keys.STABILITY_HUBS if of == "hubs" else keys.STABILITY
    found = slot.read(adata, prefix)
    table = _named(found, of)
    known = _in_order(found, adata.uns.get(network_key(prefix)))
    chosen = chosen_classes(classes, known) if known or classes else ["all"]
    top = {label: table[table["class"] == label].head(n_top) for label in chosen}
    n_rows = max((len(rows) for rows in top.values()), default=1) or 1
    letters = max((len(name) for rows in top.values() for name in rows["name"]), default=1)
    width = 2.0 + _LETTER * letters
    titles = {label: wrapped(label, int(width / _LETTER) - 2) for label in chosen}
    n_lines = max(title.count("\n") + 1 for title in titles.values())
    most = _MOST_COLUMNS if of == "hubs" else _MOST_COLUMNS // 2
    n_columns = min(len(chosen), max(2, min(most, math.ceil(math.sqrt(len(chosen))))))
    height = _ROW * (n_rows + 1) + 0.3 + 0.16 * n_lines + 0.5 / -(-len(chosen) // n_columns)
    axes = panels(len(chosen), n_columns, width, height, ax=ax)
    for panel, label in zip(axes, chosen, strict=True):
        _points(panel, top[label])
        panel.set_ylim(n_rows - 0.4, -0.6)
        is_only = set(known) <= {"all"}  # a network without classes
        panel.set_title("" if is_only else titles[label], fontsize=MEDIUM)
    n_runs = adata.uns.get(slot.params_key(prefix), {}).get("n_runs")
    title = "share of trainings" if n_runs is None else f"share of {int(n_runs)} trainings"
    if ax is not None:
        ax.set_xlabel(title, fontsize=MEDIUM)
    else:
        axes[0].figure.supxlabel(title, fontsize=MEDIUM)
    if of == "edges":
        _add_key(axes, list(top.values()), alone=ax is not None)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _in_order(table: pd.DataFrame, network: pd.DataFrame | None) -> list[str]:
    """Classes of the table, in the order in which the network's plot has them."""
    tables = [table] if network is None or "class" not in network else [network, table]
    names = dict.fromkeys(str(label) for each in tables for label in each["class"].unique())
    known = set(table["class"].astype(str))
    return [label for label in names if label in known]


def _named(table: pd.DataFrame, of: str) -> pd.DataFrame:
    """Rows with one name each, most frequent first, then by rank or weight."""
    if of == "hubs":
        named = table.assign(name=table["gene"].astype(str), size=-table["mean_rank"], filled=True)
    else:
        names = table["source"].astype(str) + " → " + table["target"].astype(str)
        if len(table["layer"].unique()) > 1:
            names += " (layer " + table["layer"].astype(str) + ")"
        named = table.assign(
            name=names, size=table["weight"].abs(), filled=table["in_network"].astype(bool)
        )
    named = named.assign(**{"class": named["class"].astype(str)})
    return named.sort_values(["frequency", "size"], ascending=False, kind="stable")


def _points(ax: Axes, rows: pd.DataFrame) -> None:
    """One line per row from 0 to its frequency; the grey line is half of the trainings."""
    clean(ax)
    if rows.empty:
        ax.set_axis_off()
        return
    places = np.arange(len(rows))
    sizes = rows["frequency"].to_numpy(dtype=float)
    faces = [BLUE if filled else "none" for filled in rows["filled"]]
    ax.axvline(0.5, color=LIGHT_GREY, linewidth=1, zorder=0)
    ax.hlines(places, 0, sizes, colors=GREY, linewidths=1, alpha=0.5, zorder=1)
    ax.scatter(sizes, places, s=26, color=ax.get_facecolor(), linewidths=0, zorder=2)
    ax.scatter(sizes, places, s=26, facecolors=faces, edgecolors=BLUE, linewidths=1.2, zorder=3)
    ax.set_yticks(places, list(map(literal, rows["name"])), fontsize=SMALL)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1.05)
    ax.set_xticks([0, 0.5, 1])


def _add_key(axes: list[Axes], shown: list[pd.DataFrame], *, alone: bool) -> None:
    """Name the marks that occur."""
    occur = {bool(filled) for rows in shown for filled in rows["filled"]}
    styles = {
        True: Mark("in the network", BLUE, BLUE),
        False: Mark("not in the network", "none", BLUE),
    }
    name_marks(axes, [mark for filled, mark in styles.items() if filled in occur], alone=alone)
