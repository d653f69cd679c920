"""What is known of each transcription factor at each gene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core import keys
from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.validate import check_choice, check_count
from tgem.pp._edges import edge_matrix, read_edges
from tgem.pp._places import cell_type_names, observations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.pp._edges import Edges

    Array = np.ndarray[Any, Any]

MEASUREMENT = "tf"
EDGE, EXPRESSION = "edge", "expression"


def tf_features(
    edges: Edges | Mapping[str, Edges],
    expression: pd.DataFrame | pd.Series[Any],
    genes: Sequence[str] | None = None,
    *,
    weight_key: str | None = None,
    min_targets: int = 1,
    transform: Literal["log1p"] | None = None,
    keep_own_gene: bool = False,
) -> AnnData:
    """Describe every transcription factor at every gene by their edge and its expression.

    For each factor and gene: the weight of the edge from the factor to the gene (0 without one),
    the factor's own expression in the cell type, and their product, which is what the factor can
    do to this gene in this cell type. Several tables, such as motifs and ChIP, give an edge and a
    product each.

    Parameters
    ----------
    edges
        Table of factors and targets, a DataFrame or the path of a CSV or TSV file, such as
        DoRothEA, CollecTRI, or targets by motif or ChIP; or several: ``{"chip": ..., "motif":
        ...}``. The factor is in a column ``factor``, ``tf``, ``source`` or ``regulator``, its
        target in ``target``, ``target_gene`` or ``gene``. Several edges of one pair are averaged.
    expression
        Expression of all genes, factors among them: a Series with genes as index, or a DataFrame
        genes x cell types. On a log scale, or see `transform`.
    genes
        Genes to describe; ``None`` for those of `expression`.
    weight_key
        Column with the strength or sign of an edge, such as ``"mor"`` of DoRothEA; ``None`` to
        count every edge as 1.
    min_targets
        Fewest targets among the genes that a factor has in one of the tables; others are left out.
    transform
        What to do to expression; nothing by default, or the logarithm of 1 + expression.
    keep_own_gene
        Whether a factor keeps its edge to its own gene. There the product holds the expression
        that a model is to predict, so that it is 0 by default.

    Returns
    -------
    AnnData, genes or genes x cell types (named ``"gene|cell type"``) x factors x features:

    - ``.X``: float32, dense: genes x cell types x factors x features numbers of 4 bytes;
    - ``.var``: ``factor`` and ``feature``: ``edge``, ``expression``, ``edge_x_expression``, or for
      several tables ``chip``, ``motif``, ``expression``, ``chip_x_expression``, ...;
    - ``.obs``: ``gene_id`` and ``cell_type`` (if there are several);
    - ``.uns["epi_preparation"]``: ``settings``, which models compare with those of their training
      data, and ``n_targets``, a table of the factors.

    It is the ``tf`` modality of :class:`tgem.model.EpiAttention`.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If a table has no such columns or missing values, genes repeat, expression is missing or
        infinite, or no factor or no target is among the genes.

    Warns
    -----
    GeneAlignmentWarning
        For factors without expression: they are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> import tgem
    >>> edges = pd.DataFrame({"tf": ["GATA1", "GATA1", "TAL1"], "target": ["HBB", "KLF1", "HBB"]})
    >>> expression = pd.DataFrame(
    ...     {"K562": [9.0, 5.0, 6.0, 4.0]}, index=["HBB", "KLF1", "GATA1", "TAL1"]
    ... )
    >>> adata = tgem.pp.tf_features(edges, expression, ["HBB", "KLF1"])
    >>> adata.to_df().T
                             HBB|K562  KLF1|K562
    GATA1|edge                    1.0        1.0
    GATA1|expression              6.0        6.0
    GATA1|edge_x_expression       6.0        6.0
    TAL1|edge                     1.0        0.0
    TAL1|expression               4.0        4.0
    TAL1|edge_x_expression        4.0        0.0
    """
    check_choice("transform", transform, (None, "log1p"))
    check_count("min_targets", min_targets)
    named = dict(edges) if isinstance(edges, Mapping) else {EDGE: edges}
    tables = {
        str(name): read_edges(table, weight_key, f"`edges` ({name})")
        for name, table in named.items()
    }
    if not tables or EXPRESSION in tables:
        msg = f"Expected `edges` to name tables, none of them {EXPRESSION!r}, got {listed(tables)}."
        raise ValueError(msg)
    levels = _levels(expression, transform)
    wanted = pd.Index(levels.index if genes is None else [str(gene) for gene in genes])
    _check_genes(wanted)
    factors, n_targets = _factors(tables, levels, wanted, min_targets)
    weights = {name: edge_matrix(table, wanted, factors) for name, table in tables.items()}
    if not keep_own_gene:
        own = wanted.get_indexer(factors)
        for matrix in weights.values():
            matrix[own[own >= 0], np.flatnonzero(own >= 0)] = 0

    values = _features(weights, levels.loc[factors].to_numpy(dtype=np.float32))
    names = [*weights, EXPRESSION, *(f"{name}_x_{EXPRESSION}" for name in weights)]
    samples = (
        [] if isinstance(expression, pd.Series) else cell_type_names(levels.columns, "expression")
    )
    var = pd.DataFrame(
        {"factor": np.repeat(factors, len(names)), "feature": names * len(factors)},
        index=pd.Index([f"{factor}|{name}" for factor in factors for name in names]),
    )
    obs = observations(pd.DataFrame(index=wanted), samples)
    adata = AnnData(values, obs=obs, var=var)
    settings = {
        "measurement": MEASUREMENT,
        "weight": weight_key or "1",
        "transform": transform or "none",
        "keep_own_gene": keep_own_gene,
    }
    keys.PREPARATION.write(adata, {"settings": settings, "n_targets": n_targets})
    return adata


def _levels(expression: pd.DataFrame | pd.Series[Any], transform: str | None) -> pd.DataFrame:
    """Expression, genes x cell types, as finite numbers."""
    if not isinstance(expression, pd.DataFrame | pd.Series) or expression.empty:
        msg = (
            "Expected `expression` to be a Series of genes or a DataFrame genes x cell types, got "
            f"{type(expression).__name__}."
        )
        raise ValueError(msg)
    table = expression.to_frame() if isinstance(expression, pd.Series) else expression
    levels = table.set_axis(table.index.astype(str))
    _check_genes(levels.index)
    try:
        values = levels.to_numpy(dtype=float)
    except ValueError as error:
        msg = f"Expected numbers in `expression`, found others: {error}."
        raise ValueError(msg) from error
    wrong = levels.index[~np.isfinite(values).all(axis=1)]
    if len(wrong):
        msg = (
            f"Expected finite values in `expression`, found others for {len(wrong)} genes: "
            f"{listed(wrong)}."
        )
        raise ValueError(msg)
    if transform == "log1p":
        if values.min() < 0:
            msg = (
                "Expected values of at least 0 in `expression` for `transform='log1p'`, found "
                f"{values.min():.3g}. Is it on a log scale already?"
            )
            raise ValueError(msg)
        values = np.log1p(values)
    return pd.DataFrame(values, index=levels.index, columns=levels.columns)


def _check_genes(names: pd.Index[Any]) -> None:
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        msg = f"Expected every gene once, found {len(twice)} several times: {listed(twice)}."
        raise ValueError(msg)


def _factors(
    tables: Mapping[str, pd.DataFrame],
    levels: pd.DataFrame,
    genes: pd.Index[Any],
    min_targets: int,
) -> tuple[list[str], pd.DataFrame]:
    """Factors with expression and enough targets, by name, and their numbers of targets."""
    known = {name: table[table["target"].isin(genes)] for name, table in tables.items()}
    counts = pd.DataFrame({name: table["factor"].value_counts() for name, table in known.items()})
    counts = counts.fillna(0).astype(int).sort_index()
    if counts.empty:
        table = next(iter(tables.values()))
        msg = (
            f"Expected targets among the {len(genes)} genes, such as {listed(genes, 3)}, found "
            f"none; targets are named {listed(table['target'], 3)}. Name both by symbols, or both "
            "by identifiers."
        )
        raise ValueError(msg)
    counts = counts[counts.max(axis=1) >= min_targets]
    silent = counts.index[~counts.index.isin(levels.index)]
    if len(silent) == len(counts):
        msg = (
            f"Expected factors with {min_targets} or more targets and expression, found "
            f"{len(counts)} with so many targets, none of them in `expression`, whose genes are "
            f"named {listed(levels.index, 3)}; factors are named {listed(silent, 3)}."
        )
        raise ValueError(msg)
    if len(silent):
        msg = (
            f"{len(silent)} of {len(counts)} factors have no row in `expression` and are left out: "
            f"{listed(silent)}."
        )
        warn(msg, GeneAlignmentWarning)
    counts = counts.drop(silent)
    return counts.index.tolist(), counts.rename_axis("factor")


def _features(weights: Mapping[str, Array], levels: Array) -> Array:
    """Edges, expression and products, ``(n_cell_types * n_genes, n_factors * n_features)``."""
    edges = np.stack(list(weights.values()), axis=-1)
    n_genes, n_factors, n_tables = edges.shape
    values = np.empty((levels.shape[1], n_genes, n_factors, 2 * n_tables + 1), dtype=np.float32)
    values[..., :n_tables] = edges
    values[..., n_tables] = levels.T[:, None]
    values[..., n_tables + 1 :] = edges * levels.T[:, None, :, None]
    return values.reshape(levels.shape[1] * n_genes, -1)
