"""Expression of genes, and which of them are splicing factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem.data._table import TableField

if TYPE_CHECKING:
    from tgem.data._field import Data, State
    from tgem.data._matrix import Array

SYMBOL_COLUMNS = ("gene_symbol", "gene_name", "symbol", "gene_symbols", "gene_names")


class GeneField(TableField):
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
        return np.flatnonzero(column.astype("boolean").to_numpy(dtype=bool, na_value=False))

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
