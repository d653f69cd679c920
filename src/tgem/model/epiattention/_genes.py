"""Parts of the data that never share a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.validate import check_count, check_key
from tgem.data import LEAVE_SPLIT, Split, grouped_split, split_from_column, stratified_split
from tgem.data._splits import dense_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.data import Data

GENE_KEY = "gene_id"
OTHER_NAMES = {"valid": "validation", "val": "validation"}
N_LEVELS = 4

Array = np.ndarray[Any, Any]


def gene_names(data: Data, gene_key: str | None) -> Array:
    """Gene of each observation."""
    if gene_key is None:
        column = data.obs[GENE_KEY] if GENE_KEY in data.obs else data.obs_names.to_series()
    else:
        check_key(data, "obs", gene_key)
        column = data.obs[gene_key]
    if column.isna().any():
        msg = (
            f"Expected a gene for every observation in .obs[{gene_key or GENE_KEY!r}], found "
            f"{int(column.isna().sum())} without."
        )
        raise ValueError(msg)
    names: Array = column.astype(str).to_numpy()
    return names


def groups_of(data: Data, gene_key: str | None, group_key: str | None) -> Array:
    """What is kept on one side: the gene, or a larger group such as its chromosome."""
    genes = gene_names(data, gene_key)
    if group_key is None:
        return genes
    check_key(data, "obs", group_key)
    if data.obs[group_key].isna().any():
        n_missing = int(data.obs[group_key].isna().sum())
        msg = f"Expected a value for every observation in .obs[{group_key!r}], found "
        msg += f"{n_missing} missing ones."
        raise ValueError(msg)
    groups: Array = data.obs[group_key].astype(str).to_numpy()
    n_groups = pd.Series(groups).groupby(genes).nunique()
    several = n_groups[n_groups > 1]
    if len(several):
        msg = (
            f"Expected each gene in one group of .obs[{group_key!r}], found {len(several)} genes "
            f"in several: {listed(several.index)}."
        )
        raise ValueError(msg)
    return groups


def warn_of_single_genes(data: Data, gene_key: str | None, cell_type_key: str) -> None:
    """Say so where several cell types share no gene: the genes may have other names."""
    genes, cell_types = gene_names(data, gene_key), data.obs[cell_type_key]
    if cell_types.nunique() < 2 or len(np.unique(genes)) < len(genes):
        return
    named = gene_key is not None or GENE_KEY in data.obs
    where = f".obs[{gene_key or GENE_KEY!r}]" if named else "the names of the observations"
    columns = [name for name in data.obs if _may_name_genes(data.obs, name, cell_type_key)]
    advice = (
        f"Pass the column with the gene, such as `gene_key={columns[0]!r}`"
        if columns
        else f"Write the gene of each observation into .obs[{GENE_KEY!r}], or pass `gene_key`"
    )
    msg = (
        f"No gene is in two of the {cell_types.nunique()} cell types of .obs[{cell_type_key!r}]: "
        f"{where} are taken for the genes, such as {listed(genes[:2])}. If these are genes in cell "
        "types, a gene may be trained on in one cell type and tested in another, and the scores "
        f"are too good. {advice}, or `group_key` with larger groups."
    )
    warn(msg, TrainingWarning)


def _may_name_genes(obs: pd.DataFrame, name: Any, cell_type_key: str) -> bool:
    """Whether a column names what occurs in several cell types, and in each of them once."""
    column = obs[name]
    if name == cell_type_key or pd.api.types.is_numeric_dtype(column) or column.isna().any():
        return False
    table = pd.DataFrame({"gene": column.astype(str), "cell_type": obs[cell_type_key].astype(str)})
    return bool(table["gene"].duplicated().any() and not table.duplicated().any())


def levels(expression: Array, cell_type: Array) -> Array:
    """Class to keep balanced: quarter of expression within the cell type; -1 if not measured."""
    codes = np.full(len(expression), -1, dtype=np.int64)
    for code in np.unique(cell_type):
        measured = np.flatnonzero((cell_type == code) & ~np.isnan(expression))
        values = expression[measured]
        if values.size == 0:
            continue
        limits = np.unique(np.quantile(values, np.arange(1, N_LEVELS) / N_LEVELS))
        codes[measured] = np.searchsorted(limits, values, side="left")
    return codes


def split_by_group(codes: Array, groups: Array, **sizes: Any) -> Split:
    """Split whole groups; single genes need no grouping."""
    used = groups[codes >= 0]
    if len(np.unique(used)) == len(used):
        return stratified_split(codes, **sizes)
    return grouped_split(codes, groups, **sizes)


def split_from_obs(data: Data, codes: Array, key: str, genes: Array) -> Split:
    """Read a user's split; raise if it puts a gene on two sides."""
    check_key(data, "obs", key)
    column = data.obs[key].astype(object).replace(OTHER_NAMES)
    split = split_from_column(column, codes, key, table=".obs", advice=LEAVE_SPLIT)
    sides = pd.Series(np.repeat(range(3), [len(part) for part in split]))
    n_sides = sides.groupby(genes[np.concatenate(split)]).nunique()
    torn = n_sides[n_sides > 1]
    if len(torn):
        msg = (
            f"Expected all observations of a gene in one part of .obs[{key!r}], found "
            f"{len(torn)} genes in several: {listed(torn.index)}. A model that has seen a gene in "
            "one cell type is not tested by the same gene in another. Split by gene."
        )
        raise ValueError(msg)
    return split


def folds(codes: Array, groups: Array, n_folds: int, seed: int) -> Iterator[Split]:
    """Each part of the genes is the test set once, the next one validates, the others train."""
    check_count("n_folds", n_folds)
    cells = np.flatnonzero(codes >= 0)
    n_groups = len(np.unique(groups[cells]))
    if not 3 <= n_folds <= n_groups:
        msg = (
            f"Expected `n_folds` between 3 (to train, validate and test) and the number of groups "
            f"of genes, {n_groups}, got {n_folds}."
        )
        raise ValueError(msg)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    classes = dense_codes(codes[cells], n_folds)
    parts = [cells[held] for _, held in splitter.split(cells, classes, groups[cells])]
    for fold, test in enumerate(parts):
        validation = (fold + 1) % n_folds
        train = [part for i, part in enumerate(parts) if i not in (fold, validation)]
        yield Split(np.sort(np.concatenate(train)), parts[validation], test)
