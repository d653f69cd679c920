"""How much a model needs each cell's own attention maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.tables import rows_by_class
from tgem._core.validate import check_choice
from tgem.pl._figure import (
    BLUE,
    GREY,
    LIGHT_GREY,
    MEDIUM,
    clean,
    finish,
    n_cells_text,
    panels,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_LABELS = {
    "own": "own maps",
    "mean": "mean map",
    "other": "another cell's",
    "shuffled": "genes shuffled",
    "uniform": "uniform",
}
_METRICS = {"accuracy": "accuracy", "log_likelihood": "log-likelihood per cell (nats)"}
_TITLE_WIDTH = 30  # characters
_SMALLEST_WIDTH = 0.1  # of an axis, in accuracy or nats

Metric = Literal["accuracy", "log_likelihood"]


def attention_necessity(
    adata: AnnData,
    *,
    metric: Metric | None = None,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw accuracy and log-likelihood with each cell's own attention maps and with others.

    Each dot is the same model on the same cells, with its 95 % bootstrap interval over cells. The
    dashed line goes down from the cells' own maps. The title gives what counts, *own minus mean*:
    the cell-specific share. The intervals of two dots may overlap where that of their difference
    excludes 0, because the differences are paired.

    Parameters
    ----------
    adata
        Data with the ladder that :func:`tgem.tl.attention_necessity` wrote.
    metric
        ``"accuracy"`` or ``"log_likelihood"``. By default one panel for each.
    classes
        Classes to draw, a row of panels each in this order. By default all cells together, which
        are also named ``"all"`` unless a class is.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into, for one panel only; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each panel, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there is no ladder in `adata`.
    ValueError
        For an unknown class or metric, or `ax` with several panels.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attention_necessity(adata, model, n_bootstrap=200)
    >>> accuracy, likelihood = tgem.pl.attention_necessity(adata, show=False)
    >>> accuracy.get_xlabel()
    'accuracy'
    """
    table: pd.DataFrame = keys.ATTENTION_NECESSITY.read(adata, key_added)
    table = table.assign(**{name: table[name].astype(str) for name in ("class", "maps", "metric")})
    if metric is not None:
        check_choice("metric", metric, tuple(_METRICS))
    metrics = list(_METRICS) if metric is None else [str(metric)]
    chosen = rows_by_class(table, classes)
    shown = [(label, rows, name) for label, rows in chosen for name in metrics]
    choose_with = "`metric` and `classes`"
    axes = panels(len(shown), len(metrics), 3.6, 2.5, ax=ax, choose_with=choose_with)
    for panel, (label, of_class, name) in zip(axes, shown, strict=True):
        rows = of_class[of_class["metric"] == name].set_index("maps")
        _ladder(panel, rows.loc[[maps for maps in _LABELS if maps in rows.index]])
        panel.set_xlabel(_METRICS[name], fontsize=MEDIUM)
        panel.set_title(_title(label, rows), fontsize=MEDIUM)
    for i, panel in enumerate(axes):
        if i % len(metrics):
            panel.tick_params(labelleft=False)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _ladder(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw one dot and interval for each kind of map, the cells' own at the top."""
    places = np.arange(len(rows))
    colours = [BLUE if maps == "own" else GREY for maps in rows.index]
    if "own" in rows.index:
        ax.axvline(rows.loc["own", "value"], color=BLUE, linestyle="--", linewidth=0.8, zorder=1)
    for place, colour, (value, lower, upper) in zip(
        places, colours, rows[["value", "lower", "upper"]].to_numpy(dtype=float), strict=True
    ):
        ax.plot([lower, upper], [place, place], color=colour, linewidth=1.6, zorder=2)
        ax.plot([value], [place], "o", color=colour, markersize=5, zorder=3)
    ax.set_yticks(places, [_LABELS[maps] for maps in rows.index])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
    ax.set_axisbelow(True)
    clean(ax)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.set_xlim(*_limits(rows[["value", "lower", "upper"]].to_numpy(dtype=float)))


def _limits(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Limits with a margin, wide enough that differences without meaning look like none."""
    low, high = np.nanmin(values), np.nanmax(values)
    reach = max(0.54 * (high - low), _SMALLEST_WIDTH / 2)
    return float((low + high) / 2 - reach), float((low + high) / 2 + reach)


def _title(label: str | None, rows: pd.DataFrame) -> str:
    name = "all" if label is None else wrapped(label, _TITLE_WIDTH)
    first = f"{name} ({n_cells_text(int(rows['n_cells'].max()))})"
    if "mean" not in rows.index:
        return first
    share, lower, upper = rows.loc["mean", ["own_minus", "own_minus_lower", "own_minus_upper"]]
    if not np.isfinite([lower, upper]).all():
        return f"{first}\nown minus mean {_signed(share)}"
    return f"{first}\nown minus mean {_signed(share)} [{_signed(lower)}, {_signed(upper)}]"


def _signed(value: float) -> str:
    """Three decimals and the sign, which nothing has not."""
    rounded = round(float(value), 3)
    return f"{rounded:+.3f}".replace("-", "\N{MINUS SIGN}") if rounded else "0.000"
