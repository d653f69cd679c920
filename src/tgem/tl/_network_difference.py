"""Which edges differ between two classes or conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.validate import cell_indices, check_count, check_key
from tgem.net import difference
from tgem.tl._expected_model import check_model
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base import RetrainedClassifier

    Array = np.ndarray[Any, Any]

_WIDER = 10  # times as many edges are read of each part as are compared


def network_difference(
    adata: AnnData,
    model: RetrainedClassifier,
    groups: Sequence[str],
    *,
    groupby: str | None = None,
    replicates: int | str = 5,
    n_edges: int = 1000,
    baseline: Literal["zero", "mean"] = "zero",
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which edges are heavier in one group of cells than in another.

    The cells of each group are divided into parts, at random or by a column such as the donor, and
    each part gives a network of the same model. The difference of an edge's mean weights is
    compared, in standard deviations of the edge, with those after permuting which group the parts
    are of, pooled over edges of similar weight (:func:`tgem.net.difference`). The edges that are
    compared are the strongest over all parts of both groups together.

    With random parts the p-value says whether the model reads these cells of the two groups
    differently; they are no replicates, so it does not say that other donors would show the same.
    For that, name the column of the donors.

    Parameters
    ----------
    adata
        Cells, log1p-normalised; genes are matched by name.
    model
        A trained model with attention between genes.
    groups
        The two groups to compare: the difference is the first less the second.
    groupby
        Column of ``adata.obs`` with the groups; by default, the labels that the model was trained
        on. Of a group with the name of a class the correctly typed cells count, of other groups
        all cells. Each cell explains its predicted class: to compare conditions within a class,
        pass its cells only, ``adata[adata.obs["cell_type"] == "B cell"]``.
    replicates
        Number of random parts of each group, at least 2, or the column of ``adata.obs`` that forms
        the parts. By its own permutations an edge has a p-value of at least 0.1 with 3 parts of
        each group, 0.029 with 4 and 0.008 with 5; smaller ones rest on pooling over edges.
    n_edges
        Number of edges to compare.
    baseline
        As in :func:`tgem.tl.network`.
    seed
        Seed of the parts and of the permutations.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["tgem_network_difference"]``
        long DataFrame by p-value: ``contrast``, ``layer``, ``source``, ``target``, ``difference``
        (relative to the largest weight of the layer in any part), ``p_value``, ``fdr``
        (Benjamini and Hochberg);
    ``.uns["tgem_network_difference_params"]``
        the settings, numbers of cells and parts, and tgem's version.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    KeyError
        If there is no such column.
    ValueError
        If `groups` are not two different values of the column with enough cells and parts, no
        edge is there to compare, or a setting is out of range; `adata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(
    ...     n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    ... )
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata, n_heads=8)
    >>> model.train(max_epochs=10, enable_progress_bar=False)
    >>> tgem.tl.network_difference(adata, model, ["type_1", "type_2"], n_edges=50)
    >>> len(adata.uns["tgem_network_difference"])
    50
    """
    check_model(model, "TGEM", base="RetrainedClassifier")
    check_count("n_edges", n_edges)
    target = target_of(adata, copy=copy)
    names = [groups] if isinstance(groups, str) else [str(name) for name in groups]
    if len(set(names)) != 2 or len(names) != 2:
        msg = f"Expected two different groups to compare, got {listed(names)}."
        raise ValueError(msg)
    column = model.label_key if groupby is None else groupby
    check_key(adata, "obs", str(column))
    # the same parts whichever group is named first
    seeds = [[seed, sorted(names).index(name)] for name in names]
    parts = [
        _parts(adata, cells, replicates, np.random.default_rng(seeds[number]))
        for number, cells in enumerate(_cells_of(adata, model, str(column), names))
    ]
    for name, found in zip(names, parts, strict=True):
        if len(found) < 2:
            msg = (
                f"Expected at least 2 parts of each group, but {name!r} has {len(found)} by "
                f"replicates={replicates!r}."
            )
            raise ValueError(msg)
    together = [*parts[0], *parts[1]]
    networks = model.get_networks_of_parts(
        together, adata, n_edges=_WIDER * n_edges, baseline=baseline, seed=seed
    )
    tables = _strongest_of_all(networks, n_edges)
    table = difference(
        tables[: len(parts[0])],
        tables[len(parts[0]) :],
        contrast=f"{names[0]} - {names[1]}",
        seed=seed,
    )
    keys.NETWORK_DIFFERENCE.write(target, table, key_added)
    params = {
        "groups": np.array(names, dtype=object),
        "groupby": str(column),
        "replicates": replicates,
        "n_parts": np.array([len(found) for found in parts]),
        "n_cells": np.array([sum(map(len, found)) for found in parts]),
        "n_edges": int(n_edges),
        "baseline": baseline,
        "seed": int(seed),
    }
    record(target, keys.NETWORK_DIFFERENCE, key_added, params)
    return target if copy else None


def _cells_of(
    adata: AnnData, model: RetrainedClassifier, column: str, names: Sequence[str]
) -> list[Array]:
    """Cells of each group; of a class, those that are typed correctly."""
    given = adata.obs[column].astype(str).to_numpy()
    known = sorted(set(given[adata.obs[column].notna()]))
    absent = [name for name in names if name not in known]
    if absent:
        msg = (
            f"Expected `groups` among the values of adata.obs[{column!r}], found none of "
            f"{listed(absent)}. Known: {listed(known, 20)}."
        )
        raise ValueError(msg)
    predicted = model.predict(adata).astype(str)
    classes = model.classes.astype(str)
    found = []
    for name in names:
        chosen = given == name
        if name in classes:
            chosen &= predicted == name
        if not chosen.any():
            msg = f"Expected cells of {name!r} that the model types correctly, found none."
            raise ValueError(msg)
        found.append(np.flatnonzero(chosen))
    return found


def _parts(
    adata: AnnData, cells: Array, replicates: int | str, generator: np.random.Generator
) -> list[Array]:
    """Disjoint parts of the cells, at random or by a column."""
    if isinstance(replicates, str):
        check_key(adata, "obs", replicates)
        values = adata.obs[replicates].astype(object).to_numpy()[cells]
        return [cells[values == value] for value in pd.unique(values[pd.notna(values)])]
    check_count("replicates", replicates)
    if len(cells) < replicates:
        msg = f"Expected at least {replicates} cells in each group, found {len(cells)}."
        raise ValueError(msg)
    shuffled = cell_indices(generator.permutation(cells), adata.n_obs)
    return [np.sort(part) for part in np.array_split(shuffled, replicates)]


def _strongest_of_all(networks: list[pd.DataFrame], n_edges: int) -> list[pd.DataFrame]:
    """Cut all networks to the same edges, chosen without regard to the groups."""
    columns = ["layer", "source", "target"]
    every = pd.concat(networks, ignore_index=True)
    if not len(every):
        msg = "Expected networks with edges, found none: attention decides nothing in these cells."
        raise ValueError(msg)
    largest = every["weight"].abs().groupby(every["layer"]).max()
    scaled = [
        table.assign(weight=table["weight"] / table["layer"].map(largest)) for table in networks
    ]
    every = pd.concat(scaled, ignore_index=True)
    size = every["weight"].abs().groupby([every[name] for name in columns]).sum()
    kept = size.sort_values(ascending=False, kind="stable").index[:n_edges]
    return [
        table[pd.MultiIndex.from_frame(table[columns]).isin(kept)].reset_index(drop=True)
        for table in scaled
    ]
