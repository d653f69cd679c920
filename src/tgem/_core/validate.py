"""Checks of arguments that every public function shares, in one error grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from tgem._core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raise unless `value` is one of `choices`."""
    if value not in choices:
        msg = f"Expected `{name}` to be one of {listed(choices, 20)}, got {value!r}."
        raise ValueError(msg)


def check_positive(name: str, value: float) -> None:
    """Raise unless `value` is a number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not value > 0:
        msg = f"Expected `{name}` to be above 0, got {value!r}."
        raise ValueError(msg)


def check_dropout(value: object) -> None:
    """Raise unless `value` is a share below 1, or None."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value < 1):  # type: ignore[operator]
        msg = f"Expected `dropout` to be at least 0 and below 1, got {value!r}."
        raise ValueError(msg)


def check_count(name: str, value: object) -> None:
    """Raise unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        msg = f"Expected `{name}` to be a whole number of at least 1, got {value!r}."
        raise ValueError(msg)


def chosen_classes(classes: Sequence[str] | str | None, known: Sequence[str]) -> list[str]:
    """All known classes, or those asked for, each once."""
    if classes is None:
        return list(known)
    chosen = [classes] if isinstance(classes, str) else [str(label) for label in classes]
    unknown = [label for label in chosen if label not in known]
    if unknown or not chosen:
        msg = (
            f"Expected `classes` to name classes in the results, got {listed(unknown)}. "
            f"Known: {listed(known, 40)}."
        )
        raise ValueError(msg)
    return list(dict.fromkeys(chosen))


def check_data(data: Any, kind: Any = AnnData) -> None:
    """Raise unless the object is of the right kind and holds cells and genes."""
    name = "adata" if kind is AnnData else "mdata"
    if not isinstance(data, kind):
        kinds = " or ".join(each.__name__ for each in getattr(kind, "__args__", (kind,)))
        msg = f"Expected `{name}` to be of type {kinds}, got {type(data).__name__}."
        raise TypeError(msg)
    if data.n_obs == 0 or data.n_vars == 0:
        msg = (
            f"Expected `{name}` to hold cells and genes, found {data.n_obs} cells x "
            f"{data.n_vars} genes. Look at the filter that was applied last."
        )
        raise ValueError(msg)


def check_key(adata: Any, container: str, key: str, called: str = "adata") -> None:
    """Raise unless `key` is in `adata.<container>`, naming what is."""
    available = getattr(adata, container)
    if key not in available:
        names = [str(name) for name in available]
        found = f"Available: {listed(names, 12)}." if names else f"{called}.{container} is empty."
        msg = f"Expected {key!r} in {called}.{container}. {found}"
        raise KeyError(msg)


def cell_indices(
    indices: Sequence[int] | np.ndarray[Any, Any] | None, n_obs: int
) -> np.ndarray[Any, Any]:
    """Positions of cells from positions, a boolean mask, or None for all cells."""
    if indices is None:
        return np.arange(n_obs)
    positions = np.asarray(indices)
    if positions.dtype == bool:
        if positions.shape != (n_obs,):
            msg = f"Expected a boolean mask of {n_obs} cells, got shape {positions.shape}."
            raise ValueError(msg)
        return np.flatnonzero(positions)
    if positions.size and positions.dtype.kind not in "iu":
        msg = f"Expected whole numbers or a boolean mask as `indices`, found {positions.dtype}."
        raise TypeError(msg)
    positions = positions.astype(np.int64).ravel()
    if positions.size and (positions.min() < -n_obs or positions.max() >= n_obs):
        msg = (
            f"Expected `indices` between 0 and {n_obs - 1}, found "
            f"{positions.min()} to {positions.max()}."
        )
        raise IndexError(msg)
    return positions % n_obs if positions.size else positions
