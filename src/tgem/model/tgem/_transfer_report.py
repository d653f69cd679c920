"""What a transfer found in each batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem.model.tgem._levels import BLOCK
from tgem.model.tgem._totals import is_unusual, totals_of, warn_of_totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from tgem.model.tgem._transfer_alignment import Shift
    from tgem.model.tgem._transfer_cells import GivenCells
    from tgem.model.tgem._transfer_reference import TransferReference

Array = np.ndarray[Any, Any]


def describe_batches(
    read: Callable[[Array], Array],
    reference: TransferReference,
    cells: GivenCells,
    *,
    shift: Shift,
    confidence: Array,
    check_totals: bool,
) -> pd.DataFrame:
    """What was found in each batch; warns of totals that differ from the training cells'.

    Parameters
    ----------
    read
        Gives the expression of the found genes, of cells at some positions.
    reference
        The training cells, of the found genes.
    cells
        Batches and labels.
    shift
        What was added to each batch.
    confidence
        Probability of each cell's label.
    check_totals
        Whether values are logarithms, whose totals can be compared.
    """
    detected, totals = [], []
    for start in range(0, len(confidence), BLOCK):
        values = read(np.arange(start, min(start + BLOCK, len(confidence))))
        detected.append((values > 0).sum(axis=1))
        totals.append(totals_of(values))
    in_training = max(float(reference.gene_total.sum()), 1e-12)
    per_cell = pd.DataFrame(
        {
            "n_obs": 1,
            "n_labelled": cells.labels >= 0,
            "mean_confidence": confidence,
            "genes_detected": np.concatenate(detected),
            "relative_total": np.concatenate(totals) / in_training,
        }
    )
    how = dict(zip(per_cell, ("sum", "sum", "mean", "median", "median"), strict=True))
    table = per_cell.groupby(cells.batches).agg(how).set_axis(cells.names, axis=0)
    table["genes_detected_in_training"] = float(reference.gene_detected.sum())
    table["shift"] = np.sqrt((shift.offsets**2).mean(axis=1))
    table["shift_kept"] = shift.kept
    unusual = table.index[is_unusual(table["relative_total"])]
    if len(unusual) and check_totals:
        warn_of_totals(table.loc[unusual[0], "relative_total"], listed(unusual))
    return table
