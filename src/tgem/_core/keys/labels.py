"""Labels of cells, how sure they are, and how they relate to clusters and ontologies."""

from __future__ import annotations

from dataclasses import replace

from tgem._core.keys.slot import Slot

UNKNOWN = "Unknown"  # label of cells that are unlike the training cells

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
SPLIT = Slot(
    "obs",
    "{prefix}_split",
    "categorical: train, validation, test; for `model.train(split_key=...)`",
    "tgem.pp.split",
)
CALIBRATION = Slot(
    "uns",
    "{prefix}_calibration",
    "long DataFrame: class (`(all)` for all cells), bin of confidence, confidence, accuracy, low "
    "and high (95 % interval of the accuracy), n_cells; the errors in `.uns[key + '_params']`",
    "tgem.tl.calibration",
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


def at_level(slot: Slot, level: int) -> Slot:
    """Slot of one level of a label hierarchy, the coarsest being 1."""
    return replace(slot, pattern=slot.pattern.replace("level1", f"level{level}"))
