"""Networks of genes, their hubs, and how far to trust them."""

from __future__ import annotations

from tgem._core.keys.slot import Slot

NETWORK = Slot(
    "uns",
    "{prefix}_network",
    "long DataFrame of the strongest edges of each class: class, layer, source (the gene that "
    "attends), target (the gene that is attended to), weight",
    "tgem.tl.network",
)
HUBS = Slot(
    "uns",
    "{prefix}_hubs",
    "long DataFrame: class, gene (or factor), degree, strength, rank, p_value, fdr (both missing "
    "without a null), reliable (share of its edges, where the network says so)",
    "tgem.tl.hubs",
    derived_from=(NETWORK.pattern,),
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
    derived_from=(HUBS.pattern, NETWORK.pattern),
)
EDGE_SIGNIFICANCE = Slot(
    "uns",
    "{prefix}_edge_significance",
    "the network with p_value and fdr of each edge, against networks of the same degrees",
    "tgem.tl.edge_significance",
    derived_from=(NETWORK.pattern,),
)
COMMUNITIES = Slot(
    "uns",
    "{prefix}_communities",
    "long DataFrame: class, gene, community, size; how modular each class's network is, and its "
    "p-value, in `.uns[key + '_params']['classes']`",
    "tgem.tl.communities",
    derived_from=(NETWORK.pattern,),
)
STABILITY = Slot(
    "uns",
    "{prefix}_stability",
    "long DataFrame: class, layer, source, target, frequency (share of the trainings whose "
    "network has the edge), weight, same_sign, in_network",
    "tgem.tl.stability",
    derived_from=(NETWORK.pattern,),
)
STABILITY_HUBS = Slot(
    "uns",
    "{prefix}_stability_hubs",
    "long DataFrame: class, gene, frequency (share of the trainings in which the gene is among "
    "the largest hubs), mean_rank",
    "tgem.tl.stability",
    derived_from=(NETWORK.pattern,),
)
NETWORK_DIFFERENCE = Slot(
    "uns",
    "{prefix}_network_difference",
    "long DataFrame: contrast, layer, source, target, difference, p_value, fdr",
    "tgem.tl.network_difference",
)
