"""Identifiers with and without the version that Ensembl and GENCODE append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tgem._core.errors import listed

if TYPE_CHECKING:
    import numpy as np

# ENSG00000012048.23 but not a symbol with a dot, such as RP11-34P13.7
_VERSION = r"^(ENS[A-Z]*\d{6,})\.\d+$"


class Matched(NamedTuple):
    """Where names were found.

    Attributes
    ----------
    columns
        Position of each wanted name among the available ones, -1 where absent.
    without_version
        Whether some were found only by leaving the version away.
    """

    columns: np.ndarray[Any, Any]
    without_version: bool


def unversioned(names: pd.Index) -> pd.Index:
    """Names without the version of an Ensembl identifier; other names as they are."""
    return pd.Index(names.astype(str).str.replace(_VERSION, r"\1", regex=True))


def check_unique_names(names: pd.Index, location: str, kind: str) -> None:
    """Raise if a name occurs twice."""
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = (
            f"Expected unique {kind} in {location}, found {len(twice)} that occur more than once: "
            f"{listed(twice)}. Sum their TPM, or keep one of each."
        )
        raise ValueError(msg)


def match_names(wanted: pd.Index, available: pd.Index, location: str, *, kind: str) -> Matched:
    """Find names as they are, or, if that finds more of them, without their version.

    Parameters
    ----------
    wanted
        Names to look for.
    available
        Names to look among; each once.
    location
        Where the available names are, for messages.
    kind
        What the names are of, for messages: "genes", "isoforms".
    """
    exact = available.astype(str).get_indexer(wanted.astype(str))
    if (exact >= 0).all():
        return Matched(exact, without_version=False)
    bare_wanted, bare = unversioned(wanted), unversioned(available)
    if len(bare_wanted.intersection(bare)) <= len(wanted[exact >= 0].unique()):
        return Matched(exact, without_version=False)
    check_unique_names(bare, f"{location} without version suffixes", kind)
    return Matched(bare.get_indexer(bare_wanted), without_version=True)
