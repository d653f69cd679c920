"""Results by the model's genes, in the rows of the data's genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import ExplainedClassifier


def names_in_data(adata: AnnData, model: ExplainedClassifier) -> pd.Series[str]:
    """Name that each of the model's genes has in the data, for those among ``adata.var_names``.

    Names differ where genes were found without their version or by a column of ``.var``; genes
    that are in ``adata.raw`` only have no row.
    """
    alignment = model.align_genes(adata)
    found = pd.Series(alignment.names, index=pd.Index(alignment.found), dtype=object)
    return found[found.isin(adata.var_names)]


def rows_of_data(table: pd.DataFrame, adata: AnnData, names: pd.Series[str]) -> pd.DataFrame:
    """The rows of a table of the model's genes for the data's genes, missing for other genes."""
    return table.loc[names.index].set_axis(names.to_numpy()).reindex(adata.var_names)


def warn_of_rows(adata: AnnData, model: ExplainedClassifier, slot: str, *, instead: str) -> None:
    """Say which of the model's genes were measured but have no row in the data."""
    measured = pd.Index(model.align_genes(adata).found)
    absent = measured[~measured.isin(names_in_data(adata, model).index)]
    if len(absent):
        msg = (
            f"{len(absent)} of the model's {len(model.gene_names)} genes are not in "
            f"adata.var_names, so that {slot} cannot hold them: {listed(absent)}. "
            f"`{instead}` has all."
        )
        warn(msg, GeneAlignmentWarning)
