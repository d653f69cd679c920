"""A column of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._field import Data, Field, RowReader, State

if TYPE_CHECKING:
    from tgem.data._matrix import Array

UNLABELED = -1
NAMES_OF_NOTHING = ("", "nan", "none", "na", "n/a", "<na>", "null")  # missing values as text


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

    def validate_field(self, adata: Data) -> None:
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

    def register_field(self, adata: Data) -> State:
        """Remember the categories in use, in their order, with their colours."""
        self.validate_field(adata)
        column = adata.obs[self.attr_key]
        labels = used_labels(column, self._unlabeled_category)
        if not labels:
            msg = f"Expected at least one label in adata.obs[{self.attr_key!r}], found none."
            raise ValueError(msg)
        missing = [label for label in labels if str(label).strip().lower() in NAMES_OF_NOTHING]
        if missing:
            msg = (
                f"adata.obs[{self.attr_key!r}] holds the text {missing[0]!r}, which is taken for a "
                "class. If it stands for no label, set up with "
                f"`unlabeled_category={missing[0]!r}`, or replace it by NaN."
            )
            warn(msg, TrainingWarning)
        unlabeled = self._unlabeled_category
        if unlabeled is not None and unlabeled not in set(column.dropna()):
            alike = [label for label in labels if str(label).lower() == str(unlabeled).lower()]
            hint = f" Did you mean {alike[0]!r}, which is a class now?" if alike else ""
            msg = (
                f"No cell has the label unlabeled_category={unlabeled!r} in "
                f"adata.obs[{self.attr_key!r}].{hint}"
            )
            warn(msg, TrainingWarning)
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

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Keep what was remembered: new data may lack labels or hold others."""
        return dict(state_registry)

    def reader(self, adata: Data, state: State) -> RowReader:
        """Codes as int64; -1 for no label, a label never seen, or no such column."""
        if self.attr_key not in adata.obs:
            return lambda rows: np.full(len(rows), UNLABELED, dtype=np.int64)
        codes = codes_of(adata.obs[self.attr_key], state["categories"])
        return lambda rows: codes[rows]

    def get_summary_stats(self, state_registry: State) -> dict[str, int]:
        """Return the number of classes."""
        return {f"n_{self.registry_key}": len(state_registry.get("categories", []))}

    def _colors(self, adata: Data, labels: list[Any]) -> list[str] | None:
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
