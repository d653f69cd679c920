"""Class markers from attributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.one_model import warn_of_two_models
from tgem._core.tables import summarized_attributions
from tgem._core.validate import check_count, chosen_classes
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

SCANPY_KEY = "rank_genes_groups"


def rank_genes(
    adata: AnnData,
    *,
    n_genes: int = 100,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Rank the genes of each class by their mean attribution.

    Unlike a test for differential expression this ranks genes by what the model used: a gene that
    differs between classes but repeats what others say may rank low.

    Parameters
    ----------
    adata
        Cells with the slots of :func:`tgem.tl.attribution`.
    n_genes
        Genes to keep per class.
    classes
        Classes to rank; ``None`` for all.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_rank_genes"]``, a long DataFrame with the
    columns

    ``class``, ``gene``, ``rank``
        rank 1 has the largest mean attribution;
    ``mean``, ``median``
        attribution over the cells that were given the label;
    ``share_expressing``
        share of these cells in which the attribution is not 0: with the zero baseline, those that
        express the gene.

    If ``adata.uns["rank_genes_groups"]`` holds scanpy's ranking of the same classes,
    ``.uns["tgem_rank_genes_params"]["agreement"]`` is, class by class, the share of the kept genes
    that are also among as many of scanpy's first (missing for classes that scanpy did not rank).

    Warns
    -----
    ResultsWarning
        If the classes of the attributions are not those of the predictions under the same prefix:
        they are of different models.

    Raises
    ------
    KeyError
        If there are no attributions.
    ValueError
        For an unknown class.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attribution(adata, model, n_steps=10)
    >>> tgem.tl.rank_genes(adata, n_genes=5)
    >>> ranking = adata.uns["tgem_rank_genes"]
    >>> ranking.groupby("class")["rank"].max().tolist()
    [5, 5, 5, 5]
    """
    check_count("n_genes", n_genes)
    means = summarized_attributions(adata, key_added)
    medians, shares = (
        summarized_attributions(adata, key_added, slot)
        for slot in (keys.ATTRIBUTION_MEDIAN, keys.ATTRIBUTION_SHARE)
    )
    chosen = chosen_classes(classes, means.columns.tolist())
    warn_of_two_models(adata, key_added)
    tables = []
    for label in chosen:
        top = means[label].dropna().nlargest(n_genes)
        tables.append(
            pd.DataFrame(
                {
                    "class": label,
                    "gene": top.index.astype(str),
                    "rank": np.arange(1, len(top) + 1),
                    "mean": top.to_numpy(),
                    "median": medians.loc[top.index, label].to_numpy(),
                    "share_expressing": shares.loc[top.index, label].to_numpy(),
                }
            )
        )
    target = target_of(adata, copy=copy)
    ranking = pd.concat(tables, ignore_index=True)
    keys.RANKING.write(target, ranking, key_added)
    record(
        target,
        keys.RANKING,
        key_added,
        {
            "n_genes": n_genes,
            "classes": np.array(chosen, dtype=object),
            "agreement": _agreement(adata, ranking, chosen),
        },
    )
    return target if copy else None


def _agreement(adata: AnnData, ranking: pd.DataFrame, classes: list[str]) -> np.ndarray[Any, Any]:
    """Overlap with scanpy's first genes, class by class."""
    groups = pd.DataFrame(adata.uns.get(SCANPY_KEY, {}).get("names", {}))
    shares = []
    for label in classes:
        ours = ranking.loc[ranking["class"] == label, "gene"]
        theirs = groups[label].head(len(ours)) if label in groups and len(ours) else None
        shares.append(np.nan if theirs is None else float(ours.isin(theirs).mean()))
    return np.array(shares)
