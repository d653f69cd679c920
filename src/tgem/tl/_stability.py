"""How often edges and hubs come back when the model is trained again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tgem._core import keys
from tgem._core.errors import TrainingWarning, quiet, warn
from tgem._core.networks import network_prefix, read_network
from tgem._core.progress import track
from tgem._core.validate import check_choice, check_count, check_data
from tgem.net import stability as selection_frequency
from tgem.tl._expected_model import check_model
from tgem.tl._network_options import options_of_network
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from tgem.model._base import RetrainedClassifier

_OFTEN = 0.5  # of the trainings: what is found less often and not in the network is not kept


def stability(
    adata: AnnData,
    model: RetrainedClassifier,
    *,
    n_runs: int = 10,
    by: Literal["seed", "bootstrap"] = "seed",
    n_hubs: int = 20,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Train the model again, and count how often each edge and each hub comes back.

    An edge that comes back rarely belongs to the training run, or to a few cells, and not to the
    biology. Each training gives a network, read from the same cells and with as many edges as that
    in the data; the frequency of an edge is the share of the trainings whose network has it. A
    training after which attention is set aside, because it predicts no cell held out, has no edges
    and counts as one in which none comes back. It takes `n_runs` times as long as the training
    did, and shows its progress.

    A frequency is no p-value: what the genes' expression alone makes of a network comes back as
    well. :func:`tgem.tl.hubs` asks whether it depends on the labels.

    Parameters
    ----------
    adata
        Cells with the network that :func:`tgem.tl.network` wrote.
    model
        The network's model, with its training cells.
    n_runs
        Number of trainings, at least 2.
    by
        What differs between them. ``"seed"``: initial weights, order of cells and dropout.
        ``"bootstrap"``: the training cells; in each class as many are drawn with replacement as
        there are, and each that was drawn, about 63 %, is trained on once. (A cell that is
        trained on twice could also be in the part that training holds out to judge itself by.)
        Cells of one donor are not independent, so that frequencies over drawn cells are too sure
        for a statement about other donors.
    n_hubs
        Number of genes of a class that count as hubs, by rank; with equal ranks more.
    seed
        Seed of the trainings' seeds, or of the draws of cells.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_stability"]``
        long DataFrame by class and falling frequency, of the edges of the network and of others
        in at least half of the trainings: ``class``, ``layer``, ``source``, ``target``,
        ``frequency``, ``weight`` (mean, 0 where the edge is absent), ``same_sign`` (share of its
        appearances with its more frequent sign) and ``in_network``;
    ``.uns["tgem_stability_hubs"]``
        long DataFrame: ``class``, ``gene``, ``frequency`` (share of the trainings with the gene
        among the `n_hubs` largest) and ``mean_rank`` (where it has an edge);
    ``.uns["tgem_stability_params"]``
        the settings, ``n_with_edges`` (trainings after which attention was not set aside) and
        tgem's version.

    Raises
    ------
    KeyError
        If there is no network in `adata`.
    RuntimeError
        If the model is not trained.
    ValueError
        If the network is another model's, the model holds no training cells, `n_runs` is below
        2, or `by` is unknown; `adata` is then unchanged.
    KeyboardInterrupt
        If fewer than two trainings were finished; else an interruption counts those that were.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(
    ...     n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    ... )
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata, n_heads=8)
    >>> model.train(max_epochs=10, enable_progress_bar=False)
    >>> tgem.tl.network(adata, model, n_edges=5)
    >>> tgem.tl.stability(adata, model, n_runs=2)
    >>> adata.uns["tgem_stability"]["frequency"].between(0, 1).all()
    np.True_
    """
    check_model(model, "TGEM", base="RetrainedClassifier")
    check_data(adata)
    check_choice("by", by, ("seed", "bootstrap"))
    check_count("n_hubs", n_hubs)
    check_count("n_runs", n_runs)
    if n_runs < 2:
        msg = f"Expected at least 2 trainings to compare, got n_runs={n_runs}."
        raise ValueError(msg)
    prefix = network_prefix(adata, key_added)
    network = read_network(adata, prefix)
    indices, options = options_of_network(adata, model, prefix)
    tables: list[pd.DataFrame] = []
    try:
        for number in track(range(n_runs), "Training again", delay=0):
            changes = _changes(model, by, np.random.default_rng([seed, number]))
            other = model.retrained(**changes)
            with quiet():
                tables.append(other.get_network(model.for_retrained(adata), indices, **options))
    except KeyboardInterrupt:
        if len(tables) < 2:
            raise
        msg = f"Interrupted: counted over {len(tables)} of {n_runs} trainings."
        warn(msg, TrainingWarning)
    found = selection_frequency(tables, n_hubs=n_hubs)
    edges = _with_network(found.edges, network)
    target = target_of(adata, copy=copy)
    keys.STABILITY.write(target, edges, prefix)
    keys.STABILITY_HUBS.write(target, found.hubs, prefix)
    params = {
        "by": by,
        "n_runs": len(tables),
        "n_with_edges": sum(len(table) > 0 for table in tables),
        "n_hubs": int(n_hubs),
        "seed": int(seed),
    }
    record(target, keys.STABILITY, prefix, params)
    record(target, keys.STABILITY_HUBS, prefix, params)
    return target if copy else None


def _changes(model: RetrainedClassifier, by: str, generator: np.random.Generator) -> dict[str, Any]:
    """What a training changes of the first one."""
    if by == "seed":
        return {"seed": int(generator.integers(2**31))}
    return {"cells": model.bootstrapped_cells(generator)}


def _with_network(edges: pd.DataFrame, network: pd.DataFrame) -> pd.DataFrame:
    """Edges of the network, and the frequent ones, in the order of the frequencies."""
    columns = ["class", "layer", "source", "target"]
    names = ["class", "source", "target"]
    own = network[columns].astype(dict.fromkeys(names, str)).assign(in_network=True)
    kinds = dict.fromkeys(columns, object)
    merged = edges.astype(kinds).merge(own.astype(kinds), how="outer", on=columns)
    merged["in_network"] = merged["in_network"].eq(True)  # noqa: FBT003 - missing is no
    merged = merged.fillna({"frequency": 0.0, "weight": 0.0})
    merged = merged[merged["in_network"] | (merged["frequency"] >= _OFTEN)]
    merged = merged.astype({"layer": network["layer"].dtype})
    order = ["class", "frequency", "weight", "source", "target"]
    size = merged.assign(weight=merged["weight"].abs())
    places = size.sort_values(order, ascending=[True, False, False, True, True]).index
    return merged.loc[places].reset_index(drop=True)
