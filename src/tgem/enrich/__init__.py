"""Gene sets and the question whether a list of genes holds more of one than chance would.

Plain functions on lists and dictionaries; :func:`tgem.tl.enrich` applies them to the
attributions in an AnnData.
"""

from __future__ import annotations

from tgem.enrich._gene_sets import read_gene_sets
from tgem.enrich._over_representation import RESULT_COLUMNS, over_representation

__all__ = ["RESULT_COLUMNS", "over_representation", "read_gene_sets"]
