"""Coarse and fine labels from one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem.tl._label_levels import label_levels
from tgem.tl._predicted_labels import colors_of, labels_of, probability_of, write_colors
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    Array = np.ndarray[Any, Any]


def label_hierarchy(
    adata: AnnData,
    hierarchy: Mapping[str, Any] | pd.DataFrame | Sequence[str],
    *,
    min_confidence: float = 0.5,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    r"""Label cells on coarse and fine levels that agree with each other.

    The probability of a coarse label is the sum over its classes: a cell that may be a naive or a
    memory T cell is surely a T cell,

    .. math:: P(\text{coarse}) = \sum_{c \in \text{coarse}} P(c).

    Labels are chosen from coarse to fine, each the most probable one **within the label above**,
    so the fine label never contradicts the coarse one. It can therefore differ from
    ``.obs["tgem_prediction"]``, where many classes share a coarse label's probability. The most
    specific label is that of the finest level whose probability reaches `min_confidence`.

    Parameters
    ----------
    adata
        Cells labelled by :func:`tgem.tl.predict`.
    hierarchy
        Coarse labels of the model's classes, in one of four forms: a dictionary from fine to
        coarse, ``{"CD4 T": "T cell", "CD8 T": "T cell", "B": "B cell"}``; a nested one from coarse
        to fine, with as many levels as you like,
        ``{"lymphoid": {"T cell": ["CD4 T", "CD8 T"], "B": []}}``; the names of columns of
        ``adata.obs`` with given labels, from fine to coarse, ``["cell_subtype", "cell_type"]``; or
        a DataFrame of such columns, of the training data for example. Labels that are no class of
        the model are left out.
    min_confidence
        Smallest probability, from 0 to 1, of the most specific label.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. With ``level1`` the coarsest, ``level2`` the next, and so on to
    the model's classes, writes

    ``.obs["tgem_level1"]``, ``.obs["tgem_level2"]``, ...
        the label of each level, categorical; of a cell that was predicted to be of no class, such
        as an unknown one, that prediction;
    ``.obs["tgem_level1_confidence"]``, ...
        its probability, float32; missing for cells of no class;
    ``.obsm["tgem_level1_probability"]``, ...
        DataFrames, cells x labels, float32, of all levels but the finest, which is in
        ``.obsm["tgem_probability"]``; a slash in a label becomes a bar in the column;
    ``.obs["tgem_most_specific"]``, ``.obs["tgem_most_specific_confidence"]``
        the most specific label that is confident enough, missing if none is, and its probability;
        cells of no class keep their prediction;
    ``.obs["tgem_most_specific_level"]``
        the number of its level, 0 for none;
    ``.uns["tgem_label_hierarchy"]``
        DataFrame, classes x levels; in ``.uns["tgem_label_hierarchy_params"]`` the settings and
        ``n_changed``, the number of cells whose finest label is not the predicted one.

    Raises
    ------
    KeyError
        If there are no predictions, or a column is not in ``adata.obs``.
    ValueError
        If a class has no or several coarse labels, if one name stands for two labels, or for a
        `min_confidence` outside 0 to 1; `adata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict(adata, model)
    >>> tgem.tl.label_hierarchy(adata, {"lymphoid": ["type_1", "type_2", "type_3"], "type_4": []})
    >>> adata.obs["tgem_level1"].cat.categories.tolist()
    ['lymphoid', 'type_4']
    """
    if isinstance(min_confidence, bool) or not 0 <= min_confidence <= 1:
        msg = f"Expected `min_confidence` from 0 to 1, got {min_confidence!r}."
        raise ValueError(msg)
    target = target_of(adata, copy=copy)
    predicted = labels_of(adata, key_added)
    fine = probability_of(adata, key_added)
    levels = label_levels(adata, hierarchy, list(fine.columns))
    tables = [_summed(fine, levels[name]) for name in levels]
    labels, confidence = _from_coarse_to_fine(tables, levels)
    # what was typed as unknown stays so on every level
    outside = ~predicted.isin(levels.index).to_numpy()
    labels[:, outside], confidence[:, outside] = predicted.astype(object)[outside], np.nan
    n_confident = (confidence >= min_confidence).sum(axis=0)
    others = [str(label) for label in predicted[outside].dropna().unique()]

    _remove_levels(target, key_added)
    for number, table in enumerate(tables, 1):
        names = dict.fromkeys([*table.columns, *others])
        values = pd.Categorical(labels[number - 1], list(names))
        _write_level(target, key_added, number, values)
        of_level = confidence[number - 1].astype(np.float32)
        keys.at_level(keys.LEVEL_CONFIDENCE, number).write(target, of_level, key_added)
        if number < len(tables):
            stored = table.set_axis(keys.column_names(table.columns), axis=1).astype(np.float32)
            keys.at_level(keys.LEVEL_PROBABILITY, number).write(target, stored, key_added)
    finest, own = np.maximum(n_confident - 1, 0), np.arange(len(fine))
    is_none = n_confident == 0
    names = dict.fromkeys([*(name for table in tables for name in table.columns), *others])
    specific = np.where(is_none & ~outside, None, labels[finest, own])
    keys.MOST_SPECIFIC.write(target, pd.Categorical(specific, list(names)), key_added)
    of_label = np.where(is_none, np.nan, confidence[finest, own]).astype(np.float32)
    keys.MOST_SPECIFIC_CONFIDENCE.write(target, of_label, key_added)
    keys.MOST_SPECIFIC_LEVEL.write(target, n_confident, key_added)

    keys.LABEL_HIERARCHY.write(target, levels, key_added)
    n_changed = int((labels[-1] != predicted.astype(object))[~outside].sum())
    params = {"min_confidence": float(min_confidence), "n_changed": n_changed}
    record(target, keys.LABEL_HIERARCHY, key_added, params)
    return target if copy else None


def _summed(fine: pd.DataFrame, labels: pd.Series[Any]) -> pd.DataFrame:
    """Probability of each label of a level, cells x labels."""
    names = list(dict.fromkeys(labels))
    members = (labels.to_numpy()[:, None] == np.array(names, dtype=object)).astype(float)
    return pd.DataFrame(np.minimum(fine.to_numpy() @ members, 1), fine.index, names)


def _from_coarse_to_fine(tables: list[pd.DataFrame], levels: pd.DataFrame) -> tuple[Array, Array]:
    """Most probable label of each level within the one above, and its probability."""
    cells = np.arange(len(tables[0]))
    labels = np.empty((len(tables), len(cells)), dtype=object)
    confidence = np.empty(labels.shape)
    for number, (level, table) in enumerate(zip(levels, tables, strict=True)):
        values = table.to_numpy()
        if number:
            above = levels.iloc[:, number - 1].groupby(levels[level], sort=False).first()
            is_below = above[table.columns].to_numpy() == labels[number - 1][:, None]
            values = np.where(is_below, values, -1)
        chosen = values.argmax(axis=1)
        labels[number] = table.columns.to_numpy(dtype=object)[chosen]
        confidence[number] = table.to_numpy()[cells, chosen]
    return labels, confidence


def _write_level(target: AnnData, prefix: str | None, number: int, labels: pd.Categorical) -> None:
    """Write the labels of a level; the classes themselves keep the colours that they have."""
    slot, names = keys.at_level(keys.LEVEL, number), list(labels.categories)
    slot.write(target, labels, prefix)
    prediction = keys.PREDICTION.key(prefix)
    known = set(target.obs[prediction].astype("category").cat.categories.astype(str))
    colors = colors_of(target, prediction, names) if known >= set(names) else None
    write_colors(target, slot.key(prefix), colors)


def _remove_levels(target: AnnData, prefix: str | None) -> None:
    """Remove what an earlier call with more levels wrote."""
    number = 1
    while (key := keys.at_level(keys.LEVEL, number).key(prefix)) in target.obs:
        for slot in (keys.LEVEL, keys.LEVEL_CONFIDENCE, keys.LEVEL_PROBABILITY):
            keys.at_level(slot, number).remove(target, prefix)
        target.uns.pop(f"{key}_colors", None)
        number += 1
