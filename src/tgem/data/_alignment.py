"""Genes of new data brought, by name, into the order that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem.data._names import match_identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW_FOUND = 0.5  # share of the genes below which other identifiers than the names are tried


@dataclass(frozen=True)
class GeneAlignment:
    """Which of a model's genes the data hold.

    Attributes
    ----------
    found
        Genes of the model that are in the data.
    missing
        Genes of the model that are not.
    extra
        Genes of the data that the model does not know; they are not looked at.
    columns
        Position of each of the model's genes among the data's, -1 for missing ones.
    names
        Names in the data of the genes found.
    matched_by
        Which identifiers of the data the model's genes were found among.
    """

    found: list[str]
    missing: list[str]
    extra: list[str]
    columns: np.ndarray[Any, Any] = field(repr=False, compare=False)
    names: list[str] = field(repr=False, compare=False, default_factory=list)
    matched_by: str = field(default="var_names", compare=False)

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


def align_genes(
    model_genes: Sequence[str], names: pd.Index, location: str, *, table: pd.DataFrame | None = None
) -> GeneAlignment:
    """Find each of the model's genes in the data.

    Parameters
    ----------
    model_genes
        Genes of the model, in its order.
    names
        Names of the data's genes.
    location
        Where they are, for messages.
    table
        Annotation of the data's genes (``.var``). Where the names, with and without the versions
        of Ensembl ids, find less than half of the genes, its columns of text are tried.
    """
    check_unique(names, location)
    names, wanted = names.astype(str), pd.Index(model_genes).astype(str)
    columns, matched_by = names.get_indexer(wanted), "var_names"
    if (columns < 0).any():
        columns, matched_by = match_identifiers(wanted, {"var_names": names})
        if table is not None and (columns >= 0).mean() < FEW_FOUND:
            columns, matched_by = match_identifiers(wanted, _identifiers(names, table))
    known = np.zeros(len(names), dtype=bool)
    known[columns[columns >= 0]] = True
    genes = np.asarray(model_genes, dtype=object)
    return GeneAlignment(
        found=genes[columns >= 0].tolist(),
        missing=genes[columns < 0].tolist(),
        extra=names[~known].tolist(),
        columns=columns,
        names=names[columns[columns >= 0]].tolist(),
        matched_by=matched_by,
    )


def _identifiers(names: pd.Index, table: pd.DataFrame) -> dict[str, pd.Index]:
    """The names, and columns that may hold other identifiers of the same genes."""
    texts = {
        f"var[{key!r}]": pd.Index(table[key].astype(str))
        for key in table.columns
        if table[key].dtype.kind not in "biufcmM"
    }
    return {"var_names": names} | texts


def check_alignment(
    alignment: GeneAlignment, location: str, min_share: float, *, stand_in: str = "not expressed"
) -> None:
    """Raise if too few genes were found; say which are missing, and how others were found."""
    if alignment.share < min_share or not alignment.found:
        msg = (
            f"Expected at least {min_share:.0%} of the model's genes in {location}: {alignment}. "
            f"The model knows {listed(alignment.missing, 3)}; the data hold "
            f"{listed(alignment.extra, 3)}. Bring both to the same identifiers (gene symbols or "
            "Ensembl ids, the same case, the same species), name the model's in a column of "
            "adata.var, or accept a smaller share with `model.min_gene_share = ...`."
        )
        raise ValueError(msg)
    if alignment.missing:
        msg = (
            f"{alignment} in {location}. Missing genes count as {stand_in}: "
            f"{listed(alignment.missing)}."
        )
        warn(msg, GeneAlignmentWarning)
    if alignment.matched_by != "var_names":
        msg = (
            f"Genes were found by {alignment.matched_by} of {location}, not by their names. "
            "Rankings and gene sets go by the model's names."
        )
        warn(msg, GeneAlignmentWarning)
