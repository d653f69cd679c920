"""Genes whose predicted regulation is specific to one cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_choice, check_data
from tgem.enrich import RESULT_COLUMNS, over_representation, read_gene_sets
from tgem.tl._gene_by_cell_type import numbers, observation_table, specificity
from tgem.tl._mark_levels import compare_marks, mark_levels
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SOURCE = "cell_type_specific_genes"


def cell_type_specific_genes(
    adata: AnnData | MuData,
    *,
    prediction_key: str | None = None,
    gene_key: str = "gene_id",
    cell_type_key: str = "cell_type",
    expression_key: str | None = None,
    against: Literal["max", "mean"] = "max",
    min_score: float = 0.25,
    gene_sets: Mapping[str, Sequence[str]] | str | Path | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Find the genes that a model predicts to be expressed in one cell type and not in others.

    A gene's *specificity* to a cell type is its prediction there minus the largest, or the mean,
    of its predictions in the other cell types. Genes of at least `min_score` form the cell type's
    group, and two questions are asked of each group, as in :cite:p:`kang2020`: which gene sets it
    holds more of than chance would, and which marks distinguish it.

    The marks are compared twice, by the two-sided Mann-Whitney test: the group's genes in their
    cell type against the same genes in the other cell types (mean), and against all other genes
    in the same cell type. A mark's level is ``log1p`` of the mean reads of its bins, standardised
    within each cell type. A model that reads the marks has chosen the group by them:
    the p-values say by which marks, not that an independent discovery was made.

    Parameters
    ----------
    adata
        Observations are genes in cell types. MuData or AnnData with predictions in ``.obs``.
        Marks are read from every modality with ``.var["mark"]``, methylation from one with
        ``.var["slot"]`` and ``.var["feature"]``, as
        :func:`tgem.datasets.synthetic_epigenome` has them.
    prediction_key
        Numeric column of ``.obs``: a probability of high expression, or an expression.
        ``"epi_prediction"`` by default, as :func:`tgem.tl.predict_expression` writes it. Missing
        values are left out.
    gene_key, cell_type_key
        Columns of ``.obs`` that say which gene in which cell type an observation is.
    expression_key
        Column of ``.obs`` with measured expression. If given, a gene joins a group only if its
        measured expression is specific to the same cell type too, compared in the same way.
    against
        ``"max"`` asks for more than in every other cell type, ``"mean"`` for more than on average.
    min_score
        Smallest specificity of the group's genes, on the scale of the predictions.
    gene_sets
        Sets to test, as :func:`tgem.enrich.read_gene_sets` takes them; ``None`` for no test. The
        background is every gene that was compared, and every set with one of them is a test.
    key_added
        Prefix of the slots to read and write, ``"epi"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["epi_specificity"]``
        float32, missing where a gene is predicted in fewer than two cell types;
    ``.uns["epi_specific_genes"]``
        DataFrame, one row for each gene of a group: ``cell_type``, ``gene``, ``rank``, ``score``,
        ``prediction``, and with `expression_key` ``expression_score``;
    ``.uns["epi_specific_marks"]``
        DataFrame, one row for each cell type, mark and contrast (``"other cell types"``,
        ``"other genes"``): ``effect`` (difference of the means, in standard deviations between
        the cell type's genes), ``auroc`` (0.5 for none), ``p_value``, ``fdr`` (Benjamini and
        Hochberg over the tests of a contrast), ``n_genes``. Missing for fewer than three genes;
    ``.uns["epi_enrichment"]``
        with `gene_sets`: ``class`` (the cell type), ``source`` and the columns of
        :func:`tgem.enrich.over_representation`, adjusted within a cell type;
    ``.uns["epi_specific_genes_params"]``
        the settings, the ``cell_types``, ``n_genes`` (compared) and tgem's version. The other two
        tables have theirs.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If predictions are no numbers, an observation lacks its gene or cell type, a gene occurs
        twice in a cell type, no gene is in two cell types, or no gene set shares a gene with the
        data; `adata` is then unchanged.

    Examples
    --------
    Predictions by hand, where a model's would come from
    :func:`tgem.tl.predict_expression`:

    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(400)
    >>> mdata.obs["epi_prediction"] = mdata.obs["expected_expression"]
    >>> tgem.tl.cell_type_specific_genes(mdata, min_score=2)
    >>> marks = mdata.uns["epi_specific_marks"]
    >>> sorted(marks[(marks["contrast"] == "other cell types") & (marks["fdr"] < 0.01)]["mark"])
    ['H3K27me3', 'H3K27me3', 'H3K4me3', 'H3K4me3']
    """
    check_data(adata, MuData if isinstance(adata, MuData) else AnnData)
    check_choice("against", against, ("max", "mean"))
    prefix = key_added or keys.EPI_PREFIX
    if prediction_key is None:
        keys.EXPRESSION_PREDICTION.read(adata, prefix)
        prediction_key = keys.EXPRESSION_PREDICTION.key(prefix)
    obs = _scored(
        adata, prediction_key, gene_key=gene_key, cell_type_key=cell_type_key, against=against
    )
    chosen = obs["score"] >= min_score
    if expression_key is not None:
        obs["expression"] = numbers(adata, expression_key)
        obs["expression_score"] = specificity(obs, "expression", against)
        chosen &= obs["expression_score"] > 0
    cell_types = [str(label) for label in obs["cell_type"].cat.categories]
    genes = _ranked(obs[chosen])
    groups = {
        label: genes.loc[genes["cell_type"] == label, "gene"].tolist() for label in cell_types
    }
    background = list(dict.fromkeys(obs.loc[obs["score"].notna(), "gene"]))
    marks = compare_marks(mark_levels(adata), obs, groups)
    enriched = None if gene_sets is None else _enrichment(groups, gene_sets, background)

    target = copied(adata) if copy else adata
    settings = {
        "prediction_key": prediction_key,
        "gene_key": gene_key,
        "cell_type_key": cell_type_key,
        "expression_key": expression_key,
        "against": against,
        "min_score": float(min_score),
        "n_genes": len(background),
        "cell_types": np.array(cell_types, dtype=object),
    }
    keys.SPECIFICITY.write(target, obs["score"].to_numpy(dtype=np.float32), prefix)
    for slot, table in ((keys.SPECIFIC_GENES, genes), (keys.SPECIFIC_MARKS, marks)):
        slot.write(target, table, prefix)
        record(target, slot, prefix, settings)
    if enriched is not None:
        keys.ENRICHMENT.write(target, enriched, prefix)
        params = {
            "method": "over_representation",
            "n_background": len(background),
            "classes": settings["cell_types"],
        }
        record(target, keys.ENRICHMENT, prefix, params)
    return target if copy else None


def _scored(
    adata: AnnData | MuData,
    prediction_key: str,
    *,
    gene_key: str,
    cell_type_key: str,
    against: Literal["max", "mean"],
) -> pd.DataFrame:
    """Observations with their prediction and its specificity to their cell type."""
    obs = observation_table(adata, gene_key=gene_key, cell_type_key=cell_type_key)
    obs["prediction"] = numbers(adata, prediction_key)
    obs["score"] = specificity(obs, "prediction", against)
    if obs["score"].isna().all():
        msg = (
            "Expected predictions of the same genes in at least two cell types, but no gene of "
            f"{obs['gene'].nunique()} in adata.obs[{gene_key!r}] has two. Its cell types, "
            f"adata.obs[{cell_type_key!r}]: {listed(obs['cell_type'].unique())}."
        )
        raise ValueError(msg)
    return obs


def _ranked(chosen: pd.DataFrame) -> pd.DataFrame:
    """Genes of each group, the most specific first."""
    table = chosen.sort_values(["cell_type", "score", "gene"], ascending=[True, False, True])
    table["rank"] = table.groupby("cell_type", observed=True).cumcount() + 1
    columns = ["cell_type", "gene", "rank", "score", "prediction"]
    columns += [name for name in ("expression_score",) if name in table]
    return table[columns].astype({"cell_type": str}).reset_index(drop=True)


def _enrichment(
    groups: dict[str, list[str]],
    gene_sets: Mapping[str, Sequence[str]] | str | Path,
    background: list[str],
) -> pd.DataFrame:
    sets = read_gene_sets(gene_sets)
    members = {gene for genes in sets.values() for gene in genes}
    if members.isdisjoint(background):
        msg = (
            f"Expected gene sets that share genes with the data, but none of the {len(members)} "
            f"genes in {len(sets)} sets ({listed(sorted(members), 3)}) is among the "
            f"{len(background)} genes of the data ({listed(background, 3)}). Both need the same "
            "kind of name."
        )
        raise ValueError(msg)
    tables = [
        over_representation(genes, sets, background, min_size=1).assign(
            **{"class": label, "source": _SOURCE}
        )
        for label, genes in groups.items()
    ]
    # Empty tables would make pandas guess the types of the joined columns.
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)[["class", "source", *RESULT_COLUMNS]]
