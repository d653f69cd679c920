"""Splits that the user can see, keep and reuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem._core import keys
from tgem._core.validate import check_data, check_key
from tgem.data import grouped_split, label_codes, split_column, stratified_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData


def split(
    adata: AnnData,
    labels_key: str,
    *,
    group_key: str | None = None,
    train_size: float = 0.8,
    validation_size: float = 0.1,
    unlabeled_category: str | None = None,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Divide cells into training, validation and test cells, class by class.

    With `group_key`, all cells of one donor, patient or sample end up in the same part: a test on
    cells of donors that the model has seen says little about the next donor.

    Parameters
    ----------
    adata
        Cells with labels.
    labels_key
        Column of ``adata.obs`` with the labels; cells without one are in no part.
    group_key
        Column of ``adata.obs`` with the groups to keep together; ``None`` to split single cells.
    train_size, validation_size
        Shares of the cells; the rest is the test set. Groups are kept whole, so with `group_key`
        the shares are met as nearly as the groups' sizes allow.
    unlabeled_category
        Label that stands for "not labelled".
    seed
        Seed of the permutation.
    key_added
        Prefix of the column, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.obs["tgem_split"]``: categorical with ``"train"``,
    ``"validation"`` and ``"test"``, missing for cells without a label.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If the shares exceed 1, if there are fewer groups than parts, or if a labelled cell has no
        group.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.pp.split(adata, "cell_type", group_key="donor")
    >>> bool((adata.obs.groupby("donor", observed=True)["tgem_split"].nunique() == 1).all())
    True
    """
    check_data(adata)
    check_key(adata, "obs", labels_key)
    codes = label_codes(adata.obs[labels_key], unlabeled_category)
    sizes = {"train_size": train_size, "validation_size": validation_size}
    if group_key is None:
        parts = stratified_split(codes, **sizes, seed=seed)
    else:
        check_key(adata, "obs", group_key)
        groups = _groups_of(adata.obs[group_key], codes >= 0)
        parts = grouped_split(codes, groups, **sizes, seed=seed)
    target = adata.copy() if copy else adata
    keys.SPLIT.write(target, split_column(parts, target.obs_names), key_added)
    return target if copy else None


def _groups_of(column: pd.Series[Any], is_labelled: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Group of each cell; raises if a labelled one has none."""
    missing = int((column.isna().to_numpy() & is_labelled).sum())
    if missing:
        msg = (
            f"Expected a group for every labelled cell in adata.obs[{column.name!r}], found "
            f"{missing} of {int(is_labelled.sum())} missing. Name it, or leave these cells out."
        )
        raise ValueError(msg)
    return column.astype(str).to_numpy()
