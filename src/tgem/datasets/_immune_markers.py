"""Marker genes of the blood's immune cell types."""

from __future__ import annotations

from importlib.resources import files


def immune_markers() -> dict[str, list[str]]:
    """Canonical marker genes of the immune cell types in human blood.

    Fifteen small sets of textbook markers, as HGNC symbols: enough to see whether a model of
    blood cells decides by the genes that biologists would name. Related types share markers,
    such as CD3D among T cells. Each line of the packaged GMT file names its references.

    Returns
    -------
    Dictionary from cell type to its marker genes.

    Examples
    --------
    >>> import tgem
    >>> markers = tgem.datasets.immune_markers()
    >>> len(markers)
    15
    >>> markers["CD14 monocyte"][:4]
    ['CD14', 'LYZ', 'S100A8', 'S100A9']
    """
    text = files("tgem.datasets").joinpath("immune_markers.gmt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {name: genes for name, _reference, *genes in rows}
