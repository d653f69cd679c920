"""One MuData of all that was measured around the genes, and their expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mudata import MuData

from tgem._core.errors import listed
from tgem._core.mudata_compat import columns_stay
from tgem.data import GRIDS, preparation_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

SHARED = ("gene_id", "cell_type", "chrom")


def epigenome_mudata(
    modalities: Mapping[str, AnnData],
    expression: pd.DataFrame | pd.Series[Any] | None = None,
) -> MuData:
    """Join histone marks, methylation and factors of the same genes, and add expression.

    Parameters
    ----------
    modalities
        Results of :func:`bin_signal`, :func:`methylation_sequence` and :func:`tf_features`, or
        some of them, by the names ``"histone"``, ``"methylation"`` and ``"tf"``.
    expression
        Expression of the genes: a Series with genes as index, or a DataFrame genes x cell types.
        ``None`` if nothing was measured.

    Returns
    -------
    MuData, ready for :meth:`tgem.model.EpiAttention.setup_mudata`, with the modalities as they
    are, and in ``.obs`` of the whole ``gene_id``, ``cell_type`` and ``chrom`` where they are
    known, and ``expression``, missing for genes without. Genes that a modality lacks are masked
    by the model.

    Raises
    ------
    ValueError
        For other names, modalities without genes in common, of different genomes, or with and
        without cell types; or expression of other genes or cell types.

    Examples
    --------
    >>> import pandas as pd
    >>> import tgem
    >>> edges = pd.DataFrame({"tf": ["GATA1", "GATA1"], "target": ["HBB", "KLF1"]})
    >>> expression = pd.Series({"HBB": 9.0, "KLF1": 5.0, "GATA1": 6.0})
    >>> tf = tgem.pp.tf_features(edges, expression)
    >>> mdata = tgem.pp.epigenome_mudata({"tf": tf}, expression)
    >>> mdata.obs["expression"].tolist()
    [9.0, 5.0, 6.0]
    """
    unknown = [name for name in modalities if name not in GRIDS]
    if unknown or not modalities:
        msg = f"Expected `modalities` to be some of {listed(GRIDS)}, got {listed(modalities)}."
        raise ValueError(msg)
    _check_joined(modalities)
    parts = [
        modality.obs[[name for name in SHARED if name in modality.obs]].astype(object)
        for modality in modalities.values()
    ]
    obs = parts[0]
    for part in parts[1:]:
        order = obs.index.append(part.index.difference(obs.index, sort=False))
        obs = obs.combine_first(part).loc[order]
    obs = obs[[name for name in SHARED if name in obs]]
    for name in obs.columns.drop("gene_id"):
        categories = [str(value) for value in dict.fromkeys(obs[name].dropna())]
        obs[name] = pd.Categorical(obs[name], categories=categories)
    if expression is not None:
        obs["expression"] = _expression_of(obs, expression)
    with columns_stay():
        # Names of observations pair the modalities; a gene that one lacks would come last.
        mdata = MuData(dict(modalities))[obs.index].copy()
        mdata.obs = obs
    return mdata


def _check_joined(modalities: Mapping[str, AnnData]) -> None:
    """Raise unless modalities are of the same genes, cell types and genome."""
    first = next(iter(modalities))
    typed = {name: "cell_type" in modality.obs for name, modality in modalities.items()}
    genomes: dict[str, str] = {}
    for name, modality in modalities.items():
        if "gene_id" not in modality.obs or not modality.obs_names.is_unique:
            msg = (
                f"Expected .obs['gene_id'] and unique names of observations in {name!r}, as "
                "`tgem.pp.bin_signal`, `methylation_sequence` and `tf_features` give them."
            )
            raise ValueError(msg)
        genome = preparation_of(modality).get("genome")
        if genome is not None:
            genomes[name] = genome
        if not modality.obs_names.isin(modalities[first].obs_names).any():
            msg = (
                f"Expected the same genes in all modalities, found {listed(modality.obs_names, 3)} "
                f"in {name!r} and {listed(modalities[first].obs_names, 3)} in {first!r}."
            )
            raise ValueError(msg)
    if len(set(genomes.values())) > 1:
        msg = f"Expected modalities of one genome, found {genomes}."
        raise ValueError(msg)
    if len(set(typed.values())) > 1:
        msg = f"Expected cell types in all modalities or in none, found {typed}."
        raise ValueError(msg)


def _expression_of(obs: pd.DataFrame, expression: pd.DataFrame | pd.Series[Any]) -> pd.Series[Any]:
    """Expression of each observation, by gene and cell type."""
    typed = "cell_type" in obs
    if typed != isinstance(expression, pd.DataFrame):
        wanted = "a DataFrame genes x cell types" if typed else "a Series with genes as index"
        msg = f"Expected `expression` to be {wanted}, got {type(expression).__name__}."
        raise ValueError(msg)
    table = expression if isinstance(expression, pd.DataFrame) else expression.to_frame("")
    names = obs["cell_type"].astype(str) if typed else pd.Series("", index=obs.index)
    _check_once(table.index, "genes in the index")
    _check_once(table.columns, "cell types in the columns")
    rows = pd.Index(table.index.astype(str)).get_indexer(obs["gene_id"])
    columns = pd.Index(table.columns.astype(str)).get_indexer(names)
    absent = names[columns < 0].unique()
    if (rows < 0).all():
        msg = (
            f"Expected expression of the genes, such as {listed(obs['gene_id'], 3)}, found none of "
            f"them in the index of `expression`: {listed(table.index, 3)}. Bring both to the same "
            "identifiers."
        )
        raise ValueError(msg)
    if len(absent):
        msg = (
            f"Expected a column of `expression` for each cell type ({listed(names.unique())}), "
            f"found none for {listed(absent)}: its columns are {listed(table.columns)}."
        )
        raise ValueError(msg)
    values = table.to_numpy(dtype=float)[rows, columns]
    return pd.Series(np.where(rows < 0, np.nan, values), index=obs.index)


def _check_once(names: pd.Index, what: str) -> None:
    """Raise for names that stand for several rows or columns of the expression."""
    names = names.astype(str)
    twice = names[names.duplicated()].unique()
    if len(twice):
        msg = (
            f"Expected unique {what} of `expression`, found {len(twice)} that occur more than "
            f"once: {listed(twice)}. Sum their expression, or keep one of each."
        )
        raise ValueError(msg)
