"""Genes and isoforms of the same samples: which isoform belongs to which gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._field import Data, Field, RowReader, State
from tgem.data._matrix import Array, readable, take_rows
from tgem.data._names import check_unique_names, match_names
from tgem.data._tpm import TpmSummary, check_expression_of_psi, check_tpm, summarize_tpm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.data._names import Matched

SYMBOL_COLUMNS = ("gene_symbol", "gene_name", "symbol", "gene_symbols", "gene_names")


class _TableField(Field):
    """A matrix of one modality, its columns found by name; absent columns read as NaN."""

    _kind = "columns"

    def __init__(self, registry_key: str, *, modality: str | None, layer: str | None) -> None:
        attr_name = "X" if layer is None else "layers"
        super().__init__(registry_key, attr_name, layer, modality)

    def location(self, data: Data) -> str:
        """Name the matrix as the user would write it."""
        called = self.called(data)
        return f"{called}.X" if self.attr_key is None else f"{called}.layers[{self.attr_key!r}]"

    def matrix(self, data: Data) -> Any:
        """Return the matrix, or say what is missing."""
        table: Any = self.table(data)
        if self.attr_key is not None:
            check_key(table, "layers", self.attr_key, self.called(data))
            return readable(table.layers[self.attr_key], self.location(data))
        if table.X is None:
            msg = f"Expected values in {self.location(data)}, found none. Name a layer."
            raise ValueError(msg)
        return readable(table.X, self.location(data))

    def names(self, data: Data) -> pd.Index:
        """Names of the columns, each once."""
        names = pd.Index(self.table(data).var_names).astype(str)
        check_unique_names(names, f"{self.called(data)}.var_names", self._kind)
        return names

    def match(self, state: State, data: Data) -> Matched:
        """Find the remembered columns in the data."""
        wanted = pd.Index(state["column_names"], dtype=object)
        return match_names(wanted, self.names(data), self.called(data), kind=self._kind)

    def reader(self, data: Data, state: State) -> RowReader:
        """Rows as float32 in the remembered order; NaN where the data lack a column."""
        matrix, columns = self.matrix(data), self.match(state, data).columns
        found = columns >= 0
        if found.all() and np.array_equal(columns, np.arange(matrix.shape[1])):
            return self.paired(data, lambda rows: take_rows(matrix, rows))

        def aligned_rows(rows: Array) -> Array:
            values = np.full((len(rows), found.size), np.nan, dtype=np.float32)
            values[:, found] = take_rows(matrix, rows)[:, columns[found]]
            return values

        return self.paired(data, aligned_rows)

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of columns."""
        return {f"n_{self.registry_key}": len(state_registry["column_names"])}


class GeneField(_TableField):
    """Gene expression in TPM, and which genes are splicing factors.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    modality, layer
        Where the expression is.
    factor_key
        Boolean column of ``.var`` that marks the factors.
    context_key
        Boolean column of ``.var`` that marks the genes of the context.
    """

    _kind = "genes"

    def __init__(
        self,
        registry_key: str,
        *,
        modality: str | None,
        layer: str | None,
        factor_key: str,
        context_key: str | None,
    ) -> None:
        super().__init__(registry_key, modality=modality, layer=layer)
        self._factor_key, self._context_key = factor_key, context_key

    def flagged(self, data: Data, key: str) -> Array:
        """Positions of the genes that a boolean column marks."""
        table: Any = self.table(data)
        location = f"{self.called(data)}.var[{key!r}]"
        if key not in table.var:
            boolean = [name for name in table.var if table.var[name].dtype == bool]
            msg = (
                f"Expected a boolean column {location}. Boolean columns there are: "
                f"{listed(boolean) or 'none'}. Mark genes with "
                f"`{location} = {self.called(data)}.var_names.isin(names)`."
            )
            raise KeyError(msg)
        column = table.var[key]
        if column.dtype != bool and not set(column.dropna().unique()) <= {True, False}:
            msg = f"Expected True and False in {location}, found {listed(column.unique())}."
            raise ValueError(msg)
        return np.flatnonzero(column.fillna(value=False).to_numpy(dtype=bool))

    def validate_field(self, data: Data) -> None:
        """Raise for names and values that no model can use, and if no gene is a factor."""
        self.names(data)
        if not self.flagged(data, self._factor_key).size:
            msg = (
                f"Expected splicing factors in {self.called(data)}.var[{self._factor_key!r}], "
                "found no True. Are gene symbols and identifiers mixed up where it was made?"
            )
            raise ValueError(msg)
        self.matrix(data)

    def register_field(self, data: Data) -> State:
        """Remember the genes, the factors among them, and the genes of the context."""
        self.validate_field(data)
        has_context = self._context_key is not None and self._context_key in self.table(data).var
        context = self.flagged(data, str(self._context_key)) if has_context else np.empty(0, int)
        factors = self.flagged(data, self._factor_key)
        return {
            "column_names": self.names(data).tolist(),
            "factors": factors.tolist(),
            "factor_symbols": self._symbols(data, factors),
            "context": context.tolist(),
        }

    def _symbols(self, data: Data, factors: Array) -> list[str]:
        """Symbols of the factors, by which users call them; their names if there are none."""
        table: Any = self.table(data)
        column = next((name for name in SYMBOL_COLUMNS if name in table.var), None)
        names = table.var_names if column is None else table.var[column]
        return np.asarray(names.astype(str))[factors].tolist()

    def transfer_field(
        self, state_registry: State, adata_target: Data, min_gene_share: float = 0.0
    ) -> State:
        """Check new data; missing factors are reported and held at their training mean."""
        location = self.called(adata_target)
        matched = self.match(state_registry, adata_target)
        names = np.asarray(state_registry["column_names"], dtype=object)
        factors = np.asarray(state_registry["factors"])
        missing = names[factors[matched.columns[factors] < 0]]
        share = 1 - len(missing) / len(factors)
        if share < min_gene_share or share == 0:
            msg = (
                f"Expected at least {min_gene_share:.0%} of the model's {len(factors)} splicing "
                f"factors in {location}, found {len(factors) - len(missing)}. Missing: "
                f"{listed(missing)}. Bring both to the same identifiers, or accept a smaller "
                "share with `model.min_gene_share = ...`."
            )
            raise ValueError(msg)
        if len(missing):
            msg = (
                f"{len(missing)} of the model's {len(factors)} splicing factors are not in "
                f"{location}; they are held at their mean in training: {listed(missing)}."
            )
            warn(msg, GeneAlignmentWarning)
        return dict(state_registry)


class IsoformField(_TableField):
    """Expression of isoforms in TPM, or values of events in 0 to 1, and the gene of each.

    Isoforms of genes with one isoform, and isoforms whose gene is not in the data, are set aside:
    their usage is no question. Events (PSI) are all kept, except those never observed.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    modality, layer
        Where the values are.
    gene_id_key
        Column of ``.var`` with the gene of each isoform.
    genes
        The field of the genes.
    """

    _kind = "isoforms"

    def __init__(
        self,
        registry_key: str,
        *,
        modality: str | None,
        layer: str | None,
        gene_id_key: str,
        genes: GeneField,
    ) -> None:
        super().__init__(registry_key, modality=modality, layer=layer)
        self._gene_id_key, self._genes = gene_id_key, genes

    def _summary(self, data: Data) -> TpmSummary:
        """Check both modalities: the rule for genes depends on what the isoforms hold."""
        summary = summarize_tpm(self.matrix(data))
        genes, location = summarize_tpm(self._genes.matrix(data)), self._genes.location(data)
        if summary.looks_like_psi:
            check_expression_of_psi(genes, location)
        else:
            check_tpm(summary, self.location(data))
            check_tpm(genes, location)
        return summary

    def validate_field(self, data: Data) -> None:
        """Raise for names and values that no model can use."""
        self.names(data)
        self._summary(data)

    def register_field(self, data: Data) -> State:
        """Remember the isoforms kept, the gene of each, and what was set aside."""
        table: Any = self.table(data)
        names = self.names(data)
        check_key(table, "var", self._gene_id_key, self.called(data))
        summary = self._summary(data)
        ids = pd.Index(table.var[self._gene_id_key].astype(str))
        place = f"{self._genes.called(data)}.var_names"
        matched = match_names(ids, self._genes.names(data), place, kind="genes")
        genes = matched.columns
        if matched.without_version:
            msg = (
                f"{self.called(data)}.var[{self._gene_id_key!r}] and {place} agree only without "
                "the version suffix of Ensembl identifiers (.1, .2, ...): it is left away."
            )
            warn(msg, GeneAlignmentWarning)
        if (genes < 0).all() and not summary.looks_like_psi:
            msg = (
                f"Expected the genes of {self.called(data)}.var[{self._gene_id_key!r}] in {place}, "
                f"found none of them: {listed(ids[:3])} against "
                f"{listed(self._genes.names(data)[:3])}. Bring both to the same identifiers."
            )
            raise ValueError(msg)
        keep = self._kept(data, genes, summary)
        state = {
            "column_names": names[keep].tolist(),
            "genes": genes[keep].tolist(),
            "values": "psi" if summary.looks_like_psi else "tpm",
            "n_single": int(((genes >= 0) & ~keep).sum()),
            "n_without_gene": int(((genes < 0) & ~keep).sum()),
            "without_gene": names[(genes < 0) & ~keep][:5].tolist(),
        }
        if state["n_without_gene"]:
            msg = f"{self.set_aside(state)[-1]}."
            warn(msg, GeneAlignmentWarning)
        return state

    def _kept(self, data: Data, genes: Array, summary: TpmSummary) -> Array:
        if summary.looks_like_psi:
            observed = [
                (~np.isnan(take_rows(self.matrix(data), np.array([row])))).ravel()
                for row in range(self.matrix(data).shape[0])
            ]
            return np.any(observed, axis=0)
        counts = np.bincount(genes[genes >= 0], minlength=1)
        keep: Array = (genes >= 0) & (counts[np.maximum(genes, 0)] > 1)
        if not keep.any():
            msg = (
                f"Expected genes with two or more isoforms in {self.called(data)}, found none "
                f"among {len(genes)} isoforms: without a choice there is no usage to learn."
            )
            raise ValueError(msg)
        return keep

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Check the values of new data; isoforms that are absent are compared with nothing."""
        if self.is_present(adata_target):
            summary = self._summary(adata_target)
            found = "psi" if summary.looks_like_psi else "tpm"
            if found != state_registry["values"]:
                msg = (
                    f"Expected {state_registry['values']} in {self.location(adata_target)}, as in "
                    f"training, found {found} (values from {summary.minimum:g} to "
                    f"{summary.maximum:g})."
                )
                raise ValueError(msg)
        else:
            genes = summarize_tpm(self._genes.matrix(adata_target))
            check = check_tpm if state_registry["values"] == "tpm" else check_expression_of_psi
            check(genes, self._genes.location(adata_target))
        return dict(state_registry)

    def is_present(self, data: Data) -> bool:
        """Whether the data hold isoforms: a prediction needs genes alone."""
        return self.mod_key in getattr(data, "mod", {})

    def reader(self, data: Data, state: State) -> RowReader:
        """Rows as float32; NaN where the data lack an isoform."""
        if not self.is_present(data):
            n_isoforms = len(state["column_names"])
            return lambda rows: np.full((len(rows), n_isoforms), np.nan, dtype=np.float32)
        return super().reader(data, state)

    def set_aside(self, state: State) -> Sequence[str]:
        """Sentences on the isoforms that the model does not look at."""
        sentences = []
        if state["n_single"]:
            sentences.append(f"{state['n_single']} isoforms set aside, the only one of their gene")
        if state["n_without_gene"]:
            sentences.append(
                f"{state['n_without_gene']} isoforms set aside, their gene is not in the gene "
                f"modality: {listed(state['without_gene'])}"
            )
        return sentences
