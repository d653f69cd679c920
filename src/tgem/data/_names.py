"""Identifiers with and without the version that Ensembl and GENCODE append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

# ENSG00000012048.23 but not a symbol with a dot, such as RP11-34P13.7
_VERSION = r"^(ENS[A-Z]*\d{6,})\.\d+(_PAR_Y)?$"


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
    return pd.Index(names.astype(str).str.replace(_VERSION, r"\1\2", regex=True))


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


class Identifiers(NamedTuple):
    """Where genes were found among several kinds of identifiers of the same genes.

    Attributes
    ----------
    columns
        Position of each wanted gene, -1 where absent.
    matched_by
        Where the identifiers that found most of them are, and whether without their version.
    """

    columns: np.ndarray[Any, Any]
    matched_by: str


def match_identifiers(wanted: pd.Index, available: Mapping[str, pd.Index]) -> Identifiers:
    """Find genes by the identifiers that find most of them; the first ones where they tie.

    Each kind is tried as it is and without the versions of Ensembl ids. A name that occurs twice
    in it finds nothing: which of the two genes is meant, it does not say.

    Parameters
    ----------
    wanted
        Genes to look for.
    available
        Identifiers of the genes to look among, by where they are.
    """
    wanted = wanted.astype(str)
    best = Identifiers(np.full(len(wanted), -1), next(iter(available)))
    most = 0
    for place, names in available.items():
        for bare in (False, True):
            ours, theirs = (unversioned(n) if bare else n.astype(str) for n in (wanted, names))
            columns = _positions_of_single(ours, theirs)
            n_found = int((columns >= 0).sum())
            if n_found > most:
                described = f"{place} without version suffixes" if bare else place
                best, most = Identifiers(columns, described), n_found
    return best


def _positions_of_single(wanted: pd.Index, available: pd.Index) -> np.ndarray[Any, Any]:
    """Position of each name that occurs once on either side, else -1."""
    single = ~available.duplicated(keep=False)
    columns = np.flatnonzero(single)[available[single].get_indexer(wanted)] if single.any() else -1
    known = available[single].get_indexer(wanted) >= 0
    return np.where(known & ~wanted.duplicated(keep=False), columns, -1)
