"""Agreement of the regulation that a model was read for with evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import READ_FROM
from tgem._core.errors import RegulationWarning, warn
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_choice, check_data
from tgem.net import evaluate_regulation as evaluate
from tgem.net._evidence import combined, evidence_table
from tgem.net._verdict import ADDS
from tgem.tl._evidence_names import renamed
from tgem.tl._provenance import record
from tgem.tl._regulation_baselines import gene_covariates, pair_baselines, splicing_tables

if TYPE_CHECKING:
    from tgem.tl._regulation_baselines import SplicingTables

_SCORES = {"rms": keys.REGULATION, "max": keys.REGULATION_LARGEST}


def evaluate_regulation(
    mdata: MuData,
    evidence: pd.DataFrame,
    *,
    scores: Literal["rms", "max"] | pd.DataFrame = "rms",
    with_evidence: bool = False,
    n_strata: int = 5,
    n_permutations: int = 1000,
    n_bootstrap: int = 200,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> MuData | None:
    """Compare scores of regulation with evidence, such as CLIP peaks or knock-downs.

    A score that merely counts the isoforms of a gene, or reads its expression, agrees with most
    evidence over all pairs of gene and factor, and knows nothing of regulation. So the score is
    compared with such baselines, within genes, within factors and among genes alike, and the
    verdict praises it only for what they do not explain; :func:`tgem.net.evaluate_regulation` says
    how. The baselines are the gene's number of isoforms (``n_isoforms``) and its mean log2(1 +
    TPM) (``gene_expression``), the factor's (``factor_expression``), and the absolute correlation
    of the factor with the gene (``gene_correlation``) and with its isoforms, the largest of them
    (``isoform_correlation``). A factor's own gene is left out.

    Parameters
    ----------
    mdata
        Genes and isoforms, with the scores that :func:`tgem.tl.regulation` wrote.
    evidence
        Genes x factors of 0 and 1, missing where nothing was measured, or a long table with the
        columns ``factor``, ``gene`` and ``significant`` or ``value`` (0 and 1), such as that of
        knock-downs. Genes and factors are matched by name, without version suffix, or by the
        column ``gene_symbol`` of the genes.
    scores
        ``"rms"``, the root mean square of a factor's effects on the gene's isoforms; ``"max"``,
        the largest, as published for DeepRBP; or a table of another method, genes x factors,
        larger where regulation is more likely.
    with_evidence
        Whether genes without any evidence are left out, as where only some genes were looked at.
    n_strata
        Number of strata of genes alike in a covariate.
    n_permutations
        Number of times that evidence is dealt anew, in each of two ways; at least 59 for a verdict.
    n_bootstrap
        Number of bootstrap samples of genes, for the intervals.
    seed
        Seed of the random numbers.
    key_added
        Prefix of the slots to read and write, ``"deepsf"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``mdata.uns["deepsf_regulation_evaluation"]``
        long DataFrame: ``measure`` (the score and each baseline), ``level`` (``all``,
        ``within_gene``, ``within_factor``, ``within_n_isoforms``, ``within_gene_expression``,
        ``matched``: same factor and same strata), ``auc``, ``average_precision``, ``base_rate``,
        ``score_minus`` (area of the score less this one), with ``..._lower`` and ``..._upper`` of
        95 % intervals, ``n_groups``, ``n_comparisons``, ``null_mean``, ``p_value`` (evidence dealt
        anew within each factor) and ``p_value_margins`` (genes keep their number too);
    ``mdata.uns["deepsf_regulation_evaluation_groups"]``
        the areas in each gene, factor and stratum;
    ``mdata.uns["deepsf_regulation_evaluation_added"]``
        logistic regressions of the baselines without and with the score, on genes left out:
        ``metric``, ``baselines``, ``with_score``, ``gain`` and its interval;
    ``mdata.uns["deepsf_regulation_evaluation_params"]``
        ``verdict`` and ``reading`` in words, numbers of genes, factors and pairs, settings.

    Warns
    -----
    RegulationWarning
        If the score is not better than its baselines, or there are too little evidence or too few
        permutations to tell; the message is the verdict.

    Raises
    ------
    KeyError
        If there are no scores, or no modality of genes or isoforms.
    TypeError
        If scores or evidence are no tables.
    ValueError
        If evidence is not 0 and 1, shares no genes or factors with the scores, or does not hold
        both kinds of pairs; `mdata` is then unchanged.

    References
    ----------
    :cite:t:`deeprbp2024`, whose scores of genes follow their number of transcripts.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=200, n_factors=8, n_isoforms=200)
    >>> tgem.model.DeepSF.setup_mudata(mdata)
    >>> model = tgem.model.DeepSF(mdata)
    >>> model.train(enable_progress_bar=False)
    >>> tgem.tl.regulation(mdata, model)
    >>> truth = mdata.uns["synthetic_splicing_truth"]
    >>> pairs = truth[["gene", "source"]].drop_duplicates().assign(value=1)
    >>> evidence = pairs.pivot(index="gene", columns="source", values="value")
    >>> evidence = evidence.reindex(mdata["gene"].var_names).fillna(0)
    >>> tgem.tl.evaluate_regulation(mdata, evidence, n_permutations=200)
    >>> mdata.uns["deepsf_regulation_evaluation_params"]["reading"]
    'adds to its baselines'
    """
    check_data(mdata, MuData)
    tables = splicing_tables(mdata, key_added)
    table = _scores(tables, scores, key_added)
    labels = evidence_table(evidence)
    given = labels.shape
    labels = labels.set_axis(renamed(labels.index, table.index, tables.gene.var))
    factors = renamed(labels.columns, table.columns, tables.gene.var)
    labels = combined(labels.set_axis(factors, axis="columns"))
    genes = table.index[table.index.isin(labels.index)]
    shared = table.columns[table.columns.isin(labels.columns)]
    found = evaluate(
        table,
        labels,
        covariates=gene_covariates(tables, genes),
        baselines=pair_baselines(tables, genes, shared),
        with_evidence=with_evidence,
        n_strata=n_strata,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    target = copied(mdata) if copy else mdata
    keys.REGULATION_EVALUATION.write(target, found.table, key_added)
    keys.REGULATION_EVALUATION_GROUPS.write(target, found.groups, key_added)
    keys.REGULATION_EVALUATION_ADDED.write(target, found.added, key_added)
    params = {
        "verdict": found.verdict,
        "reading": found.reading,
        "scores": scores if isinstance(scores, str) else "table",
        READ_FROM: keys.REGULATION.key(key_added) if isinstance(scores, str) else "table",
        **found.counts,
        "n_genes_of_evidence": given[0],
        "n_factors_of_evidence": given[1],
        "n_genes_not_scored": int((~labels.index.isin(table.index)).sum()),
        "n_factors_not_scored": int((~labels.columns.isin(table.columns)).sum()),
        "with_evidence": bool(with_evidence),
        "n_strata": int(n_strata),
        "n_permutations": int(n_permutations),
        "n_bootstrap": int(n_bootstrap),
        "seed": int(seed),
    }
    record(target, keys.REGULATION_EVALUATION, key_added, params)
    if found.reading != ADDS:
        warn(found.verdict, RegulationWarning)
    return target if copy else None


def _scores(tables: SplicingTables, scores: str | pd.DataFrame, prefix: str | None) -> pd.DataFrame:
    """Genes x factors under the names of the data; genes that are not measured are left out."""
    names = tables.gene.var_names
    if not isinstance(scores, str):
        if not isinstance(scores, pd.DataFrame):
            msg = (
                "Expected `scores` to be 'rms', 'max' or a DataFrame of genes x factors, got "
                f"{type(scores).__name__}."
            )
            raise TypeError(msg)
        genes = renamed(scores.index, names, tables.gene.var)
        factors = renamed(scores.columns, names, tables.gene.var)
        table = scores.set_axis(genes).set_axis(factors, axis="columns")
        return table.loc[table.index.isin(names), table.columns.isin(names)]
    check_choice("scores", scores, tuple(_SCORES))
    values = _SCORES[scores].read(tables.gene, prefix)
    named = tables.gene.uns[keys.REGULATION.key(prefix)]["factors"]
    known = ~np.isnan(values).all(axis=1)
    return pd.DataFrame(values[known], names[known], pd.Index(named, dtype=object))
