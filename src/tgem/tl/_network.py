"""Which genes' attention to which genes decides: a network for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tgem._core import keys
from tgem._core.derived import write_network
from tgem._core.errors import AttentionWarning, warn
from tgem._core.networks import SMALL_SHARE, is_idle
from tgem._core.validate import cell_indices
from tgem.tl._expected_model import NETWORK, check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base import NetworkClassifier

N_BOOTSTRAP = 1000
SHARE_CELLS = 500  # at random where there are more: a median needs no others
INTERVAL = (0.025, 0.975)
SHARES = ("share_mean", "share_zero")


def network(
    adata: AnnData,
    model: NetworkClassifier,
    *,
    groupby: str | None = None,
    n_edges: int | None = None,
    top_fraction: float | None = None,
    baseline: Literal["zero", "mean"] = "zero",
    indices: Sequence[int] | None = None,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Write for each class the genes whose attention to which genes decided.

    The weight of the edge from gene *i* to gene *j* is what the attention of *i* to *j* adds to
    the class's logit: Integrated Gradients of the attention maps, from those of a cell that
    expresses nothing to the cell's own, mean over the correctly typed cells of the class, heads
    summed, divided by the layer's largest absolute value. A positive edge speaks for the class, a
    negative one against it. The source is the gene that attends: its own level sets how much it
    looks at the target, whose level is read. That is a direction in the model. The default network
    can express the product of two genes either way round, so do not read it as one regulating
    the other.

    **A network is worth reading as far as attention decides.** The share of the decision that the
    cells' own maps carry, against the mean maps of training cells, is measured on the same cells
    and stored with the network; where it is not told from 0 there is a warning. The list has edges
    also where attention decides next to nothing. See :func:`tgem.tl.attention_necessity` for what
    the maps are worth in accuracy.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name. Name held-out cells in `indices` to see
        what the model does with cells that it does not know.
    model
        A trained model with attention between genes, that holds its training cells.
    groupby
        Column of ``adata.obs``: a network for each of its values. By default, the labels that the
        model was trained on. Of a group with the name of a class, the cells that the model gives
        this class are averaged over; of other groups all cells are, each explaining its predicted
        class. Without labels, the predicted ones are taken.
    n_edges
        Strongest edges of a class, of all layers together. By default 10,000; in the paper preset
        the share in `top_fraction`.
    top_fraction
        Share of all pairs of genes in all layers to keep instead: 0.001 by default in the paper
        preset, as published.
    baseline
        ``"zero"``: the maps of a cell that expresses nothing, as published. ``"mean"``: the mean
        maps of training cells, so that the network shows only what is specific to the cells.
    indices
        Positions of the cells, or a boolean mask; all by default. Of a class with more than 1,000
        cells, 1,000 chosen at random are averaged over; ``model.get_network`` takes others.
    seed
        Seed of the choice of cells and of the bootstrap.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_network"]``
        long DataFrame, strongest first in each class: ``class``, ``layer`` (from 1), ``source``,
        ``target``, ``weight`` (between -1 and 1);
    ``.uns["tgem_network_params"]``
        the settings, the model's ``genes`` and a ``model_digest`` that tells it from others;
        ``share_mean``, the median over the cells (500 of them at random where there are more) of
        the share of the decision that their own maps carry, against the mean maps of training
        cells, with its 95 % bootstrap interval ``share_mean_low`` to ``share_mean_high``;
        ``share_zero`` and its limits, the same against the maps of a cell
        that expresses nothing; and ``layers``, a DataFrame with the largest weight before scaling,
        the change of the logit that is explained and the ``residual``, by how much a cell's edges
        miss it at most.

    If another network was there, what was computed from it is removed: hubs, communities,
    significance of edges, stability, and gene sets of these.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If no class has a correctly typed cell, for a setting out of range, or if the model holds
        no training cells or no attention between genes; `adata` is then unchanged.
    KeyError
        If there is no column `groupby`.

    References
    ----------
    The published network: :cite:t:`zhang2022`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(
    ...     n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    ... )
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata, n_heads=8)
    >>> model.train(max_epochs=10, enable_progress_bar=False)
    >>> tgem.tl.network(adata, model, n_edges=20)
    >>> adata.uns["tgem_network"].columns.tolist()
    ['class', 'layer', 'source', 'target', 'weight']
    """
    check_model(model, "TGEM", base="NetworkClassifier", question=NETWORK)
    target = target_of(adata, copy=copy)
    if model.is_trained_:  # which the model says better
        model.check_training_cells()  # before minutes of work
    found = model.get_attention_network(
        adata,
        indices,
        groupby=groupby,
        n_edges=n_edges,
        top_fraction=top_fraction,
        baseline=baseline,
        seed=seed,
    )
    generator = np.random.default_rng(seed)
    measured = found.cells
    if len(measured) > SHARE_CELLS:
        measured = np.sort(generator.choice(measured, size=SHARE_CELLS, replace=False))
    shares = model.get_attention_share(adata, measured, seed=seed)
    medians = _medians(shares[list(SHARES)].to_numpy(), generator)
    write_network(target, keys.NETWORK, found.edges, key_added)
    record(
        target,
        keys.NETWORK,
        key_added,
        {
            "model": type(model).__name__,
            "groupby": groupby,
            "n_edges": n_edges,
            "top_fraction": top_fraction,
            "baseline": baseline,
            "seed": seed,
            "indices": None if indices is None else cell_indices(indices, adata.n_obs),
            "model_digest": model.digest,
            "genes": model.gene_names.to_numpy(dtype=object),
            "n_cells": len(found.cells),
            "n_cells_share": len(measured),
            "layers": found.layers,
            "largest_residual": float(found.layers["residual"].max()),
            **medians,
        },
    )
    changes = shares["change"].dropna()
    change = float(changes.median()) if len(changes) else 0.0
    _warn_of_idle_attention(medians, n_edges=len(found.edges), change=change)
    return target if copy else None


def _medians(shares: np.ndarray[Any, Any], generator: np.random.Generator) -> dict[str, float]:
    """Median of each share over the cells that have one, with its bootstrap interval."""
    found: dict[str, float] = {}
    for name, column in zip(SHARES, shares.T, strict=True):
        values = column[np.isfinite(column)]
        if not len(values):  # the expression changes no logit: nothing decides
            found |= {name: 0.0, f"{name}_low": 0.0, f"{name}_high": 0.0}
            continue
        medians = [
            np.median(values[generator.integers(len(values), size=len(values))])
            for _ in range(N_BOOTSTRAP)
        ]
        low, high = np.quantile(medians, INTERVAL)
        found |= {
            name: float(np.median(values)),
            f"{name}_low": float(low),
            f"{name}_high": float(high),
        }
    return found


def _warn_of_idle_attention(
    medians: dict[str, float], *, n_edges: int, change: float = 1.0
) -> None:
    share, low, high = (medians[f"share_mean{end}"] for end in ("", "_low", "_high"))
    against = high < 0 < change
    if not (is_idle(medians) or against):
        return
    if against:
        reason = "the cells' own attention maps speak against what the model decides"
    elif low <= 0 <= high:
        reason = "it cannot be told from 0"
    else:
        reason = f"that is below {SMALL_SHARE:.0%}"
    advice = (
        "The network has edges all the same, but do not read them as what makes the classes differ."
        if n_edges
        else "The network has no edges: attention takes no part in what the model decides."
    )
    msg = (
        f"The cells' own attention carries {share:.2g} of the decision ({low:.2g} to {high:.2g} "
        f"with 95 % confidence): {reason}. {advice} `tgem.tl.attention_necessity` says more."
    )
    warn(msg, AttentionWarning)
