"""What a model reads from AnnData: a matrix of features, a column of labels.

A field remembers at set-up what must hold for every later data set (genes, categories) and
gives a reader of rows for any data set. Nothing is written into the AnnData.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scvi.data.fields import BaseAnnDataField

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._alignment import GeneAlignment, align_genes, check_alignment, check_unique
from tgem.data._expression import (
    ExpressionSummary,
    check_same_scale,
    summarize_expression,
)
from tgem.data._matrix import Array, readable, take_rows

if TYPE_CHECKING:
    from anndata import AnnData

State = dict[str, Any]
RowReader = Callable[[Array], Array]

DEFAULT_MIN_GENE_SHARE = 0.5
UNLABELED = -1


class Source(NamedTuple):
    """A matrix, the names of its columns, and its location as the user would write it."""

    matrix: Any
    names: pd.Index
    location: str


class Field(BaseAnnDataField):
    """What our fields share; scvi-tools' manager calls the methods."""

    def __init__(self, registry_key: str, attr_name: str, attr_key: str | None) -> None:
        super().__init__()
        self._registry_key, self._attr_name, self._attr_key = registry_key, attr_name, attr_key

    @property
    def registry_key(self) -> str:
        """Name of the tensor in a minibatch."""
        return self._registry_key

    @property
    def attr_name(self) -> str:
        """Container in AnnData."""
        return self._attr_name

    @property
    def attr_key(self) -> str | None:
        """Key in the container."""
        return self._attr_key

    @property
    def is_empty(self) -> bool:
        """Whether the user named nothing for this field."""
        return False

    def view_state_registry(self, state_registry: State) -> None:
        """Print nothing: the model's own summary says it."""

    def reader(self, adata: AnnData, state: State) -> RowReader:
        """Return a function from cell positions to an array of their values."""
        raise NotImplementedError


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
    check
        Called with a summary of the values and their location; raises or warns.
    """

    def __init__(
        self,
        registry_key: str,
        *,
        layer: str | None,
        use_raw: bool,
        check: Callable[[ExpressionSummary, str], None],
    ) -> None:
        if layer is not None and use_raw:
            msg = f"Expected `layer` or `use_raw=True`, got both: layer={layer!r}."
            raise ValueError(msg)
        attr_name = "raw" if use_raw else ("X" if layer is None else "layers")
        super().__init__(registry_key, attr_name, layer)
        self._check = check

    def source(self, adata: AnnData, *, at_setup: bool = False) -> Source:
        """Return the matrix as it is stored, its gene names, and where it is.

        New data for a model that was set up with ``use_raw=True`` may have no ``.raw``: then
        ``.X`` is read, and its values are checked against the training data's.
        """
        if self.attr_name == "layers":
            check_key(adata, "layers", str(self.attr_key))
            location = f"adata.layers[{self.attr_key!r}]"
            return Source(adata.layers[self.attr_key], adata.var_names, location)
        if self.attr_name == "raw" and adata.raw is not None:
            return Source(adata.raw.X, adata.raw.var_names, "adata.raw.X")
        if self.attr_name == "raw" and at_setup:
            msg = (
                "Expected adata.raw because of `use_raw=True`, found none. Pass `use_raw=False`, "
                "name a layer, or set `adata.raw = adata` after log-normalising."
            )
            raise ValueError(msg)
        if adata.X is None:
            msg = "Expected expression in adata.X, found none. Name the layer that holds it."
            raise ValueError(msg)
        return Source(adata.X, adata.var_names, "adata.X")

    def validate_field(self, adata: AnnData) -> None:
        """Raise for values and names that no model can use."""
        self._summarize(self.source(adata, at_setup=True))

    def _summarize(self, source: Source) -> ExpressionSummary:
        check_unique(source.names, source.location)
        summary = summarize_expression(readable(source.matrix, source.location))
        self._check(summary, source.location)
        return summary

    def register_field(self, adata: AnnData) -> State:
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
        adata_target: AnnData,
        min_gene_share: float = DEFAULT_MIN_GENE_SHARE,
    ) -> State:
        """Check new data against the remembered genes and values."""
        source = self.source(adata_target)
        check_alignment(self.align(state_registry, adata_target), source.location, min_gene_share)
        summary = self._summarize(source)
        check_same_scale(summary, state_registry["minimum"], source.location)
        return dict(state_registry)

    def align(self, state: State, adata: AnnData) -> GeneAlignment:
        """Find the remembered genes in the data."""
        source = self.source(adata)
        return align_genes(state["column_names"], source.names, source.location)

    def reader(self, adata: AnnData, state: State) -> RowReader:
        """Rows as float32, genes in the remembered order, missing genes 0."""
        source = self.source(adata)
        matrix = readable(source.matrix, source.location)
        alignment = self.align(state, adata)
        if alignment.is_identity:
            return lambda rows: take_rows(matrix, rows)
        found = alignment.columns >= 0
        columns = alignment.columns[found]

        def aligned_rows(rows: Array) -> Array:
            values = np.zeros((len(rows), found.size), dtype=np.float32)
            values[:, found] = take_rows(matrix, rows)[:, columns]
            return values

        return aligned_rows

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of genes."""
        return {f"n_{self.registry_key}": len(state_registry["column_names"])}


class LabelField(Field):
    """A column of ``.obs`` with one label per cell; absent labels have the code -1.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    labels_key
        Column of ``.obs``; ``None`` if there are no labels.
    unlabeled_category
        Label that stands for "not labelled"; missing values always do.
    """

    def __init__(
        self, registry_key: str, *, labels_key: str | None, unlabeled_category: str | None
    ) -> None:
        super().__init__(registry_key, "obs", labels_key)
        self._unlabeled_category = unlabeled_category

    @property
    def is_empty(self) -> bool:
        """Whether there are no labels."""
        return self.attr_key is None

    def validate_field(self, adata: AnnData) -> None:
        """Raise unless the column holds categories."""
        check_key(adata, "obs", str(self.attr_key))
        column = adata.obs[self.attr_key]
        if column.dtype.kind == "f" and not (column.dropna() == column.dropna().round()).all():
            msg = (
                f"Expected labels in adata.obs[{self.attr_key!r}], found {column.nunique()} "
                "fractional numbers. Name a column of cell types, or cut the numbers into "
                "categories with `pd.cut`."
            )
            raise ValueError(msg)

    def register_field(self, adata: AnnData) -> State:
        """Remember the categories in use, in their order, with their colours."""
        self.validate_field(adata)
        column = adata.obs[self.attr_key]
        labels = used_labels(column, self._unlabeled_category)
        if not labels:
            msg = f"Expected at least one label in adata.obs[{self.attr_key!r}], found none."
            raise ValueError(msg)
        n_unlabeled = int((codes_of(column, labels) == UNLABELED).sum())
        if n_unlabeled and self._unlabeled_category is None:
            msg = (
                f"{n_unlabeled} of {adata.n_obs} cells have no label in "
                f"adata.obs[{self.attr_key!r}]; they are left out of training."
            )
            warn(msg, TrainingWarning)
        return {
            "categories": [_plain(label) for label in labels],
            "colors": self._colors(adata, labels),
        }

    def transfer_field(self, state_registry: State, adata_target: AnnData, **_: Any) -> State:
        """Keep what was remembered: new data may lack labels or hold others."""
        return dict(state_registry)

    def reader(self, adata: AnnData, state: State) -> RowReader:
        """Codes as int64; -1 for no label, a label never seen, or no such column."""
        if self.attr_key not in adata.obs:
            return lambda rows: np.full(len(rows), UNLABELED, dtype=np.int64)
        codes = codes_of(adata.obs[self.attr_key], state["categories"])
        return lambda rows: codes[rows]

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of classes."""
        return {f"n_{self.registry_key}": len(state_registry.get("categories", []))}

    def _colors(self, adata: AnnData, labels: list[Any]) -> list[str] | None:
        """Colours that scanpy assigned to the categories, if it did."""
        colors = adata.uns.get(f"{self.attr_key}_colors")
        categories = list(adata.obs[self.attr_key].astype("category").cat.categories)
        if colors is None or len(colors) < len(categories):
            return None
        return [str(colors[categories.index(label)]) for label in labels]


def used_labels(column: pd.Series[Any], unlabeled_category: str | None) -> list[Any]:
    """Labels that occur, in the order of the column's categories."""
    used = column.astype("category").cat.remove_unused_categories().cat.categories
    return [label for label in used if label != unlabeled_category]


def codes_of(column: pd.Series[Any], labels: list[Any]) -> Array:
    """Position of each cell's label among `labels`; -1 for any other."""
    values = pd.Index(column.astype(object).to_numpy(), dtype=object)
    return pd.Index(labels, dtype=object).get_indexer(values).astype(np.int64)


def label_codes(column: pd.Series[Any], unlabeled_category: str | None) -> Array:
    """Codes of the labels that occur; -1 for missing ones."""
    return codes_of(column, used_labels(column, unlabeled_category))


def _plain(label: Any) -> Any:
    """Numpy scalar to Python scalar, so that a label survives JSON."""
    return label.item() if isinstance(label, np.generic) else label


def describe_labels(counts: dict[Any, int]) -> str:
    """Say the number of cells of each class."""
    return listed([f"{label} ({count})" for label, count in counts.items()], 12)
