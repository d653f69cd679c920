"""Tools: each takes data and a model, and writes what the model says into the data."""

from tgem.tl._ablation import ablation
from tgem.tl._attention import attention
from tgem.tl._attention_necessity import attention_necessity
from tgem.tl._attribution import attribution
from tgem.tl._calibration import calibration
from tgem.tl._cell_ontology import cell_ontology
from tgem.tl._cell_type_specific_genes import cell_type_specific_genes
from tgem.tl._class_attention import class_attention
from tgem.tl._communities import communities
from tgem.tl._confusion import confusion
from tgem.tl._differential_regulation import differential_regulation
from tgem.tl._edge_significance import edge_significance
from tgem.tl._enrich import enrich
from tgem.tl._enrich_hubs import enrich_hubs
from tgem.tl._enrich_targets import enrich_targets
from tgem.tl._evaluate_regulation import evaluate_regulation
from tgem.tl._history import history
from tgem.tl._hubs import hubs
from tgem.tl._label_hierarchy import label_hierarchy
from tgem.tl._majority_vote import majority_vote
from tgem.tl._network import network
from tgem.tl._network_difference import network_difference
from tgem.tl._predict import predict
from tgem.tl._predict_expression import predict_expression
from tgem.tl._predict_isoforms import predict_isoforms
from tgem.tl._prediction_sets import prediction_sets
from tgem.tl._rank_genes import rank_genes
from tgem.tl._regulation import regulation
from tgem.tl._regulatory_attention import regulatory_attention
from tgem.tl._regulatory_attribution import regulatory_attribution
from tgem.tl._regulatory_importance import regulatory_importance
from tgem.tl._regulatory_network import regulatory_network
from tgem.tl._stability import stability
from tgem.tl._transfer import transfer

__all__ = [
    "ablation",
    "attention",
    "attention_necessity",
    "attribution",
    "calibration",
    "cell_ontology",
    "cell_type_specific_genes",
    "class_attention",
    "communities",
    "confusion",
    "differential_regulation",
    "edge_significance",
    "enrich",
    "enrich_hubs",
    "enrich_targets",
    "evaluate_regulation",
    "history",
    "hubs",
    "label_hierarchy",
    "majority_vote",
    "network",
    "network_difference",
    "predict",
    "predict_expression",
    "predict_isoforms",
    "prediction_sets",
    "rank_genes",
    "regulation",
    "regulatory_attention",
    "regulatory_attribution",
    "regulatory_importance",
    "regulatory_network",
    "stability",
    "transfer",
]
