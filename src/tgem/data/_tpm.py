"""Checks that expression is in transcripts per million, before anything is learnt from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from tgem._core.errors import ExpressionWarning, warn
from tgem.data._matrix import Matrix, row_blocks

# log2 of a million is 20: the largest value of a sample is a larger number in TPM
LARGEST_LOG_TPM = 25.0
# TPM of a whole sample sum to one million, of some of its genes to less
LARGEST_TPM_SUM = 1.05e6


@dataclass(frozen=True)
class TpmSummary:
    """One pass over the values: range, totals of the samples, what is missing."""

    minimum: float
    maximum: float
    whole_numbers: bool
    n_missing: int
    n_infinite: int
    largest_total: float
    n_empty: int

    @property
    def looks_like_psi(self) -> bool:
        """Nothing outside 0 to 1: shares, as no sample's largest TPM is that small."""
        return self.minimum >= 0 and 0 < self.maximum <= 1


def summarize_tpm(matrix: Matrix) -> TpmSummary:
    """Scan a matrix block by block."""
    lows, highs, totals, whole, n_missing, n_infinite = [0.0], [0.0], [0.0], True, 0, 0
    n_empty = 0
    for block in row_blocks(matrix):
        values: Any = block.data if sparse.issparse(block) else np.asarray(block)
        n_missing += int(np.isnan(values).sum())
        n_infinite += int(np.isinf(values).sum())
        finite = values[np.isfinite(values)]
        if finite.size:
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
            whole = whole and bool((finite == np.rint(finite)).all())
        sums = np.asarray(block.sum(axis=1) if sparse.issparse(block) else np.nansum(block, axis=1))
        totals.append(float(sums.max(initial=0)))
        n_empty += int((sums == 0).sum())
    return TpmSummary(min(lows), max(highs), whole, n_missing, n_infinite, max(totals), n_empty)


def check_tpm(summary: TpmSummary, location: str) -> None:
    """Raise for values that are not TPM."""
    if summary.n_missing or summary.n_infinite:
        msg = (
            f"Expected finite TPM in {location}, found {summary.n_missing} missing (NaN) and "
            f"{summary.n_infinite} infinite values. Set genes that were not measured aside."
        )
        raise ValueError(msg)
    if summary.minimum < 0:
        msg = (
            f"Expected TPM in {location}, found values down to {summary.minimum:.3g}: TPM are "
            "never negative. Give the values before z-scoring or before the logarithm with a "
            "small offset (TPM = 2**value - offset); the model takes its own logarithms."
        )
        raise ValueError(msg)
    if summary.whole_numbers and summary.maximum > 1:
        msg = (
            f"Expected TPM in {location}, found whole numbers up to {summary.maximum:g}: these "
            "look like read counts. Name the layer that holds TPM, or divide counts by the length "
            "of the transcript and scale each sample to a sum of one million."
        )
        raise ValueError(msg)
    if summary.maximum <= LARGEST_LOG_TPM:
        msg = (
            f"Expected TPM in {location}, found no value above {summary.maximum:.3g}: these look "
            "like logarithms, or like shares of something other than a million. The model takes "
            "logarithms itself: undo them (`2**X - 1` for log2(1 + TPM), `np.expm1(X)` for log1p) "
            "or name the layer that holds TPM."
        )
        raise ValueError(msg)
    if summary.largest_total > LARGEST_TPM_SUM:
        msg = (
            f"Expected TPM in {location}, found a sample that sums to "
            f"{summary.largest_total:,.0f}: TPM of a sample sum to one million. Scale each with "
            "`X / X.sum(axis=1, keepdims=True) * 1e6` after dividing by transcript length."
        )
        raise ValueError(msg)
    if summary.n_empty:
        msg = f"{summary.n_empty} samples in {location} express nothing. Remove them."
        warn(msg, ExpressionWarning)


def check_expression_of_psi(summary: TpmSummary, location: str) -> None:
    """Raise for factor expression that no model can use; PSI needs no total of one million."""
    if summary.n_missing or summary.n_infinite or summary.minimum < 0:
        msg = (
            f"Expected linear, finite expression in {location}, found {summary.n_missing} missing, "
            f"{summary.n_infinite} infinite values, and a smallest value of {summary.minimum:.3g}."
        )
        raise ValueError(msg)
    if summary.maximum <= LARGEST_LOG_TPM:
        msg = (
            f"Expected linear expression in {location}, found no value above "
            f"{summary.maximum:.3g}: these look like logarithms, or like shares of something "
            "other than a million. Undo them, for example with `2**X - 1`: the model takes "
            "logarithms itself."
        )
        raise ValueError(msg)
