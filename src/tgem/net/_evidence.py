"""Evidence of regulation as a table of genes x factors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tgem._core.errors import listed

_LONG = ("factor", "gene")


def evidence_table(evidence: pd.DataFrame) -> pd.DataFrame:
    """Read evidence as genes x factors: 1 with, 0 without, missing where nothing was measured.

    Parameters
    ----------
    evidence
        Genes x factors of 0 and 1 (missing values allowed), or a long table with the columns
        ``factor``, ``gene`` and either ``significant`` or ``value``, both 0 and 1. In a long
        table the genes that a factor has no row for were not measured; of several rows of a pair
        the largest counts.

    Raises
    ------
    TypeError
        If it is no DataFrame.
    ValueError
        If it holds other values than 0, 1 and missing ones, repeated names, or nothing.
    """
    if not isinstance(evidence, pd.DataFrame):
        msg = (
            "Expected `evidence` to be a DataFrame, genes x factors or with the columns 'factor' "
            f"and 'gene', got {type(evidence).__name__}."
        )
        raise TypeError(msg)
    if set(_LONG) <= set(evidence.columns):
        table = _from_long(evidence)
    else:
        table = evidence
        for what, names in (("genes", table.index), ("factors", table.columns)):
            if names.has_duplicates:
                twice = names[names.duplicated()].unique()
                msg = f"Expected {what} of `evidence` to be there once, repeated: {listed(twice)}."
                raise ValueError(msg)
    wrong = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if wrong:
        msg = (
            "Expected `evidence` to hold 0 and 1, genes in rows and factors in columns; columns "
            f"that hold no numbers: {listed(wrong)}. Name the genes with `set_index`."
        )
        raise ValueError(msg)
    values = table.to_numpy(dtype=float)
    other = values[~np.isnan(values) & (values != 0) & (values != 1)]
    if other.size:
        found = listed(np.unique(other))
        msg = (
            f"Expected `evidence` to hold 0, 1 and missing values, found {found}. Say what counts "
            "as evidence, such as `evidence > threshold`."
        )
        raise ValueError(msg)
    if not values.size:
        sizes = f"{values.shape[0]} x {values.shape[1]}"
        msg = f"Expected `evidence` of genes x factors, found {sizes}."
        raise ValueError(msg)
    return pd.DataFrame(values, index=table.index.astype(str), columns=table.columns.astype(str))


def _from_long(table: pd.DataFrame) -> pd.DataFrame:
    """Knock-downs and the like: one row for each gene that was measured."""
    column = next((name for name in ("significant", "value") if name in table), None)
    if column is None:
        msg = (
            "Expected a column 'significant' or 'value' of 0 and 1 beside 'factor' and 'gene', "
            f"found {listed(table.columns, 12)}."
        )
        raise ValueError(msg)
    values = pd.to_numeric(table[column], errors="coerce").astype(float)
    if not values.dropna().isin((0, 1)).all() or (values.isna() & table[column].notna()).any():
        example = listed(table[column][~values.isin((0, 1))].unique(), 3)
        msg = (
            f"Expected 0 and 1 in the column {column!r} of `evidence`, found {example}. Say what "
            "counts as regulated, such as "
            "`table.assign(significant=(table['value'].abs() > 1) & (table['p_value'] < 0.01))`."
        )
        raise ValueError(msg)
    names = {name: table[name].astype(str) for name in _LONG}
    largest = values.groupby([names["gene"], names["factor"]]).max()
    return largest.unstack()  # noqa: PD010 - of a series with two names


def combined(table: pd.DataFrame) -> pd.DataFrame:
    """One row and one column of each name; the largest of several counts."""
    if table.index.has_duplicates:
        table = table.groupby(level=0, sort=False).max()
    if table.columns.has_duplicates:
        table = table.T.groupby(level=0, sort=False).max().T
    return table
