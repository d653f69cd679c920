"""Gene sets, and the question whether the deciding genes hold more of one than chance would.

Plain functions on lists, dictionaries and pandas objects; :func:`tgem.tl.enrich` applies them to
the attributions in an AnnData.
"""

from __future__ import annotations

from tgem.enrich._gene_sets import read_gene_sets
from tgem.enrich._over_representation import RESULT_COLUMNS, over_representation
from tgem.enrich._panel import GenePanel, gene_panel
from tgem.enrich._prerank import PRERANK_COLUMNS, prerank
from tgem.enrich._rnk import write_rnk, write_rnk_by_class

__all__ = [
    "PRERANK_COLUMNS",
    "RESULT_COLUMNS",
    "GenePanel",
    "gene_panel",
    "over_representation",
    "prerank",
    "read_gene_sets",
    "write_rnk",
    "write_rnk_by_class",
]
