"""Results per class, under the exact labels that the stored columns could not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem._core import keys
from tgem._core.validate import chosen_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

ALL = "all"  # class of the rows of all cells together
ALL_CELLS = "all_cells"  # column that marks them, as a class may have that name too


def is_of_all_cells(table: pd.DataFrame) -> pd.Series[Any]:
    """Which rows are of all cells together; tables of earlier versions say so by the name only."""
    return table[ALL_CELLS].astype(bool) if ALL_CELLS in table else table["class"] == ALL


def rows_by_class(
    table: pd.DataFrame, classes: Sequence[str] | str | None
) -> list[tuple[str | None, pd.DataFrame]]:
    """Rows of the classes asked for, each after its label; by default of all cells, after None.

    ``"all"`` asks for all cells, unless a class has that name.
    """
    overall = is_of_all_cells(table)
    of_class = dict(tuple(table[~overall].groupby("class", sort=False)))
    if classes is None and overall.any():
        return [(None, table[overall])]
    known = list(of_class)
    if overall.any() and ALL not in of_class:
        known.insert(0, ALL)
    return [
        (label, of_class[label]) if label in of_class else (None, table[overall])
        for label in chosen_classes(classes, known)
    ]


# In `.uns`, where `.varm` cannot hold all of the model's genes.
TABLES = {
    keys.ATTRIBUTION_MEAN: "mean",
    keys.ATTRIBUTION_MEDIAN: "median",
    keys.ATTRIBUTION_SHARE: "share",
}


def summarized_attributions(
    adata: AnnData, prefix: str | None, slot: keys.Slot = keys.ATTRIBUTION_MEAN
) -> pd.DataFrame:
    """Mean attributions or another summary, genes x classes."""
    of_all = adata.uns.get(keys.ATTRIBUTION.key(prefix), {})
    table: pd.DataFrame = of_all.get(TABLES[slot], slot.read(adata, prefix))
    params = adata.uns.get(keys.ATTRIBUTION.params_key(prefix), {})
    labels = [str(label) for label in params.get("classes", table.columns)]
    return table.set_axis(labels, axis="columns")
