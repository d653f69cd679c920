"""One label for each cluster: the one that most of its cells were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.validate import check_key
from tgem.tl._predicted_labels import colors_of, labels_of, write_colors
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData


def majority_vote(
    adata: AnnData,
    groupby: str = "leiden",
    *,
    min_share: float = 0.5,
    heterogeneous: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Give all cells of a cluster the label that most of them were predicted to have.

    Neighbours in expression are mostly of one cell type, so a cluster's vote corrects single cells
    whose few transcripts mislead. It also erases rare cells that share a cluster with common
    ones: cluster finely, as with ``sc.tl.leiden(adata, resolution=5)``, and look at the share of
    each cluster that agrees.

    Parameters
    ----------
    adata
        Cells labelled by :func:`tgem.tl.predict`.
    groupby
        Column of ``adata.obs`` with the clusters, such as those of ``sc.tl.leiden``.
    min_share
        Smallest share of a cluster's cells, from 0 to 1, that must have the most frequent label
        for it to become the cluster's.
    heterogeneous
        Label for all cells of a cluster without a clear majority, one whose most frequent label
        has a smaller share or is tied with another: ``"Heterogeneous"``, for example. By default
        these cells keep the label that each was predicted to have.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["tgem_majority_vote"]``
        the label, categorical with the categories and colours of ``.obs["tgem_prediction"]``;
    ``.obs["tgem_majority_share"]``
        share of the cell's cluster with the cluster's most frequent label, float32;
    ``.uns["tgem_majority_vote_params"]``
        the settings, and ``clusters``, a DataFrame with ``cluster``, ``label`` (the most frequent),
        ``share``, ``n_cells`` and ``is_clear``.

    Raises
    ------
    KeyError
        If there are no predictions or no column `groupby`.
    ValueError
        If cells are in no cluster, if `groupby` holds fractional numbers, or for a `min_share`
        outside 0 to 1; `adata` is then unchanged.

    References
    ----------
    Majority votes over fine clusters for cell typing: :cite:t:`dominguezconde2022`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict(adata, model)
    >>> adata.obs["leiden"] = adata.obs["cell_type"].cat.codes.astype(str)  # stands for clusters
    >>> tgem.tl.majority_vote(adata, "leiden")
    >>> bool((adata.obs["tgem_majority_share"] >= 0.25).all())
    True
    """
    if isinstance(min_share, bool) or not 0 <= min_share <= 1:
        msg = f"Expected `min_share` from 0 to 1, got {min_share!r}."
        raise ValueError(msg)
    target = target_of(adata, copy=copy)
    labels = labels_of(adata, key_added)
    clusters = _clusters(adata, groupby)
    table = _votes(labels, clusters, min_share)
    own = table.iloc[clusters.cat.codes.to_numpy()]
    clear = own["is_clear"].to_numpy()
    categories = list(labels.cat.categories)
    if heterogeneous is not None and heterogeneous not in categories and not clear.all():
        categories.append(heterogeneous)
    otherwise = labels.astype(object).to_numpy() if heterogeneous is None else heterogeneous
    voted = pd.Categorical(np.where(clear, own["label"].to_numpy(), otherwise), categories)

    colors = colors_of(adata, keys.PREDICTION.key(key_added), categories)
    keys.MAJORITY_VOTE.write(target, voted, key_added)
    keys.MAJORITY_SHARE.write(target, own["share"].to_numpy(dtype=np.float32), key_added)
    write_colors(target, keys.MAJORITY_VOTE.key(key_added), colors)
    params = {"groupby": groupby, "min_share": float(min_share), "heterogeneous": heterogeneous}
    record(target, keys.MAJORITY_VOTE, key_added, params | {"clusters": table})
    return target if copy else None


def _clusters(adata: AnnData, groupby: str) -> pd.Series[Any]:
    """Clusters as categories of text; every cell must be in one."""
    if groupby not in adata.obs:
        try:
            check_key(adata, "obs", groupby)
        except KeyError as error:
            msg = f"{error.args[0]} `sc.tl.leiden(adata)` writes clusters into adata.obs['leiden']."
            raise KeyError(msg) from None
    column = adata.obs[groupby]
    n_missing = int(column.isna().sum())
    if n_missing:
        msg = (
            f"Expected every cell to be in a cluster of adata.obs[{groupby!r}], found "
            f"{n_missing} of {adata.n_obs} without one, such as "
            f"{listed(column.index[column.isna()], 3)}. Cluster all cells, or take a subset."
        )
        raise ValueError(msg)
    if column.dtype.kind == "f" and not (column == column.round()).all():
        msg = (
            f"Expected clusters in adata.obs[{groupby!r}], found {column.nunique()} fractional "
            "numbers. Name a column of clusters."
        )
        raise ValueError(msg)
    clusters = column.astype("category").cat.remove_unused_categories()
    return clusters.cat.rename_categories([str(name) for name in clusters.cat.categories])


def _votes(labels: pd.Series[Any], clusters: pd.Series[Any], min_share: float) -> pd.DataFrame:
    """Most frequent label of each cluster; cells without a label count, but vote for none."""
    names, places = clusters.cat.categories, clusters.cat.codes.to_numpy()
    voters = labels.cat.codes.to_numpy() >= 0
    counts = np.zeros((len(names), len(labels.cat.categories)), dtype=int)
    np.add.at(counts, (places[voters], labels.cat.codes.to_numpy()[voters]), 1)
    most = counts.max(axis=1)
    n_cells = np.bincount(places, minlength=len(names))
    is_tied = (counts == most[:, None]).sum(axis=1) > 1
    most_frequent = labels.cat.categories.to_numpy()[counts.argmax(axis=1)]
    return pd.DataFrame(
        {
            "cluster": names.to_numpy(),
            "label": np.where(most > 0, most_frequent, ""),
            "share": most / n_cells,
            "n_cells": n_cells,
            "is_clear": (most / n_cells >= min_share) & ~is_tied & (most > 0),
        }
    )
