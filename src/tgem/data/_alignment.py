"""Genes of new data brought, by name, into the order that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class GeneAlignment:
    """Which of a model's genes the data hold.

    Attributes
    ----------
    found
        Genes of the model that are in the data.
    missing
        Genes of the model that are not; they count as not expressed.
    extra
        Genes of the data that the model does not know; they are not looked at.
    """

    found: list[str]
    missing: list[str]
    extra: list[str]
    columns: np.ndarray[Any, Any] = field(repr=False, compare=False)

    @property
    def share(self) -> float:
        """Share of the model's genes that were found."""
        return len(self.found) / max(len(self.found) + len(self.missing), 1)

    @property
    def is_identity(self) -> bool:
        """Whether the data already hold exactly the model's genes in the model's order."""
        return not self.missing and not self.extra and bool((np.diff(self.columns) == 1).all())

    def __str__(self) -> str:
        return (
            f"{len(self.found)} of the model's {len(self.found) + len(self.missing)} genes found, "
            f"{len(self.missing)} missing, {len(self.extra)} extra"
        )


def check_unique(names: pd.Index, location: str) -> None:
    """Raise if a gene name occurs twice."""
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = (
            f"Expected unique gene names in {location}, found {len(twice)} that occur more than "
            f"once: {listed(twice)}. Rename them with `adata.var_names_make_unique()` before "
            "setting adata.raw, or sum them up."
        )
        raise ValueError(msg)


def align_genes(model_genes: Sequence[str], names: pd.Index, location: str) -> GeneAlignment:
    """Find each of the model's genes among the data's names."""
    check_unique(names, location)
    names = names.astype(str)
    columns = names.get_indexer(pd.Index(model_genes))
    known = np.zeros(len(names), dtype=bool)
    known[columns[columns >= 0]] = True
    genes = np.asarray(model_genes, dtype=object)
    return GeneAlignment(
        found=genes[columns >= 0].tolist(),
        missing=genes[columns < 0].tolist(),
        extra=names[~known].tolist(),
        columns=columns,
    )


def check_alignment(alignment: GeneAlignment, location: str, min_share: float) -> None:
    """Raise if too few genes were found, warn if some are missing."""
    if alignment.share < min_share or not alignment.found:
        msg = (
            f"Expected at least {min_share:.0%} of the model's genes in {location}: {alignment}. "
            f"The model knows {listed(alignment.missing, 3)}; the data hold "
            f"{listed(alignment.extra, 3)}. Bring both to the same identifiers (gene symbols or "
            "Ensembl ids, the same case, the same species), or accept a smaller share with "
            "`model.min_gene_share = ...`."
        )
        raise ValueError(msg)
    if alignment.missing:
        msg = (
            f"{alignment} in {location}. Missing genes count as not expressed: "
            f"{listed(alignment.missing)}."
        )
        warn(msg, GeneAlignmentWarning)
