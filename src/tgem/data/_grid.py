"""Measurements on a grid that some genes may lack: tracks, CpGs, factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from tgem._core.errors import PreparationWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._field import Data, Field, RowReader, State
from tgem.data._layout import GridLayout, aligned_positions, read_layout
from tgem.data._matrix import readable, row_blocks, take_rows
from tgem.data._preparation import check_preparation, preparation_of

if TYPE_CHECKING:
    from tgem.data._matrix import Array


class GridKind(NamedTuple):
    """What the rows and columns of a grid are.

    Attributes
    ----------
    rows
        Columns of ``.var`` that may name the rows; the first that exists is used.
    columns
        Column of ``.var`` that names the columns.
    is_ragged
        Whether each gene has its own number of rows, the others being NaN. The rows of new data
        then need not be those of the training data.
    """

    rows: tuple[str, ...]
    columns: str
    is_ragged: bool = False


GRIDS: dict[str, GridKind] = {
    "histone": GridKind(("mark",), "bin"),
    "methylation": GridKind(("slot", "position_index"), "feature", is_ragged=True),
    "tf": GridKind(("factor",), "feature"),
}
COUNT_KEY = "n_cpg"
POSITION, LEVEL = "position", "methylation"
LARGEST_RATIO = 3.0  # of mean values, between cell types in one unit
FEWEST_GENES = 50


class GridField(Field):
    """A matrix whose columns form a grid, aligned by the names of its rows and columns.

    Genes that the modality lacks, and genes that are NaN throughout, are read as NaN.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch, a name in `GRIDS`.
    layer
        Layer that holds the values; ``None`` for ``.X``.
    modality
        Modality of a MuData that holds the matrix.
    """

    def __init__(self, registry_key: str, *, layer: str | None, modality: str | None) -> None:
        super().__init__(registry_key, "X" if layer is None else "layers", layer, modality)
        self.kind = GRIDS[registry_key]

    def layout(self, data: Data) -> GridLayout:
        """Rows and columns of the data's grid."""
        table, called = self.table(data), self.called(data)
        rows = next((key for key in self.kind.rows if key in table.var), self.kind.rows[0])
        return read_layout(table, (rows, self.kind.columns), called)

    def positions(self, data: Data) -> Array | None:
        """Position in the modality of each gene, -1 for genes that it lacks."""
        table, called = self.table(data), self.called(data)
        if table.n_obs == 0 or table.n_vars == 0:
            msg = (
                f"Expected measurements in {called}, found {table.n_obs} genes x {table.n_vars} "
                "variables. Leave the modality out."
            )
            raise ValueError(msg)
        if table is data or table.obs_names.equals(data.obs_names):
            return None
        for names, where in ((table.obs_names, called), (data.obs_names, "mdata")):
            if not names.is_unique:
                msg = (
                    f"Expected unique names of genes in {where}, to pair the modalities by name. "
                    "Rename them with `.obs_names_make_unique()`."
                )
                raise ValueError(msg)
        positions: Array = table.obs_names.get_indexer(data.obs_names)
        return positions

    def _matrix(self, data: Data) -> tuple[Any, str]:
        table, called = self.table(data), self.called(data)
        if self.attr_key is not None:
            check_key(table, "layers", self.attr_key, called)
            matrix, location = table.layers[self.attr_key], f"{called}.layers[{self.attr_key!r}]"
        else:
            matrix, location = table.X, f"{called}.X"
        return readable(matrix, location), location

    def validate_field(self, data: Data) -> None:
        """Raise for a grid or values that no model can use."""
        self.register_field(data)

    def register_field(self, data: Data) -> State:
        """Remember the grid, the range of the values, and how they were prepared."""
        layout = self.layout(data)
        preparation = {"preparation": preparation_of(self.table(data))}
        grid = {"rows": layout.rows, "columns": layout.columns}
        return grid | self._range(data, layout) | preparation

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Check new data against the remembered preparation, grid and range."""
        # Models saved by earlier versions remember no preparation.
        trained = state_registry.get("preparation", {})
        check_preparation(trained, self.table(adata_target), self.called(adata_target))
        layout = self.layout(adata_target)
        self._aligned(state_registry, adata_target, layout)
        found = self._range(adata_target, layout)
        if state_registry["minimum"] >= 0 > found["minimum"]:
            msg = (
                f"Expected values of at least 0 in {self.called(adata_target)}, as in the training "
                f"data, found values down to {found['minimum']:.3g}. Prepare the data as the "
                "training data were."
            )
            raise ValueError(msg)
        self._compare_size(state_registry, found, adata_target)
        return dict(state_registry)

    def _compare_size(self, trained: State, found: State, data: Data) -> None:
        """Warn of another unit: values that are on average much larger or smaller."""
        if self.kind.is_ragged or self.table(data).n_obs < FEWEST_GENES:
            return  # of fewer genes the mean says little
        before, now = trained.get("mean_size", 0.0), found["mean_size"]
        if before > 0 and not 1 / LARGEST_RATIO <= now / before <= LARGEST_RATIO:
            msg = (
                f"The values in {self._matrix(data)[1]} are {now / before:.2g} times as large as "
                f"in training, on average ({now:.3g} against {before:.3g}): the predictions will "
                "be wrong if that is another unit, such as logarithms or counts. Prepare the data "
                "as the training data were."
            )
            warn(msg, PreparationWarning)

    def _aligned(self, state: State, data: Data, layout: GridLayout) -> Array:
        rows = None if self.kind.is_ragged else state["rows"]
        return aligned_positions(layout, (rows, state["columns"]), self.called(data))

    def _range(self, data: Data, layout: GridLayout) -> State:
        """Smallest, largest and mean absolute value; raises for infinite and half-missing ones."""
        matrix, location = self._matrix(data)
        values = np.array([name != POSITION for name in layout.columns])
        measured = layout.positions[:, values].ravel()  # positions have a scale of their own
        n_infinite, partial, low, high, start = 0, [], np.inf, -np.inf, 0
        total, n_values = 0.0, 0
        for part in row_blocks(matrix):
            block = part.toarray() if sparse.issparse(part) else np.asarray(part, dtype=float)
            missing = np.isnan(block)
            n_infinite += int(np.isinf(block).sum())
            some = missing.any(axis=1) & ~missing.all(axis=1)
            partial += (start + np.flatnonzero(some)).tolist()
            start += len(block)
            block = block[:, measured]
            low = min(low, np.min(block, initial=np.inf, where=~np.isnan(block)))
            high = max(high, np.max(block, initial=-np.inf, where=~np.isnan(block)))
            total += float(np.abs(block, where=~np.isnan(block), out=np.zeros_like(block)).sum())
            n_values += int((~np.isnan(block)).sum())
        if n_infinite:
            msg = f"Expected finite values in {location}, found {n_infinite} infinite ones."
            raise ValueError(msg)
        if partial and not self.kind.is_ragged:
            names = self.table(data).obs_names[partial]
            msg = (
                f"Expected each gene of {location} to be measured throughout or NaN throughout, "
                f"found {len(partial)} with some NaN: {listed(names)}. Fill them in, or make all "
                "values of these genes NaN, so that the modality counts as not measured."
            )
            raise ValueError(msg)
        if not np.isfinite(low):
            msg = f"Expected measurements in {location}, found only NaN. Leave the modality out."
            raise ValueError(msg)
        if LEVEL in layout.columns and (low < 0 or high > 1) and values.sum() == 1:
            msg = (
                f"Expected methylation levels between 0 and 1 in {location}, found {low:.3g} to "
                f"{high:.3g}. Divide percentages by 100, or give another measure, such as "
                f"M-values, another name in {self.called(data)}.var['feature']."
            )
            raise ValueError(msg)
        mean_size = total / max(n_values, 1)
        return {"minimum": float(low), "maximum": float(high), "mean_size": mean_size}

    def reader(self, data: Data, state: State) -> RowReader:
        """Read rows as float32 ``(n_genes, n_rows, n_columns)``, NaN for what was not measured."""
        matrix, _ = self._matrix(data)
        columns = self._aligned(state, data, self.layout(data))
        places, counts = self.positions(data), self._counts(data)

        def rows_of_grid(rows: Array) -> Array:
            own = rows if places is None else places[rows]
            known = own >= 0
            values = np.full((len(rows), *columns.shape), np.nan, dtype=np.float32)
            if known.any():
                values[known] = take_rows(matrix, own[known])[:, columns]
                if counts is not None:
                    values[known] = _beyond_count(values[known], counts[own[known]])
            return values

        return rows_of_grid

    def _counts(self, data: Data) -> Array | None:
        """Real rows of each gene, if the modality says how many there are."""
        table = self.table(data)
        if not self.kind.is_ragged or COUNT_KEY not in table.obs:
            return None
        counts = pd.to_numeric(table.obs[COUNT_KEY], errors="coerce").to_numpy(dtype=float)
        return np.where(np.isnan(counts), np.inf, counts)

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the size of the grid."""
        return {f"n_{self.registry_key}": len(state_registry["rows"])}


def _beyond_count(values: Array, counts: Array) -> Array:
    """Make NaN of rows that pad a gene with more values than it has real rows."""
    measured = ~np.isnan(values).any(axis=2)
    too_many = measured.sum(axis=1) > counts
    beyond = np.arange(values.shape[1]) >= counts[:, None]
    values[too_many[:, None] & beyond] = np.nan
    return values
