"""Which gene sets the deciding genes of each class belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.tables import mean_attributions
from tgem._core.validate import check_count, chosen_classes
from tgem.enrich import RESULT_COLUMNS, over_representation, read_gene_sets
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData


def enrich(
    adata: AnnData,
    gene_sets: Mapping[str, Sequence[str]] | str | Path,
    *,
    n_genes: int = 50,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which gene sets the genes that decided for each class belong to.

    For each class, the genes with the largest positive mean attribution are tested for
    over-representation of each set. The background is every gene that the model knows, so
    that a set does not look enriched merely because its genes were measured. Nothing is
    fetched from the network.

    Parameters
    ----------
    adata
        Data with the attributions that :func:`tgem.tl.attribution` wrote.
    gene_sets
        Dictionary from the name of a set to its genes, or the path of a GMT file. Genes are
        matched by exact name with ``adata.var_names``.
    n_genes
        Number of top genes of each class; fewer if fewer have a positive mean attribution.
    classes
        Classes to test; all by default.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_enrichment"]``
        DataFrame, one row for each class and set that share a gene: the columns of
        :func:`tgem.enrich.over_representation`, ``class`` (the exact label) and ``source``
        (``"attribution"``). P-values are adjusted within a class;
    ``.uns["tgem_enrichment_params"]``
        ``n_genes``, ``n_sets`` (sets with a gene in the background), ``n_background``, the
        tested ``classes`` and tgem's version.

    Raises
    ------
    KeyError
        If there are no attributions in `adata`.
    ValueError
        For an unknown class, `n_genes` below 1, an unreadable set file, or gene sets that share
        no gene with the data; `adata` is then unchanged.

    Examples
    --------
    Attributions by hand, where a model's would come from :func:`tgem.tl.attribution`:

    >>> import numpy as np, pandas as pd, tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    >>> genes = adata.var_names
    >>> adata.varm["tgem_attribution"] = pd.DataFrame(
    ...     {"B cell": np.arange(60.0), "T cell": np.arange(60.0)[::-1]}, index=genes
    ... )
    >>> sets = {"late": list(genes[-8:]), "early": list(genes[:8])}
    >>> tgem.tl.enrich(adata, sets, n_genes=10)
    >>> adata.uns["tgem_enrichment"][["class", "Term", "Overlap"]].values.tolist()
    [['B cell', 'late', '8/8'], ['T cell', 'early', '8/8']]
    """
    # Everything is checked and computed before anything is written or copied.
    check_count("n_genes", n_genes)
    attributions = mean_attributions(adata, key_added)
    chosen = chosen_classes(classes, attributions.columns.tolist())
    sets = read_gene_sets(gene_sets)
    background = attributions.index[attributions.notna().any(axis=1)].astype(str).tolist()
    n_sets = _count_testable(sets, background, adata)
    tables = []
    for label in chosen:
        top = _top_genes(attributions[label], n_genes)
        found = over_representation(top, sets, background)
        tables.append(found.assign(**{"class": label, "source": "attribution"}))
    target = target_of(adata, copy=copy)
    keys.ENRICHMENT.write(target, _joined(tables), key_added)
    params = {
        "n_genes": int(n_genes),
        "n_sets": n_sets,
        "n_background": len(background),
        "classes": np.array(chosen, dtype=object),
    }
    record(target, keys.ENRICHMENT, key_added, params)
    return target if copy else None


def _top_genes(attribution: pd.Series[float], n_genes: int) -> list[str]:
    """Genes with the largest positive attribution, largest first."""
    return attribution[attribution > 0].nlargest(n_genes).index.astype(str).tolist()


def _count_testable(sets: dict[str, list[str]], background: list[str], adata: AnnData) -> int:
    """Count the sets with a gene in the background; none at all is a mix-up of names."""
    known = set(background)
    n_sets = sum(not known.isdisjoint(genes) for genes in sets.values())
    if n_sets:
        return n_sets
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


def _hint(members: list[str], background: list[str]) -> str:
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
            "training, or use gene sets of Ensembl identifiers."
        )
    return "Both need the same kind of name, such as gene symbols or Ensembl identifiers."


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    # Empty tables would make pandas guess the types of the joined columns.
    filled = [table for table in tables if len(table)] or tables[:1]
    columns = ["class", "source", *RESULT_COLUMNS]
    return pd.concat(filled, ignore_index=True)[columns]
