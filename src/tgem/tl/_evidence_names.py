"""Genes and factors of evidence under the names that the data have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

_SYMBOLS = ("gene_symbol", "symbol", "gene_name")


def renamed(names: Iterable[str], candidates: pd.Index, var: pd.DataFrame) -> pd.Index:
    """The candidate of each name: the same, without version suffix, or with that symbol.

    Parameters
    ----------
    names
        Names of genes, as identifiers or symbols.
    candidates
        Names to find, of the index of `var`. Of several with one symbol the first counts.
    var
        Table of the genes, which may hold symbols.

    Returns
    -------
    For each name the candidate, or the name as it is where there is none.
    """
    known = {str(name): str(name) for name in candidates}
    bare: dict[str, str] = {}
    for name in known:
        bare.setdefault(_without_version(name), name)
    symbols: dict[str, str] = {}
    column = next((key for key in _SYMBOLS if key in var), None)
    if column is not None:
        for name, symbol in var[column].reindex(candidates).dropna().astype(str).items():
            symbols.setdefault(symbol, str(name))
    found = [
        known.get(name) or bare.get(_without_version(name)) or symbols.get(name, name)
        for name in map(str, names)
    ]
    return pd.Index(found, dtype=object)


def _without_version(name: str) -> str:
    stem, dot, version = name.rpartition(".")
    return stem if dot and version.isdigit() and stem.startswith("ENS") else name
