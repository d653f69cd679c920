"""Which gene sets the deciding genes of each class belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.tables import summarized_attributions
from tgem._core.validate import check_choice, check_count, chosen_classes
from tgem.enrich import (
    PRERANK_COLUMNS,
    RESULT_COLUMNS,
    over_representation,
    prerank,
    read_gene_sets,
)
from tgem.tl._gene_set_names import check_shared, names_in_sets, renamed, renamed_ranking
from tgem.tl._provenance import record, target_of
from tgem.tl._set_sizes import count_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData

Method = Literal["over_representation", "prerank"]
_COLUMNS: dict[str, tuple[str, ...]] = {
    "over_representation": RESULT_COLUMNS,
    "prerank": PRERANK_COLUMNS,
}
_MAX_SIZE = 500  # genes of a set; larger ones say little, and take long


def enrich(
    adata: AnnData,
    gene_sets: Mapping[str, Sequence[str]] | str | Path,
    *,
    method: Method = "over_representation",
    n_genes: int = 50,
    min_size: int = 5,
    n_permutations: int = 1000,
    seed: int = 0,
    classes: Sequence[str] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which gene sets the genes that decided for each class belong to.

    By over-representation, the genes of each class with the largest positive mean attribution
    are tested for holding more of a set than chance would. The background is every gene that the
    model knows, so that a set does not look enriched merely because its genes were measured.

    By ``"prerank"``, gene set enrichment analysis, all genes that the model knows are ranked by
    their mean attribution, and a set is tested for gathering at the top, the genes that spoke for
    the class, or at the bottom, those that spoke against it.

    Parameters
    ----------
    adata
        Data with the attributions that :func:`tgem.tl.attribution` wrote.
    gene_sets
        Dictionary from the name of a set to its genes, the path of a GMT file, or the name of
        an Enrichr library, which alone uses the network; see
        :func:`tgem.enrich.read_gene_sets`. Genes are matched by exact name with
        ``adata.var_names`` or, where no set holds any of these, with the column of text in
        ``adata.var`` that names most of the sets' genes, such as the symbols of Ensembl ids.
    method
        ``"over_representation"`` or ``"prerank"``.
    n_genes
        Over-representation only: number of top genes of each class; fewer if fewer have a
        positive mean attribution.
    min_size
        Smallest number of a set's genes that the model must know for it to be tested, a choice
        that the attributions have no part in. By prerank, sets of more than 500 are not tested
        either.
    n_permutations, seed
        Prerank only: number of random sets, and the seed that draws them.
    classes
        Classes to test; all by default.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default. To keep the table of an
        earlier call, give it another prefix: ``adata.uns["go_enrichment"] =
        adata.uns["tgem_enrichment"]``, which ``tgem.pl.enrich(adata, key_added="go")`` draws.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_enrichment"]``
        DataFrame with ``class`` (the exact label), ``source`` (``"attribution"``) and the
        columns of :func:`tgem.enrich.over_representation`, one row for each class and set that
        share a gene, or of :func:`tgem.enrich.prerank`, one row for each class and tested set.
        P-values are adjusted within a class, over all tested sets. ``gseapy.dotplot`` takes the
        table with ``x="class"``, by prerank also ``column="FDR q-val"``;
    ``.uns["tgem_enrichment_params"]``
        ``method``, its settings, ``n_sets`` (the tested ones), ``n_sets_too_small``,
        ``n_background``, the tested ``classes``, ``matched_by`` (the column of ``.var`` by which
        genes were matched, if not by their names) and tgem's version.

    Warns
    -----
    GeneSetWarning
        If sets were not tested because the model knows too few of their genes; it names them. Or
        if genes were matched by a column of ``.var``.

    Raises
    ------
    KeyError
        If there are no attributions in `adata`.
    ValueError
        For an unknown class or method, a number below 1, an unreadable set file, gene sets that
        share no gene with the data or too few with each set, or, by prerank, attributions without
        signs; `adata` is then unchanged.
    ConnectionError
        If a library was named but Enrichr could not be reached.

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
    check_choice("method", method, list(_COLUMNS))
    numbers = {"n_genes": n_genes, "min_size": min_size, "n_permutations": n_permutations}
    for name, value in numbers.items():
        check_count(name, value)
    attributions = summarized_attributions(adata, key_added)
    chosen = chosen_classes(classes, attributions.columns.tolist())
    if method == "prerank":
        _check_signed(adata, key_added)
    sets = read_gene_sets(gene_sets)
    genes = attributions.index[attributions.notna().any(axis=1)].astype(str).tolist()
    names, matched_by = names_in_sets(sets, genes, adata)
    background = renamed(genes, names)
    check_shared(sets, background, adata)
    settings = {"min_size": int(min_size)}
    if method == "prerank":
        advice = "Change `min_size`, or use method='over_representation'."
        largest = min(_MAX_SIZE, len(background) - 1)
        counts = count_sets(sets, background, min_size=min_size, max_size=largest, advice=advice)
        settings |= {"n_permutations": int(n_permutations), "max_size": _MAX_SIZE}
        settings |= {"seed": int(seed)}
    else:
        counts = count_sets(sets, background, min_size=min_size)
        settings |= {"n_genes": int(n_genes)}
    tables = []
    for label in chosen:
        ranking = renamed_ranking(attributions[label].dropna(), names)
        if method == "over_representation":
            top = _top_genes(ranking, n_genes)
            found = over_representation(top, sets, background, min_size=min_size)
        elif len(ranking):
            found = prerank(ranking, sets, **settings)
        else:  # no cell was given this class
            continue
        tables.append(found.assign(**{"class": label, "source": "attribution"}))
    target = target_of(adata, copy=copy)
    keys.ENRICHMENT.write(target, _joined(tables, _COLUMNS[method]), key_added)
    params = {
        "method": method,
        **settings,
        **counts,
        "n_background": len(background),
        "matched_by": matched_by,
        "classes": np.array(chosen, dtype=object),
    }
    record(target, keys.ENRICHMENT, key_added, params)
    return target if copy else None


def _check_signed(adata: AnnData, prefix: str | None) -> None:
    """Refuse to rank by squares or variances, where large may mean against."""
    params = adata.uns.get(keys.ATTRIBUTION.params_key(prefix), {})
    if not params.get("signed", True):
        msg = (
            "Expected attributions with signs for method='prerank', but those of the method "
            f"{params.get('method')!r} are never negative. Use method='over_representation', or "
            "write others with `tgem.tl.attribution(adata, model, method='integrated_gradients')`."
        )
        raise ValueError(msg)


def _top_genes(attribution: pd.Series[float], n_genes: int) -> list[str]:
    """Genes with the largest positive attribution, largest first."""
    return attribution[attribution > 0].nlargest(n_genes).index.astype(str).tolist()


def _joined(tables: list[pd.DataFrame], own_columns: tuple[str, ...]) -> pd.DataFrame:
    columns = ["class", "source", *own_columns]
    # Empty tables would make pandas guess the types of the joined columns.
    filled = [table for table in tables if len(table)] or tables[:1]
    if not filled:
        return pd.DataFrame(columns=columns)
    return pd.concat(filled, ignore_index=True)[columns]
