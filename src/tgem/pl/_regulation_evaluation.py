"""A score of regulation beside its baselines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.validate import check_choice
from tgem.pl._figure import BLUE, GREY, LIGHT_GREY, MEDIUM, SMALL, clean, finish, panels, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from mudata import MuData

_SCORE = "score"
_LEVELS = {
    "all": "all pairs",
    "within_gene": "within a gene",
    "within_factor": "within a factor",
    "matched": "same factor, genes alike",
}
_METRICS = {"auc": "AUC", "average_precision": "average precision"}
_COLUMNS = 4
_WIDTH = 2.3  # inches, of a panel; the first has the names beside it
_SMALLEST_WIDTH = 0.2  # of an axis


def regulation_evaluation(
    mdata: MuData,
    *,
    levels: Sequence[str] | str | None = None,
    metric: Literal["auc", "average_precision"] = "auc",
    key_added: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> list[Axes] | None:
    """Draw how well a score of regulation and its baselines agree with evidence.

    One panel for each level of comparison, one dot for each measure, with its 95 % bootstrap
    interval over genes where there is one. The dashed line is chance: an area of 0.5, or the
    share of pairs with evidence. The p-value is that of the score against evidence dealt anew such
    that each gene and each factor keep their number; with one factor, the factor. The score is
    worth something where its dot lies right of those of its baselines, within a gene above all;
    the reading of :func:`tgem.tl.evaluate_regulation` stands below.

    Parameters
    ----------
    mdata
        Data with the table that :func:`tgem.tl.evaluate_regulation` wrote.
    levels
        Levels of the table to draw, in this order; by default ``all``, ``within_gene``,
        ``within_factor`` and ``matched``, as far as they hold comparisons.
    metric
        ``"auc"`` or ``"average_precision"``.
    key_added
        Prefix of the slot, ``"deepsf"`` by default.
    ax
        Axes to draw into, for one level only; a new figure by default.
    show
        Whether to show the figure. By default only where figures have windows.
    save
        File to save the figure to.

    Returns
    -------
    The axes, one for each level, or ``None`` if `show` is true.

    Raises
    ------
    KeyError
        If there is no evaluation in `mdata`.
    ValueError
        For an unknown level or metric, or `ax` with several levels.

    Examples
    --------
    A score that is noise, of genes that are bound at random:

    >>> import numpy as np, pandas as pd, tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=8, n_isoforms=100)
    >>> generator = np.random.default_rng(0)
    >>> genes = mdata["gene"].var_names
    >>> noise = pd.DataFrame(generator.normal(size=(len(genes), 8)), genes, genes[:8])
    >>> bound = (noise > 1).astype(int)
    >>> tgem.tl.evaluate_regulation(mdata, bound, scores=noise, n_permutations=100)
    >>> axes = tgem.pl.regulation_evaluation(mdata, show=False)
    >>> axes[1].get_title().splitlines()[0]
    'within a gene'
    """
    check_choice("metric", metric, tuple(_METRICS))
    table: pd.DataFrame = keys.REGULATION_EVALUATION.read(mdata, key_added)
    table = table.assign(measure=table["measure"].astype(str), level=table["level"].astype(str))
    chosen = _chosen_levels(table, levels)
    n_measures = table["measure"].nunique()
    height = 0.24 * n_measures + 1.1
    limits = _limits(table[table["level"].isin(chosen)], metric)
    columns = min(len(chosen), _COLUMNS)
    axes = panels(len(chosen), columns, _WIDTH, height, ax=ax, choose_with="`levels`")
    for panel, level in zip(axes, chosen, strict=True):
        rows = table[table["level"] == level].set_index("measure")
        _dots(panel, rows, metric)
        panel.set_title(_title(level, rows.loc[_SCORE]), fontsize=MEDIUM)
        panel.set_xlabel(_METRICS[metric], fontsize=MEDIUM)
        panel.set_xlim(*limits)
    for i, panel in enumerate(axes):
        if i % _COLUMNS:
            panel.tick_params(labelleft=False)
    params = mdata.uns.get(keys.REGULATION_EVALUATION.params_key(key_added), {})
    if ax is None and "reading" in params:
        inches = axes[0].figure.figure.get_size_inches()[0]
        text = f"The score: {params['reading']}."
        axes[0].figure.figure.supxlabel(wrapped(text, int(inches / 0.07)), fontsize=MEDIUM)
    return axes if finish(axes[0], drawn_here=ax is None, show=show, save=save) else None


def _chosen_levels(table: pd.DataFrame, levels: Sequence[str] | str | None) -> list[str]:
    compared = table[(table["measure"] == _SCORE) & (table["n_comparisons"] > 0)]
    known = list(compared["level"])
    if levels is None:
        return [level for level in _LEVELS if level in known]
    chosen = [levels] if isinstance(levels, str) else list(levels)
    unknown = [level for level in chosen if level not in known]
    if unknown or not chosen:
        msg = (
            f"Expected `levels` with comparisons in the table, got {listed(unknown)}. Known: "
            f"{listed(known, 12)}."
        )
        raise ValueError(msg)
    return chosen


def _dots(ax: Axes, rows: pd.DataFrame, metric: str) -> None:
    """One dot and interval for each measure, the score at the top."""
    columns = [metric, f"{metric}_lower", f"{metric}_upper"]
    values = rows[columns].to_numpy(dtype=float)
    chance = 0.5 if metric == "auc" else float(rows["base_rate"].iloc[0])
    ax.axvline(chance, color=GREY, linestyle="--", linewidth=0.8, zorder=1)
    for place, (name, (value, lower, upper)) in enumerate(zip(rows.index, values, strict=True)):
        colour = BLUE if name == _SCORE else GREY
        ax.plot([lower, upper], [place, place], color=colour, linewidth=1.6, zorder=2)
        ax.plot([value], [place], "o", color=colour, markersize=5, zorder=3)
    ax.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows.index])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
    ax.set_axisbelow(True)
    clean(ax)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _limits(rows: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Limits of all panels with a margin, wide enough that small differences look small."""
    shown = rows[[metric, f"{metric}_lower", f"{metric}_upper"]].to_numpy(dtype=float).ravel()
    shown = np.append(shown, 0.5 if metric == "auc" else rows["base_rate"].to_numpy(dtype=float))
    low, high = np.nanmin(shown), np.nanmax(shown)
    reach = max(0.56 * (high - low), _SMALLEST_WIDTH / 2)
    return float((low + high) / 2 - reach), float((low + high) / 2 + reach)


def _title(level: str, score: pd.Series[float]) -> str:
    """Name of the level, and p-values of the score."""
    name = _LEVELS.get(level, level.replace("_", " "))
    margins = float(score["p_value_margins"])
    shown = float(score["p_value"]) if math.isnan(margins) else margins
    return f"{name}\nscore: p = {shown:.2g}"
