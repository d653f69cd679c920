"""What genes contribute to a label: attributions, attention, and what depends on them."""

from __future__ import annotations

from dataclasses import replace

from tgem._core.keys import networks, splicing
from tgem._core.keys.slot import Slot

ATTRIBUTION = Slot(
    "obsm",
    "{prefix}_attribution",
    "cells x model genes, float32, CSR where most are 0; gene names in `.uns[key]['genes']`, with "
    "summaries of all of them where `.varm` cannot hold them",
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
    derived_from=(ATTRIBUTION.pattern,),
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
    derived_from=(
        ATTRIBUTION.pattern,
        networks.NETWORK.pattern,
        splicing.DIFFERENTIAL_REGULATION.pattern,
    ),
)


def attention_received(layer: int) -> Slot:
    """Slot of the attention received in one layer, the first being 1."""
    return replace(ATTENTION_RECEIVED, pattern=ATTENTION_RECEIVED.pattern.replace("1", str(layer)))
