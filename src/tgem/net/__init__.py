"""Networks as long tables: hubs, null models, stability, differences, and export.

A network is a DataFrame with the columns ``source``, ``target`` and ``weight``, one row per
directed edge, and, where there are several networks in one table, ``class`` and ``layer``. Weights
are signed; strength and modularity use their absolute values. Plain functions on such tables;
:func:`tgem.tl.hubs` applies them to the network in an AnnData or MuData. Scores of all pairs of
gene and factor are compared with evidence by :func:`evaluate_regulation`.
"""

from __future__ import annotations

from tgem.net._communities import communities, community_significance
from tgem.net._degree_preserving_null import degree_preserving_null
from tgem.net._difference import difference
from tgem.net._edge_significance import edge_significance
from tgem.net._export import to_decoupler, write_cyjs, write_sif
from tgem.net._graph import to_networkx, write_graphml
from tgem.net._hub_significance import compare_hubs, hub_significance
from tgem.net._hubs import hubs
from tgem.net._p_values import benjamini_hochberg, pooled_p_values
from tgem.net._regulation_evaluation import RegulationEvaluation, evaluate_regulation
from tgem.net._stability import Stability, stability
from tgem.net._strength_significance import strength_significance
from tgem.net._strongest import strongest

__all__ = [
    "RegulationEvaluation",
    "Stability",
    "benjamini_hochberg",
    "communities",
    "community_significance",
    "compare_hubs",
    "degree_preserving_null",
    "difference",
    "edge_significance",
    "evaluate_regulation",
    "hub_significance",
    "hubs",
    "pooled_p_values",
    "stability",
    "strength_significance",
    "strongest",
    "to_decoupler",
    "to_networkx",
    "write_cyjs",
    "write_graphml",
    "write_sif",
]
