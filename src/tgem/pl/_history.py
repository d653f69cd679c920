"""Training curves."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.errors import listed
from tgem.pl._figure import (
    BLUE,
    GREEN,
    MEDIUM,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    clean,
    finish,
    literal,
    panels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_LOSSES = {"train_loss": ("train", BLUE), "validation_loss": ("validation", ORANGE)}
_VALIDATION = "validation_"
# The first is the colour of the validation loss, for the same cells.
_METRIC_COLOURS = (ORANGE, GREEN, PURPLE, SKY, VERMILION)


def history(
    adata: AnnData,
    *,
    metrics: Sequence[str] | None = None,
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw how the loss and the validation metrics went from epoch to epoch.

    A validation loss that rises while the training loss falls means that the model has begun
    to learn the training cells by heart.

    Parameters
    ----------
    adata
        Data with the curves that :func:`tgem.tl.history` wrote.
    metrics
        Columns to draw beside the losses; by default every validation metric, such as
        ``"validation_accuracy"``. ``[]`` draws the losses only.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    ax
        Axes to draw into, for one panel only, such as that of the losses by ``metrics=[]``; a new
        figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for the losses and one for the metrics if there are any, or ``None`` if `show`
    is true.

    Raises
    ------
    KeyError
        If there are no curves in `adata`.
    ValueError
        For an unknown metric, `ax` with two panels, or if there is nothing to draw.

    Examples
    --------
    Curves by hand, where a model's would come from :func:`tgem.tl.history`:

    >>> import pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> adata.uns["tgem_history"] = pd.DataFrame(
    ...     {
    ...         "train_loss": [1.3, 0.8, 0.5],
    ...         "validation_loss": [1.2, 0.9, 0.7],
    ...         "validation_accuracy": [0.6, 0.8, 0.9],
    ...     }
    ... )
    >>> axes = tgem.pl.history(adata, show=False)
    >>> [ax.get_ylabel() for ax in axes]
    ['loss', 'validation accuracy']
    """
    table = _curves(keys.HISTORY.read(adata, key_added))
    losses = [name for name in _LOSSES if name in table]
    chosen = _chosen_metrics(table, metrics)
    if not losses and not chosen:
        msg = (
            f"Expected training curves with a train_loss or validation metrics, found the columns "
            f"{listed(table.columns, 12)}. Name columns to draw with `metrics`."
        )
        raise ValueError(msg)
    n_panels = bool(losses) + bool(chosen)
    axes = panels(n_panels, n_panels, 3.8, 2.8, ax=ax, choose_with="`metrics=[]`")
    if losses:
        _draw(axes[0], table[losses], [_LOSSES[name] for name in losses])
        axes[0].set_ylabel("loss", fontsize=MEDIUM)
    if chosen:
        styles = list(zip(map(_readable, chosen), cycle(_METRIC_COLOURS), strict=False))
        _draw(axes[-1], table[chosen], styles)
        _widen(axes[-1], table[chosen])
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _curves(table: pd.DataFrame) -> pd.DataFrame:
    """Numeric columns that hold any value."""
    return table.select_dtypes("number").dropna(axis="columns", how="all")


def _chosen_metrics(table: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    if metrics is None:
        return [
            name for name in table.columns if name.startswith(_VALIDATION) and name not in _LOSSES
        ]
    chosen = [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [name for name in chosen if name not in table]
    if unknown:
        msg = (
            f"Expected `metrics` to name training curves, got {listed(unknown)}. "
            f"Known: {listed(table.columns, 20)}."
        )
        raise ValueError(msg)
    return chosen


def _readable(name: str) -> str:
    return literal(name.replace("_", " "))


def _draw(ax: Axes, table: pd.DataFrame, styles: list[tuple[str, str]]) -> None:
    for name, (label, colour) in zip(table.columns, styles, strict=True):
        values = table[name].dropna()  # a metric may be measured every few epochs only
        # A dot each where lines alone would show little or nothing.
        marker = "o" if len(values) <= 12 else None
        ax.plot(
            values.index,
            values,
            color=colour,
            label=label,
            marker=marker,
            markersize=3,
            linewidth=1.5,
        )
    clean(ax)
    ax.set_xlabel("epoch", fontsize=MEDIUM)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    if len(styles) == 1:
        ax.set_ylabel(styles[0][0], fontsize=MEDIUM)
    else:
        ax.legend(frameon=False, fontsize=SMALL)


def _widen(ax: Axes, table: pd.DataFrame) -> None:
    """Keep rates between 0 and 1 from looking dramatic when they hardly move."""
    low, high = ax.get_ylim()
    if table.min().min() >= 0 and 0.1 < table.max().max() <= 1 and high - low < 0.1:
        middle = (low + high) / 2
        ax.set_ylim(middle - 0.05, middle + 0.05)
