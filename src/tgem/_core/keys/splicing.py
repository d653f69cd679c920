"""Isoforms, and the factors that regulate them."""

from __future__ import annotations

from tgem._core.keys.slot import SPLICING_PREFIX, Slot

FACTOR_COLUMN = "splicing_factor"  # of the genes' `.var`, where models look for factors

ISOFORM_PREDICTION = Slot(
    "layers",
    "{prefix}_prediction",
    "of the isoform modality: predicted TPM, or PSI, float32; missing for isoforms set aside",
    "tgem.tl.predict_isoforms",
    prefix=SPLICING_PREFIX,
)
CONTEXT = Slot(
    "obsm",
    "X_{prefix}_context",
    "of the MuData: features of the cell's context, samples x features, float32",
    "tgem.tl.predict_isoforms",
    prefix=SPLICING_PREFIX,
)
REGULATION = Slot(
    "varm",
    "{prefix}_attribution",
    "isoforms x factors: mean effect by DeepLIFT, float32; of the gene modality, genes x factors: "
    "root mean square over the gene's isoforms; the factors' names in `.uns[key]['factors']`",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_SCORE = Slot(
    "varm",
    "{prefix}_attribution_score",
    "isoforms x factors: mean DeepLIFT score, effect times distance from the reference, float32",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_STATISTIC = Slot(
    "varm",
    "{prefix}_attribution_t",
    "isoforms x factors: mean score over its standard error, float32",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_LARGEST = Slot(
    "varm",
    "{prefix}_attribution_max",
    "genes x factors: largest absolute effect on the gene's isoforms, float32",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_NETWORK = Slot(
    "uns",
    "{prefix}_network",
    "of the MuData: long DataFrame of the strongest edges: source (factor), target (isoform), "
    "weight, gene, t_statistic, r_squared of the gene on held-out samples, reliable",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_SKILL = Slot(
    "uns",
    "{prefix}_skill",
    "of the MuData: DataFrame, genes x scores of their isoforms on held-out samples",
    "tgem.tl.regulation",
    prefix=SPLICING_PREFIX,
)
DIFFERENTIAL_REGULATION = Slot(
    "uns",
    "{prefix}_differential_regulation",
    "of the MuData: long DataFrame: contrast, source (factor), gene, difference, isoform, "
    "isoform_difference, p_value, fdr, r_squared, reliable",
    "tgem.tl.differential_regulation",
    prefix=SPLICING_PREFIX,
)
REGULATION_EVALUATION = Slot(
    "uns",
    "{prefix}_regulation_evaluation",
    "of the MuData: long DataFrame: measure (score and baselines), level, auc, average_precision, "
    "base_rate, score_minus, intervals, null_mean, p_value, p_value_margins; the verdict in "
    "`.uns[key + '_params']`",
    "tgem.tl.evaluate_regulation",
    prefix=SPLICING_PREFIX,
    derived_from=(REGULATION.pattern,),
)
REGULATION_EVALUATION_GROUPS = Slot(
    "uns",
    "{prefix}_regulation_evaluation_groups",
    "of the MuData: long DataFrame: level, group (gene, factor or stratum), measure, auc, "
    "average_precision, n_positive, n_negative",
    "tgem.tl.evaluate_regulation",
    prefix=SPLICING_PREFIX,
    derived_from=(REGULATION_EVALUATION.pattern,),
)
REGULATION_EVALUATION_ADDED = Slot(
    "uns",
    "{prefix}_regulation_evaluation_added",
    "of the MuData: what the score adds to the baselines on genes left out: metric, baselines, "
    "with_score, gain and its interval",
    "tgem.tl.evaluate_regulation",
    prefix=SPLICING_PREFIX,
    derived_from=(REGULATION_EVALUATION.pattern,),
)
