"""What is known of the samples: conditions, donors, phenotypes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.files import existing_file
from tgem.pp._text import broken_file_named, compression_of, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

SampleTable: TypeAlias = str | Path | pd.DataFrame


def sample_table(obs: SampleTable | None, samples: Sequence[str]) -> pd.DataFrame:
    """Rows of a table in the order of the samples; rows of others are left out.

    Parameters
    ----------
    obs
        Table whose index names the samples, or a file whose first column does.
    samples
        Names of the samples.
    """
    names = pd.Index(list(samples), dtype=object)
    if obs is None:
        return pd.DataFrame(index=names)
    table, location = _read(obs)
    table.index = table.index.astype(str)
    found = names.isin(table.index)
    if not found.any():
        msg = (
            f"Expected the samples in the {location}, found none of them: {listed(names[:3])} "
            f"against {listed(table.index[:3])}. Give the table the samples' names as index."
        )
        raise ValueError(msg)
    twice = table.index[table.index.duplicated()].intersection(names)
    if len(twice):
        msg = f"Expected each sample once in the {location}, found {listed(twice)} repeatedly."
        raise ValueError(msg)
    if not found.all():
        msg = (
            f"{int((~found).sum())} of {len(names)} samples are not in the {location}; its columns "
            f"are missing for them: {listed(names[~found])}."
        )
        warn(msg, GeneAlignmentWarning)
    rows = table.reindex(names)
    for column in rows.select_dtypes(["object", "string"]):
        rows[column] = rows[column].astype("category")
    return rows


def _read(obs: SampleTable) -> tuple[pd.DataFrame, str]:
    if isinstance(obs, pd.DataFrame):
        return obs.copy(), "index of `obs`"
    file = existing_file(obs, "a table of samples")
    packed = compression_of(file)
    separator = "\t" if "\t" in first_line(file) else ","
    with broken_file_named(file):
        try:
            table = pd.read_csv(file, sep=separator, index_col=0, compression=packed)
        except UnicodeDecodeError:  # phenotypes of some archives are not in UTF-8
            table = pd.read_csv(
                file, sep=separator, index_col=0, compression=packed, encoding="latin-1"
            )
    return table, f"first column of {file}"
