"""Markers of three types, from the gene sets beside the project."""

from __future__ import annotations

import os
from pathlib import Path

#: sets of genes that name a type, without the prefix of their file
MARKERS = {
    "B": ("Bcells", "NaiveB", "MemB", "Bcell", "Blymphocyte", "NaiBcell", "MemBcell"),
    "NK": ("NKcells", "NKcyt", "NKnai", "NKcell", "CD56dimNK", "CD56brightNK"),
    "monocyte": ("Monocytes", "Mo14", "Mo16", "Monocyte", "ClassMonocyte", "NClassMonocyte"),
}
GENE_SETS = ("HumanCD45p_scseqCMs6.gmt", "CellNames_scseqCMs6_sigs.gmt")


def markers() -> dict[str, set[str]]:
    """Markers of three types, from the gene sets beside the project."""
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("TGEM_SHARED_DATA", default)) / "genesets"
    found: dict[str, set[str]] = {name: set() for name in MARKERS}
    for file in GENE_SETS:
        for line in (folder / file).read_text(encoding="utf-8").splitlines():
            name, _, *genes = line.split("\t")
            for kind, names in MARKERS.items():
                if name.rsplit("_", maxsplit=1)[-1] in names:
                    found[kind] |= {gene for gene in genes if gene}
    return found
