"""A panel of genes put together from gene sets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tgem.enrich._gene_sets import read_gene_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class GenePanel(NamedTuple):
    """Genes of a panel, and how the sources contributed.

    Attributes
    ----------
    genes
        Each gene once, in order of first appearance.
    n_per_source
        Number of different genes in each source, in the order of the sources.
    n_shared
        Number of genes that more than one source has.
    """

    genes: list[str]
    n_per_source: list[int]
    n_shared: int


def gene_panel(*sources: Mapping[str, Sequence[str]] | str | Path) -> GenePanel:
    """Unite gene sets to the panel of genes that a model is to see.

    The panel of the T-GEM paper (:cite:t:`zhang2022`) unites 14 sets of CancerSEA, 1,241 genes,
    with 10 KEGG pathways, 467 genes, that share none with them: 1,708 genes. Given the two as
    GMT files, this function returns them; ``adata[:, adata.var_names.isin(panel.genes)]`` then
    restricts the data.

    Parameters
    ----------
    *sources
        Dictionaries from the name of a set to its genes, or whatever else
        :func:`tgem.enrich.read_gene_sets` reads.

    Returns
    -------
    A named tuple: ``genes``, each once in order of first appearance; ``n_per_source``, the number
    of different genes in each source; ``n_shared``, the number of genes in more than one source.

    Raises
    ------
    ValueError
        No source is given, or one cannot be read.

    Examples
    --------
    >>> from tgem.enrich import gene_panel
    >>> hypoxia = {"Hypoxia": ["VEGFA", "CA9"], "Invasion": ["MMP9", "VEGFA"]}
    >>> panel = gene_panel(hypoxia, {"Butanoate metabolism": ["ACAT1", "CA9"]})
    >>> panel.genes
    ['VEGFA', 'CA9', 'MMP9', 'ACAT1']
    >>> panel.n_per_source, panel.n_shared
    ([3, 2], 1)
    """
    if not sources:
        msg = 'Expected at least one source of gene sets, such as `gene_panel("cancersea.gmt")`.'
        raise ValueError(msg)
    members = [
        dict.fromkeys(gene for genes in read_gene_sets(source).values() for gene in genes)
        for source in sources
    ]
    counts = Counter(gene for genes in members for gene in genes)
    return GenePanel(
        genes=list(counts),
        n_per_source=[len(genes) for genes in members],
        n_shared=sum(count > 1 for count in counts.values()),
    )
