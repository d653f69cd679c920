"""Results per class, under the exact labels that the stored columns could not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core import keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def mean_attributions(adata: AnnData, prefix: str | None) -> pd.DataFrame:
    """Mean attributions, genes x classes."""
    table: pd.DataFrame = keys.ATTRIBUTION_MEAN.read(adata, prefix)
    params = adata.uns.get(keys.ATTRIBUTION.params_key(prefix), {})
    labels = [str(label) for label in params.get("classes", table.columns)]
    return table.set_axis(labels, axis="columns")
