"""Every slot that tgem writes into AnnData or MuData, and how to read one.

A slot's key is its pattern with the prefix filled in: ``PREDICTION.key("tgem")`` is
``"tgem_prediction"``. ``key_added`` of a tool replaces the prefix. No other file spells a
key out, so this table is the contract, and the documentation's table is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

PREFIX = "tgem"
EPI_PREFIX = "epi"
FACTOR_COLUMN = "splicing_factor"  # of the genes' `.var`, where models look for factors
UNKNOWN = "Unknown"  # label of cells that are unlike the training cells


@dataclass(frozen=True)
class Slot:
    """Where one result lives: container, key pattern, content, and the tool that writes it."""

    container: str
    pattern: str
    content: str
    written_by: str
    prefix: str = PREFIX  # where a call names none

    def key(self, prefix: str | None = None) -> str:
        """Key inside the container."""
        return self.pattern.format(prefix=prefix or self.prefix)

    def params_key(self, prefix: str | None = None) -> str:
        """Key in ``.uns`` of the call's provenance: method, settings, seed, versions."""
        return f"{self.key(prefix)}_params"

    def read(self, adata: AnnData, prefix: str | None = None) -> Any:
        """Return the slot's content, or say which call writes it."""
        container, key = getattr(adata, self.container), self.key(prefix)
        if key not in container:
            added = "" if prefix in (None, self.prefix) else f", key_added={prefix!r}"
            msg = (
                f"Expected adata.{self.container}[{key!r}] but it is not there. "
                f"Write it with `{self.written_by}(adata, ...{added})` first."
            )
            raise KeyError(msg)
        return container[key]

    def write(self, adata: AnnData, value: Any, prefix: str | None = None) -> None:
        """Store `value` in the slot."""
        getattr(adata, self.container)[self.key(prefix)] = value


PREDICTION = Slot(
    "obs",
    "{prefix}_prediction",
    "predicted label, categorical with the training categories and their colours",
    "tgem.tl.predict",
)
CONFIDENCE = Slot(
    "obs", "{prefix}_confidence", "probability of the predicted label, float32", "tgem.tl.predict"
)
PROBABILITY = Slot(
    "obsm",
    "{prefix}_probability",
    "DataFrame, cells x classes, float32",
    "tgem.tl.predict",
)
LATENT = Slot(
    "obsm",
    "X_{prefix}",
    "latent representation, cells x dimensions, float32; for `sc.pp.neighbors(use_rep=...)`",
    "tgem.tl.predict",
)
MAJORITY_VOTE = Slot(
    "obs",
    "{prefix}_majority_vote",
    "most frequent predicted label of the cell's cluster, categorical",
    "tgem.tl.majority_vote",
)
MAJORITY_SHARE = Slot(
    "obs",
    "{prefix}_majority_share",
    "share of the cell's cluster with the cluster's most frequent label, float32",
    "tgem.tl.majority_vote",
)
CELL_ONTOLOGY_ID = Slot(
    "obs",
    "{prefix}_cell_ontology_id",
    "Cell Ontology id of the label, categorical, such as CL:0000236",
    "tgem.tl.cell_ontology",
)
CELL_ONTOLOGY_NAME = Slot(
    "obs",
    "{prefix}_cell_ontology_name",
    "name of the Cell Ontology term, categorical, where the table has names",
    "tgem.tl.cell_ontology",
)
LABEL_HIERARCHY = Slot(
    "uns",
    "{prefix}_label_hierarchy",
    "DataFrame, classes x levels: the label of each class at each level, level1 the coarsest",
    "tgem.tl.label_hierarchy",
)
LEVEL = Slot(
    "obs",
    "{prefix}_level1",
    "label of the coarsest level, categorical; and so on for `level2`, ..., each within the one "
    "above",
    "tgem.tl.label_hierarchy",
)
LEVEL_CONFIDENCE = Slot(
    "obs",
    "{prefix}_level1_confidence",
    "probability of that label, the sum over its classes, float32; and so on for `level2`, ...",
    "tgem.tl.label_hierarchy",
)
LEVEL_PROBABILITY = Slot(
    "obsm",
    "{prefix}_level1_probability",
    "DataFrame, cells x labels of the level, float32; and so on for all levels but the finest",
    "tgem.tl.label_hierarchy",
)
MOST_SPECIFIC = Slot(
    "obs",
    "{prefix}_most_specific",
    "label of the finest level that is confident enough, categorical; missing if none is",
    "tgem.tl.label_hierarchy",
)
MOST_SPECIFIC_CONFIDENCE = Slot(
    "obs",
    "{prefix}_most_specific_confidence",
    "probability of that label, float32",
    "tgem.tl.label_hierarchy",
)
MOST_SPECIFIC_LEVEL = Slot(
    "obs",
    "{prefix}_most_specific_level",
    "number of the level of that label, 1 for the coarsest, 0 for none",
    "tgem.tl.label_hierarchy",
)
NOVELTY = Slot(
    "obs",
    "{prefix}_novelty",
    "how unlike the training cells the cell is, float32; 0 for a usual one",
    "tgem.tl.predict",
)
PREDICTION_SET = Slot(
    "obsm",
    "{prefix}_prediction_set",
    "boolean DataFrame, cells x classes: labels that together hold the right one as often as "
    "promised",
    "tgem.tl.prediction_sets",
)
PREDICTION_SET_SIZE = Slot(
    "obs",
    "{prefix}_prediction_set_size",
    "number of labels in the cell's prediction set",
    "tgem.tl.prediction_sets",
)
CALIBRATION = Slot(
    "uns",
    "{prefix}_calibration",
    "long DataFrame: class (`(all)` for all cells), bin of confidence, confidence, accuracy, low "
    "and high (95 % interval of the accuracy), n_cells; the errors in `.uns[key + '_params']`",
    "tgem.tl.calibration",
)
TRANSFER = Slot(
    "uns",
    "{prefix}_transfer",
    "DataFrame, batches x what a transfer found: cells, mean confidence, genes detected, shift",
    "tgem.tl.transfer",
)
TRANSFER_COMPOSITION = Slot(
    "uns",
    "{prefix}_transfer_composition",
    "DataFrame, batches x classes: estimated share of each class",
    "tgem.tl.transfer",
)
CONFUSION = Slot(
    "uns",
    "{prefix}_confusion",
    "long DataFrame: true label, predicted label, number of cells",
    "tgem.tl.confusion",
)
HISTORY = Slot(
    "uns",
    "{prefix}_history",
    "DataFrame, epochs x metrics of training and validation",
    "tgem.tl.history",
)
ATTRIBUTION = Slot(
    "obsm",
    "{prefix}_attribution",
    "cells x model genes, float32, CSR where most are 0; gene names in `.uns[key]['genes']`",
    "tgem.tl.attribution",
)
ATTRIBUTION_MEAN = Slot(
    "varm",
    "{prefix}_attribution",
    "DataFrame, genes x classes: mean attribution over the cells of the class",
    "tgem.tl.attribution",
)
CLASS_ATTENTION = Slot(
    "varm",
    "{prefix}_class_attention",
    "DataFrame, genes x classes: weight with which a class looks at the level of a gene",
    "tgem.tl.class_attention",
)
ATTRIBUTION_MEDIAN = Slot(
    "varm",
    "{prefix}_attribution_median",
    "DataFrame, genes x classes: median attribution over the cells of the class",
    "tgem.tl.attribution",
)
ATTRIBUTION_SHARE = Slot(
    "varm",
    "{prefix}_attribution_share",
    "DataFrame, genes x classes: share of the cells of the class with an attribution other than 0",
    "tgem.tl.attribution",
)
ATTRIBUTION_LAYER = Slot(
    "layers",
    "{prefix}_attribution",
    "on request: the same, cells x genes of the data, for `sc.pl.heatmap(layer=...)`",
    "tgem.tl.attribution",
)
RANKING = Slot(
    "uns",
    "{prefix}_rank_genes",
    "long DataFrame: class, gene, rank, mean and median attribution, share of cells expressing it",
    "tgem.tl.rank_genes",
)
ABLATION = Slot(
    "uns",
    "{prefix}_ablation",
    "long DataFrame: class, mode (deletion, insertion), order (largest, random, smallest), "
    "fraction of genes, accuracy, number of cells",
    "tgem.tl.ablation",
)
ATTENTION_NECESSITY = Slot(
    "uns",
    "{prefix}_attention_necessity",
    "long DataFrame: class, maps (own, mean, other, shuffled, uniform), metric (accuracy, "
    "log_likelihood), value, own_minus (how much more the cells' own maps give), both with "
    "bootstrap intervals, number of cells",
    "tgem.tl.attention_necessity",
)
NETWORK = Slot(
    "uns",
    "{prefix}_network",
    "long DataFrame of the strongest edges of each class: class, layer, source (the gene that "
    "attends), target (the gene that is attended to), weight",
    "tgem.tl.network",
)
ATTENTION_ENTROPY = Slot(
    "obsm",
    "{prefix}_attention_entropy",
    "DataFrame, cells x (layer, head): how evenly genes attend to others, 1 for uniform attention",
    "tgem.tl.attention",
)
ATTENTION_ENTROPY_GENES = Slot(
    "varm",
    "{prefix}_attention_entropy",
    "DataFrame, genes x (layer, head): the same for each gene, mean over cells",
    "tgem.tl.attention",
)
ATTENTION_RECEIVED = Slot(
    "varm",
    "{prefix}_attention_layer1",
    "DataFrame, genes x classes: attention received from all genes in the layer, mean over heads "
    "and cells; and so on for `layer2`, ...",
    "tgem.tl.attention",
)
ENRICHMENT = Slot(
    "uns",
    "{prefix}_enrichment",
    "gseapy's table (its columns depend on the method), with `class` and `source` added",
    "tgem.tl.enrich",
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

PREPARATION = Slot(
    "uns",
    "{prefix}_preparation",
    "of a modality: how it was prepared; `settings` (genome, window, bin width, transformation, "
    "...), which models compare, `files` and counts",
    "tgem.pp.bin_signal",
    EPI_PREFIX,
)

SPLIT = Slot(
    "obs",
    "{prefix}_split",
    "categorical: train, validation, test; for `model.train(split_key=...)`",
    "tgem.pp.split",
)

ISOFORM_PREDICTION = Slot(
    "layers",
    "{prefix}_prediction",
    "of the isoform modality: predicted TPM, or PSI, float32; missing for isoforms set aside",
    "tgem.tl.predict_isoforms",
    prefix="deepsf",
)
CONTEXT = Slot(
    "obsm",
    "X_{prefix}_context",
    "of the MuData: features of the cell's context, samples x features, float32",
    "tgem.tl.predict_isoforms",
    prefix="deepsf",
)
REGULATION = Slot(
    "varm",
    "{prefix}_attribution",
    "isoforms x factors: mean effect by DeepLIFT, float32; of the gene modality, genes x factors: "
    "root mean square over the gene's isoforms; the factors' names in `.uns[key]['factors']`",
    "tgem.tl.regulation",
    prefix="deepsf",
)
REGULATION_SCORE = Slot(
    "varm",
    "{prefix}_attribution_score",
    "isoforms x factors: mean DeepLIFT score, effect times distance from the reference, float32",
    "tgem.tl.regulation",
    prefix="deepsf",
)
REGULATION_STATISTIC = Slot(
    "varm",
    "{prefix}_attribution_t",
    "isoforms x factors: mean score over its standard error, float32",
    "tgem.tl.regulation",
    prefix="deepsf",
)
REGULATION_LARGEST = Slot(
    "varm",
    "{prefix}_attribution_max",
    "genes x factors: largest absolute effect on the gene's isoforms, float32",
    "tgem.tl.regulation",
    prefix="deepsf",
)
REGULATION_NETWORK = Slot(
    "uns",
    "{prefix}_network",
    "of the MuData: long DataFrame of the strongest edges: source (factor), target (isoform), "
    "weight, gene, t_statistic, r_squared of the gene on held-out samples, reliable",
    "tgem.tl.regulation",
    prefix="deepsf",
)
REGULATION_SKILL = Slot(
    "uns",
    "{prefix}_skill",
    "of the MuData: DataFrame, genes x scores of their isoforms on held-out samples",
    "tgem.tl.regulation",
    prefix="deepsf",
)
DIFFERENTIAL_REGULATION = Slot(
    "uns",
    "{prefix}_differential_regulation",
    "of the MuData: long DataFrame: contrast, source (factor), gene, difference, isoform, "
    "isoform_difference, p_value, fdr, r_squared, reliable",
    "tgem.tl.differential_regulation",
    prefix="deepsf",
)
REGULATION_EVALUATION = Slot(
    "uns",
    "{prefix}_regulation_evaluation",
    "of the MuData: long DataFrame: measure (score and baselines), level, auc, average_precision, "
    "base_rate, score_minus, intervals, null_mean, p_value, p_value_margins; the verdict in "
    "`.uns[key + '_params']`",
    "tgem.tl.evaluate_regulation",
    prefix="deepsf",
)
REGULATION_EVALUATION_GROUPS = Slot(
    "uns",
    "{prefix}_regulation_evaluation_groups",
    "of the MuData: long DataFrame: level, group (gene, factor or stratum), measure, auc, "
    "average_precision, n_positive, n_negative",
    "tgem.tl.evaluate_regulation",
    prefix="deepsf",
)
REGULATION_EVALUATION_ADDED = Slot(
    "uns",
    "{prefix}_regulation_evaluation_added",
    "of the MuData: what the score adds to the baselines on genes left out: metric, baselines, "
    "with_score, gain and its interval",
    "tgem.tl.evaluate_regulation",
    prefix="deepsf",
)

HUBS = Slot(
    "uns",
    "{prefix}_hubs",
    "long DataFrame: class, gene (or factor), degree, strength, rank, p_value, fdr (both missing "
    "without a null), reliable (share of its edges, where the network says so)",
    "tgem.tl.hubs",
)

HUBS_NULL = Slot(
    "uns",
    "{prefix}_hubs_null",
    "long DataFrame of the hubs of networks of models trained on permuted labels: permutation, "
    "class, gene, out_degree, in_degree, out_strength, in_strength",
    "tgem.tl.hubs",
)
HUBS_ENRICHMENT = Slot(
    "uns",
    "{prefix}_hubs_enrichment",
    "gene sets of hubs: class, layer, source (hubs, layers) and gseapy's columns",
    "tgem.tl.enrich_hubs",
)
EDGE_SIGNIFICANCE = Slot(
    "uns",
    "{prefix}_edge_significance",
    "the network with p_value and fdr of each edge, against networks of the same degrees",
    "tgem.tl.edge_significance",
)
COMMUNITIES = Slot(
    "uns",
    "{prefix}_communities",
    "long DataFrame: class, gene, community, size; how modular each class's network is, and its "
    "p-value, in `.uns[key + '_params']['classes']`",
    "tgem.tl.communities",
)
STABILITY = Slot(
    "uns",
    "{prefix}_stability",
    "long DataFrame: class, layer, source, target, frequency (share of the trainings whose "
    "network has the edge), weight, same_sign, in_network",
    "tgem.tl.stability",
)
STABILITY_HUBS = Slot(
    "uns",
    "{prefix}_stability_hubs",
    "long DataFrame: class, gene, frequency (share of the trainings in which the gene is among "
    "the largest hubs), mean_rank",
    "tgem.tl.stability",
)
NETWORK_DIFFERENCE = Slot(
    "uns",
    "{prefix}_network_difference",
    "long DataFrame: contrast, layer, source, target, difference, p_value, fdr",
    "tgem.tl.network_difference",
)


def attention_received(layer: int) -> Slot:
    """Slot of the attention received in one layer, the first being 1."""
    return replace(ATTENTION_RECEIVED, pattern=ATTENTION_RECEIVED.pattern.replace("1", str(layer)))


def at_level(slot: Slot, level: int) -> Slot:
    """Slot of one level of a label hierarchy, the coarsest being 1."""
    return replace(slot, pattern=slot.pattern.replace("level1", f"level{level}"))


SLOTS: tuple[Slot, ...] = tuple(
    slot
    for value in globals().copy().values()
    for slot in (value.values() if isinstance(value, dict) else (value,))
    if isinstance(slot, Slot)
)


def column_names(names: Iterable[object]) -> list[str]:
    """Names that survive as DataFrame columns in h5ad and zarr.

    Both stores write one dataset per column and refuse a slash in its name, yet labels such
    as ``CD4+/CD25 T Reg`` are common: the slash becomes a bar. The exact labels stay in the
    slot's ``_params`` entry.
    """
    columns: list[str] = []
    for name in names:
        column = str(name).replace("/", "|")
        while column in columns:
            column += "|"
        columns.append(column)
    return columns
