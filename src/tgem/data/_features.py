"""A matrix of features, aligned by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tgem._core.errors import listed
from tgem._core.validate import check_key
from tgem.data._alignment import GeneAlignment, align_genes, check_alignment, check_unique
from tgem.data._expression import ExpressionSummary, check_same_scale, summarize_expression
from tgem.data._field import Data, Field, RowReader, State
from tgem.data._matrix import Array, readable, take_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

DEFAULT_MIN_GENE_SHARE = 0.5
STAND_IN = "stand_in"  # of a state: the value of each gene where the data lack it


class Source(NamedTuple):
    """A matrix, the table of its genes, and its location as the user would write it."""

    matrix: Any
    genes: pd.DataFrame
    location: str

    @property
    def names(self) -> pd.Index:
        """Names of the genes."""
        return self.genes.index


class FeatureField(Field):
    """A cells x genes matrix: ``.X``, a layer, or ``.raw``, aligned by gene name.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    layer
        Layer that holds the values; ``None`` for ``.X``.
    use_raw
        Whether the values are in ``.raw``.
    modality
        Modality of a MuData that holds the matrix.
    check
        Called with a summary of the values and their location; raises or warns.
    """

    def __init__(
        self,
        registry_key: str,
        *,
        layer: str | None,
        use_raw: bool,
        modality: str | None = None,
        check: Callable[[ExpressionSummary, str], None],
    ) -> None:
        if layer is not None and use_raw:
            msg = f"Expected `layer` or `use_raw=True`, got both: layer={layer!r}."
            raise ValueError(msg)
        attr_name = "raw" if use_raw else ("X" if layer is None else "layers")
        super().__init__(registry_key, attr_name, layer, modality)
        self._check = check

    def source(self, adata: Data, *, at_setup: bool = False) -> Source:
        """Return the matrix as it is stored, its gene names, and where it is.

        New data for a model that was set up with ``use_raw=True`` may have no ``.raw``: then
        ``.X`` is read, and its values are checked against the training data's.
        """
        table, called = self.table(adata), self.called(adata)
        if self.attr_name == "layers":
            if not at_setup and self.attr_key not in table.layers:
                msg = (
                    f"Expected expression in {called}.layers[{self.attr_key!r}], as the model was "
                    f"set up with that layer, found {listed(list(table.layers)) or 'no layer'}. "
                    f"Put it there: `{called}.layers[{self.attr_key!r}] = ...`."
                )
                raise KeyError(msg)
            check_key(table, "layers", str(self.attr_key), called)
            location = f"{called}.layers[{self.attr_key!r}]"
            return Source(table.layers[self.attr_key], table.var, location)
        if self.attr_name == "raw" and table.raw is not None:
            return Source(table.raw.X, table.raw.var, f"{called}.raw.X")
        if self.attr_name == "raw" and at_setup:
            msg = (
                f"Expected {called}.raw because of `use_raw=True`, found none. Pass "
                f"`use_raw=False`, name a layer, or set `{called}.raw = {called}` after "
                "log-normalising."
            )
            raise ValueError(msg)
        if table.X is None:
            msg = f"Expected expression in {called}.X, found none. Name the layer that holds it."
            raise ValueError(msg)
        return Source(table.X, table.var, f"{called}.X")

    def validate_field(self, adata: Data) -> None:
        """Raise for values and names that no model can use."""
        self._summarize(self.source(adata, at_setup=True))

    def _summarize(self, source: Source) -> ExpressionSummary:
        check_unique(source.names, source.location)
        summary = summarize_expression(readable(source.matrix, source.location))
        self._check(summary, source.location)
        return summary

    def register_field(self, adata: Data) -> State:
        """Remember the genes, their order, and the range of the values."""
        source = self.source(adata, at_setup=True)
        summary = self._summarize(source)
        return {
            "column_names": source.names.astype(str).tolist(),
            "minimum": summary.minimum,
            "maximum": summary.maximum,
        }

    def transfer_field(
        self,
        state_registry: State,
        adata_target: Data,
        min_gene_share: float = DEFAULT_MIN_GENE_SHARE,
    ) -> State:
        """Check new data against the remembered genes and values."""
        source = self.source(adata_target)
        check_alignment(
            self.align(state_registry, adata_target),
            source.location,
            min_gene_share,
            stand_in="not expressed" if state_registry.get(STAND_IN) is None else "average",
        )
        check_unique(source.names, source.location)
        summary = summarize_expression(readable(source.matrix, source.location))
        check_same_scale(summary, state_registry["minimum"], source.location)
        self._check(summary, source.location)
        return dict(state_registry)

    def align(self, state: State, adata: Data) -> GeneAlignment:
        """Find the remembered genes in the data."""
        source = self.source(adata)
        genes = source.genes
        return align_genes(state["column_names"], source.names, source.location, table=genes)

    def reader(self, adata: Data, state: State) -> RowReader:
        """Rows as float32, genes in the remembered order; missing ones 0, or what stands in."""
        source = self.source(adata)
        matrix = readable(source.matrix, source.location)
        alignment = self.align(state, adata)
        if alignment.is_identity:
            return self.paired(adata, lambda rows: take_rows(matrix, rows))
        found = alignment.columns >= 0
        columns, absent = alignment.columns[found], np.zeros(found.size, dtype=np.float32)
        if state.get(STAND_IN) is not None:
            absent = np.where(found, absent, state[STAND_IN]).astype(np.float32)

        def aligned_rows(rows: Array) -> Array:
            values = np.tile(absent, (len(rows), 1))
            values[:, found] = take_rows(matrix, rows)[:, columns]
            return values

        return self.paired(adata, aligned_rows)

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of genes."""
        return {f"n_{self.registry_key}": len(state_registry["column_names"])}
