"""Networks of genes read from attention: their edges, and how exact they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.errors import ConvergenceWarning, warn

COLUMNS = ("class", "layer", "source", "target", "weight")
# Of the change of the output; and the change below which an error says nothing.
LARGE_RESIDUAL = 0.05
SMALLEST_CHANGE = 1e-3


class AttentionNetwork(NamedTuple):
    """Networks of genes, one for each class.

    Attributes
    ----------
    edges
        DataFrame: ``class``, ``layer``, ``source``, ``target``, ``weight``.
    layers
        DataFrame with a row for each class and layer: ``n_cells``, ``largest`` (the absolute
        weight before scaling that became 1), ``change`` (mean absolute change of the class's logit
        from the baseline's maps to the cell's own) and ``residual`` (the largest difference, in
        one cell, between the sum of its attributions and that change; 0 but for rounding where
        the integral has converged).
    cells
        Positions of the cells that were averaged over.
    """

    edges: pd.DataFrame
    layers: pd.DataFrame
    cells: np.ndarray[Any, Any]

    @classmethod
    def empty(cls) -> AttentionNetwork:
        """Return a network of no cells."""
        kinds = {"layer": np.int64, "weight": np.float64}
        edges = {name: pd.Series(dtype=kinds.get(name, object)) for name in COLUMNS}
        return cls(pd.DataFrame(edges), pd.DataFrame(), np.empty(0, dtype=int))


def check_completeness(layers: pd.DataFrame, n_steps: int) -> None:
    """Warn where attributions do not add up to the change that they explain."""
    limit = LARGE_RESIDUAL * layers["change"].clip(lower=SMALLEST_CHANGE)
    large = layers[layers["residual"] > limit]
    if len(large):
        worst = large.loc[large["residual"].idxmax()]
        msg = (
            f"In {len(large)} of {len(layers)} classes and layers the attributions do not add up "
            f"to the change of the logit: layer {worst['layer']} of {worst['class']!r} misses it "
            f"by {worst['residual']:.3g} in one cell, where the mean change is "
            f"{worst['change']:.3g}. Raise `n_steps`, now {n_steps}."
        )
        warn(msg, ConvergenceWarning)
