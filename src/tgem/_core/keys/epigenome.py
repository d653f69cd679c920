"""Genes and their epigenome: predicted expression, the regulatory latent space, attention."""

from __future__ import annotations

from tgem._core.keys.slot import EPI_PREFIX, Slot

PREPARATION = Slot(
    "uns",
    "{prefix}_preparation",
    "of a modality: how it was prepared; `settings` (genome, window, bin width, transformation, "
    "...), which models compare, `files` and counts",
    "tgem.pp.bin_signal",
    EPI_PREFIX,
)
EXPRESSION_PREDICTION = Slot(
    "obs",
    "{prefix}_prediction",
    "of the MuData: probability of high expression, or predicted log expression, float32",
    "tgem.tl.predict_expression",
    EPI_PREFIX,
)
REGULATORY_LATENT = Slot(
    "obsm",
    "X_{prefix}",
    "of the MuData: regulatory latent space, genes x entries, float32",
    "tgem.tl.predict_expression",
    EPI_PREFIX,
)
REGULATORY_ATTENTION = {
    name: Slot(
        "obsm",
        "{prefix}_" + name + "_attention",
        f"of the MuData: genes x {what}, float32, rows add up to 1 or are 0; names in `.uns[key]`",
        "tgem.tl.regulatory_attention",
        EPI_PREFIX,
    )
    for name, what in {
        "histone": "bins",
        "methylation": "CpG slots",
        "tf": "factors",
        "fusion": "entries of the joint vector",
    }.items()
}
REGULATORY_ATTRIBUTION = {
    name: Slot(
        "obsm",
        "{prefix}_" + name + "_attribution",
        f"of the MuData: genes x ({what}), float32; names in `.uns[key]`",
        "tgem.tl.regulatory_attribution",
        EPI_PREFIX,
    )
    for name, what in {
        "histone": "marks x bins",
        "methylation": "CpG slots x features",
        "tf": "factors x features",
    }.items()
}
REGULATORY_IMPORTANCE = Slot(
    "uns",
    "{prefix}_importance",
    "long DataFrame: by (modality, mark, bin, factor), cell type, name, importance, effect, genes",
    "tgem.tl.regulatory_importance",
    EPI_PREFIX,
)
REGULATORY_NETWORK = Slot(
    "uns",
    "{prefix}_network",
    "of the MuData: long DataFrame of the strongest edges of each cell type: class, source "
    "(factor), target (gene), weight",
    "tgem.tl.regulatory_network",
    EPI_PREFIX,
)
SPECIFICITY = Slot(
    "obs",
    "{prefix}_specificity",
    "gene x cell type: prediction there minus that in the other cell types, float32",
    "tgem.tl.cell_type_specific_genes",
    EPI_PREFIX,
)
SPECIFIC_GENES = Slot(
    "uns",
    "{prefix}_specific_genes",
    "long DataFrame: cell type, gene, rank, score, prediction",
    "tgem.tl.cell_type_specific_genes",
    EPI_PREFIX,
)
SPECIFIC_MARKS = Slot(
    "uns",
    "{prefix}_specific_marks",
    "long DataFrame: cell type, mark, contrast, effect, auroc, p_value, fdr, n_genes",
    "tgem.tl.cell_type_specific_genes",
    EPI_PREFIX,
)
