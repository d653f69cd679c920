"""Does attention matter? The ladder from a cell's own attention maps down to none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.tables import ALL, ALL_CELLS
from tgem._core.validate import check_count
from tgem.tl._expected_model import check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData

    from tgem.model._base import ExplainedAttentionClassifier

Array = np.ndarray[Any, Any]

OWN = "own"
MEAN = "mean"
METRICS = ("accuracy", "log_likelihood")
DIFFERENCE = ("own_minus", "own_minus_lower", "own_minus_upper")
COLUMNS = ("class", "maps", "metric", "value", "lower", "upper", *DIFFERENCE, "n_cells", ALL_CELLS)
INTERVAL = (0.025, 0.975)


def attention_necessity(
    adata: AnnData,
    model: ExplainedAttentionClassifier,
    *,
    indices: Sequence[int] | None = None,
    n_reference: int | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Measure what the model loses without each cell's own attention maps.

    The model labels the same cells five times, with other maps in all attention layers together:

    ``own``
        each cell's own maps, the model as it is;
    ``mean``
        the mean map of the training cells, the same for all cells;
    ``other``
        the maps of another cell, a random training cell;
    ``shuffled``
        the cell's own maps with the genes that are looked at permuted at random, in the same way
        for all genes that look;
    ``uniform``
        maps that look at all genes alike.

    **Own minus mean is the cell-specific share**: what attention knows about the single cell. If
    its interval includes 0, a network read from the maps says nothing about these decisions that
    one fixed matrix would not say. Losing accuracy on shuffled or uniform maps is no evidence for
    attention: a model without attention to the cell, and even one with random maps, loses it too
    if its classifier was trained on such maps.

    Parameters
    ----------
    adata
        Labelled cells.
    model
        A trained model with attention, that holds its training cells.
    indices
        Positions of the cells, or a boolean mask. ``None`` means the test cells of the model's own
        training data, and all cells of other data.
    n_reference
        Training cells, chosen at random, for the mean map and for the maps of other cells;
        ``None`` for 500, or 100 for models of more than 4,000 genes. The mean map is the slow
        part, and in such models its time grows with `n_reference`, under a progress bar; for the
        whole transcriptome it takes minutes, and no matrix of genes x genes.
    n_bootstrap
        Samples of cells, drawn with replacement, for the intervals. Cells of one donor are not
        independent: for a statement about donors these intervals are too narrow.
    seed
        Seed of the choice of training cells, of the permutations and of the bootstrap.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_attention_necessity"]``, a long DataFrame
    with the columns ``class`` (``"all"`` for all cells), ``maps``, ``metric`` (``"accuracy"``;
    ``"log_likelihood"``, the mean natural logarithm of the probability of a cell's given label),
    ``value``, ``lower``, ``upper``, ``own_minus`` (the value with own maps minus this one),
    ``own_minus_lower``, ``own_minus_upper``, ``n_cells`` and ``all_cells``, true in the rows of all
    cells, should a class be called ``"all"``. The limits are 95 % intervals of the
    bootstrap over cells, paired for the differences, and NaN for a single cell; they say nothing
    about how other donors or another training run would differ. In
    ``.uns["tgem_attention_necessity_params"]`` the cell-specific share of all cells,
    ``cell_specific_accuracy`` and ``cell_specific_log_likelihood``, each an array of value, lower
    and upper limit.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If no cell has a label that the model knows, or if the model holds no training cells or
        no attention.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attention_necessity(adata, model, n_bootstrap=200)
    >>> table = adata.uns["tgem_attention_necessity"]
    >>> table["maps"].unique().tolist()
    ['own', 'mean', 'other', 'shuffled', 'uniform']
    """
    check_model(model, "TGEM", base="ExplainedAttentionClassifier")
    check_count("n_bootstrap", n_bootstrap)
    target = target_of(adata, copy=copy)
    cells, true = model.labelled_cells(adata, indices)
    ladder = model.get_attention_ladder(adata, cells, n_reference=n_reference, seed=seed)
    scores = {maps: _scores(table, true) for maps, table in ladder.log_probability.items()}
    generator = np.random.default_rng(seed)
    tables = [
        _compared(
            {maps: score[members] for maps, score in scores.items()}, n_bootstrap, generator
        ).assign(**{"class": label, ALL_CELLS: at == 0})
        for at, (label, members) in enumerate(_groups(true))
    ]
    table = pd.concat(tables, ignore_index=True)[list(COLUMNS)]
    params = {
        "model": type(model).__name__,
        "n_reference": ladder.n_reference,
        "n_bootstrap": n_bootstrap,
        "seed": seed,
        "n_cells": len(cells),
        **{f"cell_specific_{metric}": _cell_specific(table, metric) for metric in METRICS},
    }
    keys.ATTENTION_NECESSITY.write(target, table, key_added)
    record(target, keys.ATTENTION_NECESSITY, key_added, params)
    return target if copy else None


def _scores(log_probability: pd.DataFrame, true: Array) -> Array:
    """Whether each cell is right, and the log-probability of its label, ``(n_obs, 2)``."""
    values = log_probability.to_numpy()
    codes = log_probability.columns.get_indexer(pd.Index(true))
    right = values.argmax(axis=1) == codes
    return np.column_stack([right, values[np.arange(len(codes)), codes]])


def _groups(true: Array) -> Iterator[tuple[str, Array]]:
    """All cells, then the cells of each label."""
    yield ALL, np.arange(len(true))
    for label in pd.unique(pd.Series(true).sort_values(key=lambda names: names.astype(str))):
        yield str(label), np.flatnonzero(true == label)


def _compared(
    scores: dict[str, Array], n_bootstrap: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Rows of the table for one group of cells; all maps are resampled with the same draws."""
    n_cells = len(scores[OWN])
    values = np.stack(list(scores.values()), axis=1)  # cells, maps, metrics
    values = np.concatenate([values, scores[OWN][:, None] - values], axis=1)
    draws = (generator.integers(n_cells, size=n_cells) for _ in range(n_bootstrap))
    resampled = np.stack([values[chosen].mean(axis=0) for chosen in draws])
    lower, upper = np.quantile(resampled, INTERVAL, axis=0)
    if n_cells == 1:
        lower, upper = np.full_like(lower, np.nan), np.full_like(upper, np.nan)
    ends = np.stack([values.mean(axis=0), lower, upper])  # of values, maps, metrics
    of_value, of_difference = np.split(ends, 2, axis=1)
    rows = [
        (maps, metric, *of_value[:, i, j], *of_difference[:, i, j], n_cells)
        for j, metric in enumerate(METRICS)
        for i, maps in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS[1:-1]))


def _cell_specific(table: pd.DataFrame, metric: str) -> Array:
    """Own minus mean over all cells, with the limits of its interval."""
    row = table[table[ALL_CELLS] & (table["maps"] == MEAN) & (table["metric"] == metric)]
    ends: Array = row[list(DIFFERENCE)].to_numpy()[0]
    return ends
