"""Predicted labels and probabilities as `tgem.tl.predict` wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from anndata import AnnData

_GREY = "#d3d3d3"  # of labels without a colour of their own, as scanpy draws missing ones


def labels_of(adata: AnnData, prefix: str | None, labels_key: str | None = None) -> pd.Series[Any]:
    """Categorical labels as text: the predicted ones, or those of another column."""
    if labels_key is None:
        column = keys.PREDICTION.read(adata, prefix)
    else:
        check_key(adata, "obs", labels_key)
        column = adata.obs[labels_key]
    labels = column.astype("category")
    names = [str(label) for label in labels.cat.categories]
    if not names:
        msg = f"Expected labels in adata.obs[{column.name!r}], found none."
        raise ValueError(msg)
    if len(set(names)) < len(names):
        msg = f"Expected labels that differ as text in adata.obs[{column.name!r}], found {names}."
        raise ValueError(msg)
    return labels.cat.rename_categories(names)


def classes_of(adata: AnnData, prefix: str | None) -> list[str]:
    """Exact names of the classes that the model can assign."""
    params = adata.uns.get(keys.PREDICTION.params_key(prefix), {})
    if "classes" in params:
        return [str(label) for label in params["classes"]]
    return list(labels_of(adata, prefix).cat.categories)


def probability_of(adata: AnnData, prefix: str | None) -> pd.DataFrame:
    """Probabilities, cells x classes, with the exact names of the classes."""
    table = keys.PROBABILITY.read(adata, prefix)
    classes = classes_of(adata, prefix)
    if table.shape[1] != len(classes):
        key = keys.PROBABILITY.key(prefix)
        msg = (
            f"Expected one column for each of {len(classes)} classes in adata.obsm[{key!r}], found "
            f"{table.shape[1]}. Predict again with `{keys.PROBABILITY.written_by}(adata, model)`."
        )
        raise ValueError(msg)
    return pd.DataFrame(np.asarray(table, dtype=float), index=adata.obs_names, columns=classes)


def colors_of(adata: AnnData, key: str, categories: list[str]) -> list[str] | None:
    """Colours of the categories, those of another column's labels where it has them."""
    colors = adata.uns.get(f"{key}_colors")
    if colors is None or key not in adata.obs:
        return None
    known = [str(label) for label in adata.obs[key].astype("category").cat.categories]
    if len(colors) < len(known):
        return None
    found = dict(zip(known, map(str, colors), strict=False))
    return [found.get(label, _GREY) for label in categories]


def write_colors(adata: AnnData, key: str, colors: list[str] | None) -> None:
    """Give a column its colours; without any, drop those of an earlier call, which may not fit."""
    if colors is None:
        adata.uns.pop(f"{key}_colors", None)
    else:
        adata.uns[f"{key}_colors"] = colors
