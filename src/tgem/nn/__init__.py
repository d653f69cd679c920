"""Attention over genes, for torch users."""

from __future__ import annotations

from tgem.nn.attention import scalar_attention
from tgem.nn.attribution import AttentionAttribution, attention_attribution
from tgem.nn.attribution_averages import mean_attribution_blocks
from tgem.nn.averages import mean_attention, mean_attention_blocks
from tgem.nn.edges import Edges, strongest_edges
from tgem.nn.ranking import TopKeys, top_keys
from tgem.nn.shared_keys import shared_key_attention
from tgem.nn.statistics import AttentionStatistics, attention_statistics

__all__ = [
    "AttentionAttribution",
    "AttentionStatistics",
    "Edges",
    "TopKeys",
    "attention_attribution",
    "attention_statistics",
    "mean_attention",
    "mean_attention_blocks",
    "mean_attribution_blocks",
    "scalar_attention",
    "shared_key_attention",
    "strongest_edges",
    "top_keys",
]
