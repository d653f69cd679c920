"""How evenly genes attend to other genes, and which genes receive attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core import keys
from tgem.tl._expected_model import ATTENTION, check_model
from tgem.tl._gene_rows import names_in_data, rows_of_data, warn_of_rows
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from tgem.model._base import SummarizedClassifier

N_BOOTSTRAP = 1000
INTERVAL = (0.025, 0.975)


def attention(
    adata: AnnData,
    model: SummarizedClassifier,
    *,
    groupby: str | None = None,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    r"""Write how evenly genes attend to other genes, and how much attention each receives.

    The entropy of a gene's attention is given as a share of the largest possible, the logarithm of
    the number of other genes: 1 where the gene attends to all others alike, near 0 where it
    attends to a single one. The attention to others is scaled up to sum to one first. A gene whose
    query is 0, as that of one that is not expressed in the published network, attends to all alike
    whatever the model has learned, and does not count.

    Zhang et al. read broad attention in the first layer and focused attention in later ones; the
    difference of the mean entropies of the first and the last layer says whether it is so here.
    **Low entropy is no evidence that attention decides**: random maps have it too.
    :func:`tgem.tl.attention_necessity` measures that.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A trained model with attention between genes.
    groupby
        Column of ``adata.obs`` with the groups that attention received is averaged over; by
        default the label that the model gives.
    seed
        Seed of the bootstrap.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obsm["tgem_attention_entropy"]``
        DataFrame, cells x (layer, head), columns such as ``layer1_head1``: mean over genes;
    ``.varm["tgem_attention_entropy"]``
        DataFrame, genes x (layer, head): mean over cells; missing for genes whose query is always
        0 and genes that the model does not know;
    ``.varm["tgem_attention_layer1"]``, ``.varm["tgem_attention_layer2"]``, ...
        DataFrame, genes x classes: attention that a gene receives from all others, mean over heads
        and over the cells of the class (an average gene receives nearly 1); missing for genes that
        the model does not know and classes that no cell was given. ``model.get_attention_received``
        returns it for each cell;
    ``.uns["tgem_attention_entropy_params"]``
        ``entropy_of_layers``, the mean of each layer over cells and heads; with several layers
        ``entropy_first_minus_last``, the first layer's less the last one's, with the limits of its
        95 % bootstrap interval over cells; ``n_layers``, exact class names, and ``log_n``, which
        turns the shares into nats.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the model holds no attention between genes; `adata` is then unchanged.
    KeyError
        If there is no column `groupby`.

    References
    ----------
    :cite:t:`zhang2022`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata, n_heads=2)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.attention(adata, model)
    >>> adata.obsm["tgem_attention_entropy"].columns.tolist()
    ['layer1_head1', 'layer1_head2']
    >>> adata.varm["tgem_attention_layer1"].shape
    (60, 4)
    """
    check_model(model, "TGEM", base="SummarizedClassifier", question=ATTENTION)
    target = target_of(adata, copy=copy)
    found = model.get_attention_summary(adata, groupby=groupby)
    groups = [str(name) for name in found.n_cells.index]
    keys.ATTENTION_ENTROPY.write(target, found.cells, key_added)
    names = names_in_data(target, model)
    warn_of_rows(target, model, ".varm", instead="model.get_attention_summary(adata)")
    keys.ATTENTION_ENTROPY_GENES.write(target, rows_of_data(found.genes, target, names), key_added)
    for number, table in enumerate(found.received, 1):
        named = table.set_axis(keys.column_names(groups), axis="columns")
        slot = keys.attention_received(number)
        slot.write(target, rows_of_data(named, target, names), key_added)
    record(
        target,
        keys.ATTENTION_ENTROPY,
        key_added,
        {
            "model": type(model).__name__,
            "groupby": groupby,
            "seed": seed,
            "n_layers": len(found.received),
            "classes": np.array(groups, dtype=object),
            "n_cells": found.n_cells.to_numpy(),
            "log_n": float(np.log(max(len(model.gene_names) - 1, 2))),
            **_of_layers(found.cells, seed),
        },
    )
    return target if copy else None


def _of_layers(entropy: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Mean entropy of each layer, and the first's less the last's with its interval."""
    names = entropy.columns.str.partition("_").get_level_values(0)
    layers = np.stack(
        [entropy.loc[:, names == name].mean(axis=1) for name in names.unique()], axis=1
    ).astype(np.float64)
    layers = layers[np.isfinite(layers).all(axis=1)]
    if not len(layers):
        return {}
    found: dict[str, Any] = {"entropy_of_layers": layers.mean(axis=0)}
    if layers.shape[1] > 1:
        difference = layers[:, 0] - layers[:, -1]
        generator = np.random.default_rng(seed)
        means = [
            difference[generator.integers(len(difference), size=len(difference))].mean()
            for _ in range(N_BOOTSTRAP)
        ]
        found["entropy_first_minus_last"] = np.array(
            [difference.mean(), *np.quantile(means, INTERVAL)]
        )
    return found
