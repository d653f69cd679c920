"""Scores from counts of true against predicted labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence


def counted(true: Sequence[Any], predicted: Sequence[Any]) -> pd.DataFrame:
    """Square of counts, true x predicted labels."""
    labels = sorted({*map(str, true), *map(str, predicted)})
    pairs = pd.crosstab(
        pd.Series(list(true), dtype=object).astype(str),
        pd.Series(list(predicted), dtype=object).astype(str),
    )
    return pairs.reindex(index=labels, columns=labels, fill_value=0)


def square(table: pd.DataFrame) -> pd.DataFrame:
    """Square of counts from the long table of the confusion."""
    table = table.astype({"true": str, "predicted": str})
    labels = list(dict.fromkeys([*table["true"], *table["predicted"]]))
    counts = table.pivot_table(index="true", columns="predicted", values="n_cells", aggfunc="sum")
    return counts.reindex(index=labels, columns=labels).fillna(0).astype(int)


def overall(counts: pd.DataFrame) -> dict[str, float]:
    """Accuracy, mean recall, macro-F1 and Matthews' correlation, as the models' `evaluate`.

    The mean recall is over the labels that occur, macro-F1 over those that occur or were given.
    With a single label that occurs the correlation is missing.
    """
    values = counts.to_numpy(dtype=float)
    n_cells, right = values.sum(), np.diag(values)
    occurs, given = values.sum(axis=1), values.sum(axis=0)
    if n_cells == 0:
        return dict.fromkeys(("accuracy", "balanced accuracy", "macro-F1", "MCC"), math.nan)
    known = occurs > 0
    either = known | (given > 0)
    spread = math.sqrt((n_cells**2 - (given**2).sum()) * (n_cells**2 - (occurs**2).sum()))
    matthews = (right.sum() * n_cells - occurs @ given) / spread if spread else 0.0
    if known.sum() < 2:
        matthews = math.nan
    return {
        "accuracy": float(right.sum() / n_cells),
        "balanced accuracy": float((right[known] / occurs[known]).mean()),
        "macro-F1": float((2 * right[either] / (occurs + given)[either]).mean()),
        "MCC": float(matthews),
    }


def by_class(counts: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall and F1 of each label; missing where there is nothing to divide by."""
    values = counts.to_numpy(dtype=float)
    right, occurs, given = np.diag(values), values.sum(axis=1), values.sum(axis=0)
    wrong = values - np.diag(right)
    often = [
        f"{counts.columns[row.argmax()]} ({row.max():.0f})" if row.any() else "" for row in wrong
    ]
    return pd.DataFrame(
        {
            "class": counts.index.astype(str),
            "cells": occurs.astype(int),
            "predicted": given.astype(int),
            "recall": _share(right, occurs),
            "precision": _share(right, given),
            "F1": _share(2 * right, occurs + given),
            "most often taken for": often,
        }
    )


def _share(part: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
