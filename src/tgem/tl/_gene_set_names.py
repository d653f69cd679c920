"""Genes under the names by which gene sets know them, and what to say where none matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core.errors import GeneSetWarning, listed, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from anndata import AnnData

Sets = dict[str, list[str]]


def names_in_sets(
    sets: Sets, genes: Collection[str], adata: AnnData
) -> tuple[dict[str, str], str | None]:
    """Find the column of ``.var`` by which gene sets know the genes, if their names do not match.

    Parameters
    ----------
    sets
        Genes of each set.
    genes
        Names of the genes in the data.
    adata
        Data whose ``.var``, or that of ``.raw``, may name them otherwise in a column of text.

    Returns
    -------
    The other name of each gene that has one, and the column. Where a set holds any of the genes,
    or no column does better, nothing and ``None``.
    """
    members = {gene for names in sets.values() for gene in names}
    if not members.isdisjoint(genes):
        return {}, None
    best: dict[str, str] = {}
    found, n_found = "", 0
    for called, table in _tables(adata):
        for key in _columns_of_text(table):
            names = known_names(table[key].reindex(pd.Index(genes)))
            n_shared = len(members.intersection(names.values()))
            if n_shared > n_found:
                best, found, n_found = names, f"{called}[{key!r}]", n_shared
    if not n_found:
        return {}, None
    msg = (
        f"Gene sets were matched by adata.{found}, not by the genes' names: {n_found:,} of the "
        f"sets' {len(members):,} genes are in that column, none among the names."
    )
    warn(msg, GeneSetWarning)
    return best, found


def known_names(names: Mapping[str, str] | pd.Series[str]) -> dict[str, str]:
    """Other names of genes, without those of genes that have none."""
    given = pd.Series(names, dtype=object).dropna()
    return {str(gene): str(name) for gene, name in given.items() if str(name)}


def renamed(genes: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Other names without repetition: two identifiers may share a symbol."""
    return list(dict.fromkeys(str(names.get(gene, gene)) for gene in genes))


def renamed_ranking(ranking: pd.Series[float], names: Mapping[str, str]) -> pd.Series[float]:
    """The ranking by other names; of genes that share one, the farthest from 0 counts."""
    if not names:
        return ranking
    genes = ranking.index.astype(str)
    named = ranking.set_axis([names.get(gene, gene) for gene in genes])
    order = named.abs().reset_index(drop=True).sort_values(ascending=False, kind="stable").index
    ordered = named.iloc[order]
    kept = order[~ordered.index.duplicated()].sort_values()
    return named.iloc[kept]


def check_shared(sets: Sets, background: Sequence[str], adata: AnnData) -> None:
    """Raise unless a set has a gene in the background; none at all is a mix-up of names."""
    known = set(background)
    if not all(known.isdisjoint(genes) for genes in sets.values()):
        return
    members = list(dict.fromkeys(gene for genes in sets.values() for gene in genes))
    if not background:
        msg = (
            f"Expected mean attributions but those of all {adata.n_vars} genes are missing. "
            "Write them with `tgem.tl.attribution(adata, model)` on cells that the model types."
        )
    else:
        msg = (
            f"Expected gene sets that share genes with the data, but none of the {len(members)} "
            f"genes in {len(sets)} sets ({listed(members, 3)}) is among the {len(background)} "
            f"genes with attributions ({listed(background, 3)}). {_hint(members, background)}"
        )
    raise ValueError(msg)


def _hint(members: Sequence[str], background: Sequence[str]) -> str:
    """Guess why no name matches."""
    if {gene.upper() for gene in members} & {gene.upper() for gene in background}:
        return (
            "They match when case is ignored: human symbols are upper case (CD3E), mouse symbols "
            "are not (Cd3e). Use gene sets of the data's species and spelling."
        )
    ensembl = [gene for gene in background if gene.startswith("ENS")]
    if len(ensembl) > len(background) / 2:
        return (
            "The data has Ensembl identifiers: set adata.var_names to the gene symbols before "
            'training, write the symbols into a column such as adata.var["gene_symbol"], or use '
            "gene sets of Ensembl identifiers."
        )
    return "Both need the same kind of name, such as gene symbols or Ensembl identifiers."


def _tables(adata: AnnData) -> list[tuple[str, pd.DataFrame]]:
    tables = {"var": adata.var}
    if adata.raw is not None:
        tables["raw.var"] = adata.raw.var
    return [(called, table[~table.index.duplicated()]) for called, table in tables.items()]


def _columns_of_text(table: pd.DataFrame) -> list[Any]:
    return [key for key in table.columns if table[key].dtype.kind not in "biufcmM"]
