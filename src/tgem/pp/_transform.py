"""Scales that make the tracks of several samples comparable, only where asked for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from tgem._core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

TRANSFORMS = ("library_size", "log1p", "quantile")
NO_TRANSFORM = "none"
#: Signal of a whole file after ``library_size``, in bases times the track's unit.
LIBRARY_SIZE = 1e9
QUANTILES = np.linspace(0, 1, 10_001)


def transform_steps(transform: str | Sequence[str] | None) -> tuple[str, ...]:
    """Steps in their order; raises for unknown and repeated ones."""
    steps = (transform,) if isinstance(transform, str) else tuple(transform or ())
    unknown = [step for step in steps if step not in TRANSFORMS]
    if unknown or len(set(steps)) < len(steps):
        msg = (
            f"Expected `transform` to be one or several of {listed(TRANSFORMS)}, each once, such "
            f"as ('library_size', 'log1p'), got {transform!r}."
        )
        raise ValueError(msg)
    return steps


def shown_steps(steps: Sequence[str]) -> str:
    """Steps as one string, by which preparations are compared."""
    return "+".join(steps) or NO_TRANSFORM


def scaled_to_library(values: Array, total: float, file: object) -> Array:
    """Signal as if the whole file held `LIBRARY_SIZE`."""
    if not np.isfinite(total) or total <= 0:
        msg = (
            f"{file}: expected a total signal above 0 for `transform='library_size'`, found "
            f"{total:.3g}. Tracks of fold changes have no library size: leave the step out."
        )
        raise ValueError(msg)
    scaled: Array = values * np.float32(LIBRARY_SIZE / total)
    return scaled


def logarithm(values: Array, file: object) -> Array:
    """Logarithm of 1 + signal."""
    low = np.nanmin(values, initial=0.0)
    if low < 0:
        msg = (
            f"{file}: expected values of at least 0 for `transform='log1p'`, found values down to "
            f"{low:.3g}. A track of log fold changes needs no logarithm: leave the step out."
        )
        raise ValueError(msg)
    logged: Array = np.log1p(values)
    return logged


def quantiles_of(values: Array) -> Array:
    """Mean over samples ``(n_samples, ...)`` of the quantiles of their signal."""
    measured = [sample[~np.isnan(sample)] for sample in values]
    reference: Array = np.mean([np.quantile(s, QUANTILES) for s in measured if s.size], axis=0)
    return reference


def to_quantiles(values: Array, reference: Array) -> Array:
    """Give each sample the distribution of the reference; equal values stay equal."""
    result = values.copy()
    for sample in result:
        measured = ~np.isnan(sample)
        n = int(measured.sum())
        ranks = (stats.rankdata(sample[measured]) - 1) / max(n - 1, 1)
        sample[measured] = np.interp(ranks, QUANTILES, reference)
    return result


def fingerprint(quantiles: Array) -> str:
    """Short name of reference quantiles, by which preparations are compared."""
    rounded = np.ascontiguousarray(quantiles, dtype=np.float32)
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:16]
