"""Plots of what the tools wrote: each reads one slot and computes no model."""

from __future__ import annotations

from tgem.pl._ablation import ablation
from tgem.pl._attention_entropy import attention_entropy
from tgem.pl._attention_necessity import attention_necessity
from tgem.pl._attribution import attribution
from tgem.pl._calibration import calibration
from tgem.pl._confusion import confusion
from tgem.pl._enrich import enrich
from tgem.pl._epigenome import cell_type_specific_genes
from tgem.pl._history import history
from tgem.pl._hubs import hubs
from tgem.pl._network import network
from tgem.pl._rank_genes import rank_genes
from tgem.pl._regulation_evaluation import regulation_evaluation
from tgem.pl._stability import stability

__all__ = [
    "ablation",
    "attention_entropy",
    "attention_necessity",
    "attribution",
    "calibration",
    "cell_type_specific_genes",
    "confusion",
    "enrich",
    "history",
    "hubs",
    "network",
    "rank_genes",
    "regulation_evaluation",
    "stability",
]
