"""Which marks distinguish a group of genes in one cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mudata import MuData
from scipy import sparse
from scipy.stats import false_discovery_control, mannwhitneyu

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

OTHER_CELL_TYPES, OTHER_GENES = "other cell types", "other genes"
COLUMNS = ("cell_type", "mark", "contrast", "effect", "auroc", "p_value", "fdr", "n_genes")
_FEWEST = 3  # genes on each side of a test


def mark_levels(data: AnnData | MuData) -> pd.DataFrame:
    """Mean level of each mark over its bins, and of methylation over the CpGs of a gene.

    For reads, ``log1p`` of the mean. Observations x marks; an observation that a modality lacks
    has missing values there.
    """
    modalities = data.mod if isinstance(data, MuData) else {"": data}
    columns: dict[str, pd.Series[float]] = {}
    for name, modality in modalities.items():
        groups = _groups(modality.var)
        for mark, chosen in groups.items():
            called = mark if mark not in columns else f"{mark} ({name})"
            values = _mean(modality.X[:, np.flatnonzero(chosen)], logarithm="mark" in modality.var)
            columns[called] = pd.Series(values, index=modality.obs_names)
    return pd.DataFrame(columns, index=data.obs_names, dtype=float)


def _groups(var: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Columns of each mark, or those with the methylation of CpGs."""
    if "mark" in var:
        marks = var["mark"].astype(str).to_numpy()
        return {mark: marks == mark for mark in dict.fromkeys(marks)}
    if "feature" in var and "slot" in var:
        return {"methylation": (var["feature"] == "methylation").to_numpy()}
    return {}


def _mean(block: Any, *, logarithm: bool) -> np.ndarray[Any, Any]:
    """Mean of the known values of each row; missing where there are none."""
    values = np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=float)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    count = known.sum(axis=1)
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    if logarithm and filled.min(initial=0) >= 0:  # normalised tracks may be negative
        mean = np.log1p(mean)
    return np.where(count > 0, mean, np.nan)


def compare_marks(
    levels: pd.DataFrame,
    obs: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Test each mark in each group's genes against other cell types and against other genes.

    `obs` has the columns ``gene`` and ``cell_type``. Levels are first standardised within each
    cell type, so that an experiment sequenced more deeply does not count as a difference.
    """
    rows = []
    for mark in levels:
        wide = obs.assign(level=levels[mark].to_numpy())
        wide = wide.pivot(index="gene", columns="cell_type", values="level")  # noqa: PD010
        wide = (wide - wide.mean()) / wide.std(ddof=0).replace(0, np.nan)
        for cell_type, genes in groups.items():
            if cell_type not in wide:
                continue
            inside = wide.index.isin(genes)
            here = wide.loc[inside, cell_type]
            elsewhere = wide.loc[inside].drop(columns=cell_type).mean(axis=1)
            both = here.notna() & elsewhere.notna()
            for contrast, first, second in (
                (OTHER_CELL_TYPES, here[both], elsewhere[both]),
                (OTHER_GENES, here.dropna(), wide.loc[~inside, cell_type].dropna()),
            ):
                rows.append((cell_type, mark, contrast, *_difference(first, second)))
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "fdr"])
    table["fdr"] = np.nan
    for _, part in table[table["p_value"].notna()].groupby("contrast"):
        table.loc[part.index, "fdr"] = false_discovery_control(part["p_value"])
    table = table.sort_values(
        "cell_type", key=lambda names: names.map(list(groups).index), kind="stable"
    )
    return table[list(COLUMNS)].reset_index(drop=True)


def _difference(
    first: pd.Series[float], second: pd.Series[float]
) -> tuple[float, float, float, int]:
    """Difference of means, area under the curve, p-value, and number of the group's genes."""
    if min(len(first), len(second)) < _FEWEST:
        return np.nan, np.nan, np.nan, len(first)
    statistic, p_value = mannwhitneyu(first, second)
    area = statistic / (len(first) * len(second))
    return float(first.mean() - second.mean()), float(area), float(p_value), len(first)
