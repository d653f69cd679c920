"""From what a user writes about coarse and fine labels to one table: classes x levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_key

if TYPE_CHECKING:
    from anndata import AnnData

Path = tuple[str, ...]


def label_levels(adata: AnnData, hierarchy: Any, classes: list[str]) -> pd.DataFrame:
    """Label of each class at each level, ``level1`` the coarsest, the last the class itself."""
    path_of = _of_one_parent(_paths(adata, hierarchy))
    absent = [label for label in classes if label not in path_of]
    if absent:
        msg = (
            f"Expected `hierarchy` to place each of the model's {len(classes)} classes, found no "
            f"place for {listed(absent)}. It places {listed(path_of, 12)}."
        )
        raise ValueError(msg)
    paths = [path_of[label] for label in classes]
    n_levels = max(map(len, paths))
    rows = [(*path, *[path[-1]] * (n_levels - len(path))) for path in paths]
    columns = [f"level{number}" for number in range(1, n_levels + 1)]
    levels = pd.DataFrame(rows, index=pd.Index(classes, name="class"), columns=columns)
    _check_names(levels)
    return levels


def _paths(adata: AnnData, hierarchy: Any) -> list[Path]:
    """Ways from the coarsest label down to each class."""
    if isinstance(hierarchy, Mapping):
        is_flat = [isinstance(below, str) for below in hierarchy.values()]
        if hierarchy and all(is_flat):
            return [(str(coarse), str(fine)) for fine, coarse in hierarchy.items()]
        return _below(hierarchy, ())
    if isinstance(hierarchy, pd.DataFrame):
        return _of_columns(hierarchy)
    columns = [hierarchy] if isinstance(hierarchy, str) else list(hierarchy)
    for column in columns:
        check_key(adata, "obs", column)
    return _of_columns(adata.obs[columns])


def _below(tree: Mapping[str, Any], above: Path) -> list[Path]:
    paths: list[Path] = []
    for name, below in tree.items():
        here = (*above, str(name))
        if isinstance(below, Mapping):
            paths += _below(below, here) if below else [here]
        elif isinstance(below, str) or not isinstance(below, Sequence):
            msg = (
                "Expected `hierarchy` to be a dictionary from fine to coarse labels, all of them "
                "text, or from coarse labels to lists or dictionaries of finer ones, found "
                f"{below!r} under {' > '.join(here)!r}. For a label without finer ones write an "
                "empty list."
            )
            raise ValueError(msg)
        else:
            paths += [(*here, str(label)) for label in below] or [here]
    return paths


def _of_columns(table: pd.DataFrame) -> list[Path]:
    """Each combination of labels in columns that go from fine to coarse."""
    if table.shape[1] < 2:
        msg = (
            "Expected at least two columns, from the fine to the coarse labels, found "
            f"{listed(table.columns) or 'none'}."
        )
        raise ValueError(msg)
    rows = table.dropna().astype(str).drop_duplicates()
    return [tuple(reversed(row)) for row in rows.itertuples(index=False, name=None)]


def _of_one_parent(paths: list[Path]) -> dict[str, Path]:
    """The path of each class; a label must have one label above it, whichever level it is on."""
    path_of: dict[str, Path] = {}
    above: dict[tuple[int, str], Path] = {}
    for path in paths:
        for depth in range(1, len(path)):
            known = above.setdefault((depth, path[depth]), path[:depth])
            if known != path[:depth]:
                msg = (
                    f"Expected one coarse label for each fine one, found {path[depth]!r} in "
                    f"{' > '.join(known)!r} and in {' > '.join(path[:depth])!r}."
                )
                raise ValueError(msg)
        if path_of.setdefault(path[-1], path) != path:
            msg = (
                f"Expected one place for each label, found {path[-1]!r} at "
                f"{' > '.join(path_of[path[-1]])!r} and at {' > '.join(path)!r}."
            )
            raise ValueError(msg)
    return path_of


def _check_names(levels: pd.DataFrame) -> None:
    """Refuse a name that stands for different labels on two levels."""
    for at, coarse in enumerate(levels.columns):
        names = set(levels[coarse])
        for fine in levels.columns[at + 1 :]:
            other = levels[levels[fine].isin(names) & (levels[fine] != levels[coarse])]
            if len(other):
                name, parent = other[fine].iloc[0], other[coarse].iloc[0]
                msg = (
                    f"Expected different names for different labels, found {name!r} within "
                    f"{parent!r} and as a coarse label of its own. Rename one of the two."
                )
                raise ValueError(msg)
