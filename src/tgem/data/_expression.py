"""What kind of expression values a matrix holds, and what to tell the user about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from tgem._core.errors import ExpressionWarning, warn
from tgem.data._matrix import Matrix, row_blocks

# log1p of a million counts is 13.8 and log2 of it 20: larger values were never logged
LARGEST_LOG_VALUE = 30.0
LARGEST_BINARY_VALUE = 1.0


@dataclass(frozen=True)
class ExpressionSummary:
    """One pass over the values: range, whether all are whole numbers, what is missing."""

    minimum: float
    maximum: float
    whole_numbers: bool
    n_not_finite: int
    n_empty_cells: int
    n_obs: int

    @property
    def looks_like_counts(self) -> bool:
        """Whole numbers above 1: counts, not logarithms."""
        return self.whole_numbers and self.minimum >= 0 and self.maximum > LARGEST_BINARY_VALUE

    @property
    def looks_linear(self) -> bool:
        """Values too large for a logarithm: TPM, CPM or normalised counts before log1p."""
        return not self.whole_numbers and self.maximum > LARGEST_LOG_VALUE


def summarize_expression(matrix: Matrix) -> ExpressionSummary:
    """Scan a matrix block by block."""
    minimum, maximum, whole, n_not_finite, n_empty, n_obs = 0.0, 0.0, True, 0, 0, 0
    first = True
    for block in row_blocks(matrix):
        n_obs += block.shape[0]
        values: np.ndarray[Any, Any] = block.data if sparse.issparse(block) else np.asarray(block)
        finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        n_not_finite += int(values.size - finite.sum())
        values = values if finite.all() else values[finite]
        n_empty += block.shape[0] - int(np.count_nonzero((block != 0).sum(axis=1)))
        if values.size == 0:
            continue
        low, high = float(values.min()), float(values.max())
        if sparse.issparse(block) and block.nnz < block.shape[0] * block.shape[1]:
            low, high = min(low, 0.0), max(high, 0.0)
        minimum, maximum = (low, high) if first else (min(minimum, low), max(maximum, high))
        first = False
        whole = whole and (values.dtype.kind in "iub" or bool((values == np.rint(values)).all()))
    return ExpressionSummary(minimum, maximum, whole, n_not_finite, n_empty, n_obs)


def check_log_normalized(summary: ExpressionSummary, location: str) -> None:
    """Raise for values that are no logarithms, warn for values that are unusual ones."""
    check_finite(summary, location)
    normalize = "`sc.pp.normalize_total(adata, target_sum=1e4); sc.pp.log1p(adata)`"
    if summary.looks_like_counts:
        msg = (
            f"Expected log1p-normalised expression in {location}, found whole numbers up to "
            f"{summary.maximum:g}: these look like raw counts. Normalise with {normalize}. If "
            "log-normalised values are in a layer or in adata.raw, say so at set-up "
            "(`layer=...`, `use_raw=True`); new data hold them in the same place."
        )
        raise ValueError(msg)
    if summary.looks_linear:
        msg = (
            f"Expected log1p-normalised expression in {location}, found values up to "
            f"{summary.maximum:g}: these look linear (TPM, CPM or size-factor normalised). Take "
            "logarithms with `sc.pp.log1p(adata)`."
        )
        raise ValueError(msg)
    if summary.minimum < 0:
        msg = (
            f"Expected log1p-normalised expression in {location}, found values down to "
            f"{summary.minimum:.3g}: negative values come from z-scoring (`sc.pp.scale`) or from "
            "logarithms with an offset. The model trains on them as they are, but an expression "
            "of 0 then means 'average' and not 'absent' when genes are attributed. If adata.raw "
            "holds the log-normalised values, pass `use_raw=True`."
        )
        warn(msg, ExpressionWarning)
    if summary.n_empty_cells:
        msg = (
            f"{summary.n_empty_cells} of {summary.n_obs} cells in {location} express none of the "
            "genes; their labels carry no information. Remove them with "
            "`sc.pp.filter_cells(adata, min_counts=1)`."
        )
        warn(msg, ExpressionWarning)


def check_same_scale(summary: ExpressionSummary, training_minimum: float, location: str) -> None:
    """Raise if z-scores are given to a model of log values, warn for the reverse."""
    if training_minimum >= 0 > summary.minimum:
        msg = (
            f"Expected values of at least 0 in {location}, as in the training data, found values "
            f"down to {summary.minimum:.3g}: z-scores? Give the model log1p-normalised values, "
            "for example `adata.raw.to_adata()`."
        )
        raise ValueError(msg)
    if training_minimum < 0 <= summary.minimum:
        msg = (
            f"The model was trained on values down to {training_minimum:.3g} (z-scores?), and "
            f"{location} holds none below 0: prepare the new data as the training data were."
        )
        warn(msg, ExpressionWarning)


def check_finite(summary: ExpressionSummary, location: str) -> None:
    """Raise if any value is NaN or infinite."""
    if summary.n_not_finite:
        msg = (
            f"Expected finite expression values in {location}, found {summary.n_not_finite} NaN "
            "or infinite ones. Look for a division by a zero size factor, or remove the cells "
            "and genes concerned, for example with `sc.pp.filter_cells(adata, min_counts=1)` "
            "before normalising."
        )
        raise ValueError(msg)
