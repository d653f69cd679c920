"""Files of marks, of one cell type or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core.errors import listed
from tgem._tracks import track_kind
from tgem.pp._places import cell_type_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    Array = np.ndarray[Any, Any]


def mark_files(tracks: Mapping[str, Any]) -> tuple[list[str], list[str], list[list[Path]]]:
    """Names of cell types and marks, and the files, cell types x marks."""
    nested = isinstance(tracks, Mapping) and [isinstance(v, Mapping) for v in tracks.values()]
    if not nested or any(nested) != all(nested):
        msg = (
            "Expected `tracks` to name a file for each mark, {'H3K4me3': 'h3k4me3.bw', ...}, or "
            "the marks of each cell type, {'liver': {'H3K4me3': ...}, 'brain': {...}}, got "
            f"{tracks!r:.200}."
        )
        raise ValueError(msg)
    samples = cell_type_names(tracks, "tracks") if all(nested) else []
    rows = list(tracks.values()) if all(nested) else [tracks]
    marks = [str(mark) for mark in rows[0]]
    for sample, row in zip(samples, rows, strict=False):
        if {str(mark) for mark in row} != set(marks) or not marks:
            msg = (
                f"Expected the same marks in every cell type, found {listed(marks)} in "
                f"{samples[0]!r} and {listed(row)} in {sample!r}. Leave out marks that are not "
                "measured everywhere."
            )
            raise ValueError(msg)
    paths = [{str(mark): track_kind(file)[0] for mark, file in row.items()} for row in rows]
    return samples, marks, [[row[mark] for mark in marks] for row in paths]


def mark_file_table(
    samples: Sequence[str], marks: Sequence[str], files: list[list[Path]], total: Array
) -> pd.DataFrame:
    """Names of the files, without their folders, and their total signal."""
    rows = [
        (sample, mark, files[i][j].name, total[i, j])
        for i, sample in enumerate(samples or [""])
        for j, mark in enumerate(marks)
    ]
    table = pd.DataFrame(rows, columns=["cell_type", "mark", "file", "total_signal"])
    return table if samples else table.drop(columns="cell_type")
