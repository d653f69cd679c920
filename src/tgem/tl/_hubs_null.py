"""Hubs of networks of models trained on permuted labels: what chance makes of the same cells."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core import keys
from tgem._core.errors import AttentionWarning, TrainingWarning, warn
from tgem._core.networks import is_idle, network_params, read_network, share_text
from tgem._core.progress import track
from tgem.net import compare_hubs
from tgem.net import hubs as count_hubs
from tgem.tl._expected_model import check_model
from tgem.tl._network_options import options_of_network, reading_of_network
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from mudata import MuData

    from tgem.model._base import RetrainedClassifier

_SIDES = ("out", "in")
_STATISTICS = ("degree", "strength")
_NAMES = ("class", "gene")
N_PERMUTATIONS = 20


def is_of_retrainings(
    adata: AnnData | MuData, model: Any, prefix: str, *, null: Any, targets: str
) -> bool:
    """Whether the test is against trainings on permuted labels, of `model` or kept in the data."""
    if model is None:
        kept = null is None and targets == "target"
        return kept and _stored_null(adata, prefix) is not None
    if null is not None:
        msg = (
            "Expected one of `model`, which tests against trainings on permuted labels, and "
            "`null`, got both. Leave one out."
        )
        raise ValueError(msg)
    if targets == "gene":
        msg = "Expected a network of genes beside `model`: leave `targets` out."
        raise ValueError(msg)
    check_model(model, "TGEM", base="RetrainedClassifier")
    if not isinstance(adata, AnnData):
        msg = f"Expected an AnnData beside `model`, got {type(adata).__name__}."
        raise TypeError(msg)
    options_of_network(adata, model, prefix)  # raises before minutes of work
    return True


def is_not_tested(adata: AnnData | MuData, prefix: str) -> bool:
    """Say so where there is nothing to test."""
    params = network_params(adata, prefix)
    empty = not len(read_network(adata, prefix))
    if not (empty or is_idle(params)):
        return False
    reason = "the network has no edges" if empty else share_text(params)
    msg = (
        "The cells' own attention decides next to nothing, so its hubs are not tested, and no "
        f"model was trained on permuted labels: {reason}."
    )
    warn(msg, AttentionWarning)
    return True


def null_of_retrainings(
    adata: Any, model: Any, prefix: str, *, n_permutations: int | None, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    if model is None:
        params = dict(adata.uns[keys.HUBS_NULL.params_key(prefix)])
        return pd.DataFrame(_stored_null(adata, prefix)), params
    return _completed_null(
        adata, model, prefix, n_permutations=n_permutations or N_PERMUTATIONS, seed=seed
    )


def against_retrainings(
    network: pd.DataFrame,
    trained: tuple[pd.DataFrame, dict[str, Any]],
    params: dict[str, Any],
    of_network: dict[str, Any],
) -> pd.DataFrame:
    """Test all genes of the model, also those without an edge in any of the networks."""
    table, settings = trained
    nulls = _as_hubs(table, params["direction"], int(settings["n_permutations"]))
    found = count_hubs(network, direction=params["direction"])
    # no cell may be typed as its permuted label says, and then there is nothing to compare with
    with_null = found["class"].isin(table["class"].astype(str).unique())
    rest = found[~with_null].assign(p_value=np.nan, fdr=np.nan)
    if not with_null.any():
        return rest
    tested = compare_hubs(
        found[with_null], nulls, statistic=params["statistic"], genes=of_network.get("genes")
    )
    return pd.concat([tested, rest], ignore_index=True) if len(rest) else tested


def _stored_null(
    adata: AnnData | MuData, prefix: str, seed: int | None = None
) -> pd.DataFrame | None:
    """The null hubs in the data, if there are some of this network; null networks may be empty."""
    table = adata.uns.get(keys.HUBS_NULL.key(prefix))
    params = dict(adata.uns.get(keys.HUBS_NULL.params_key(prefix), {}))
    of_network = params.get("network_digest") == _digest(network_params(adata, prefix))
    if table is None or not of_network or (seed is not None and int(params["seed"]) != seed):
        return None
    return pd.DataFrame(table)


def _completed_null(
    adata: AnnData, model: RetrainedClassifier, prefix: str, *, n_permutations: int, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train on permuted labels as often as is missing; return the hubs and the parameters.

    An interruption keeps what is finished in the data.
    """
    indices, options = options_of_network(adata, model, prefix)
    stored = _stored_null(adata, prefix, seed)
    parts, done = [], 0
    if stored is not None:
        parts = [stored]
        done = int(adata.uns[keys.HUBS_NULL.params_key(prefix)]["n_permutations"])
    params: dict[str, Any] = {
        "network_digest": _digest(network_params(adata, prefix)),
        "seed": int(seed),
    }
    missing = range(done, n_permutations)
    try:
        for number in track(missing, "Training on permuted labels", delay=0):
            found = model.get_null_network(
                adata, indices, permutation=number, permutation_seed=seed, **options
            )
            parts.append(_both_directions(found.edges).assign(permutation=number))
            done = number + 1
    except KeyboardInterrupt:
        if done:
            keys.HUBS_NULL.write(adata, _null_table(parts), prefix)
            record(adata, keys.HUBS_NULL, prefix, params | {"n_permutations": done})
        msg = (
            f"Interrupted after {done} of {n_permutations} trainings on permuted labels. They are "
            "kept in the data: the same call goes on from there."
        )
        warn(msg, TrainingWarning)
        raise
    table = _null_table(parts)
    return table, params | {"n_permutations": done}


def _as_hubs(table: pd.DataFrame, direction: str, n_permutations: int) -> list[pd.DataFrame]:
    """The null hubs of each permutation, as :func:`tgem.net.hubs` counts them."""
    sides = _SIDES if direction == "both" else (direction,)
    counted = pd.DataFrame({name: table[name].astype(str) for name in _NAMES})
    for statistic in _STATISTICS:
        counted[statistic] = sum(table[f"{side}_{statistic}"] for side in sides)
    counted = counted[counted["degree"] > 0]
    number = table.loc[counted.index, "permutation"].to_numpy()
    return [counted[number == each] for each in range(n_permutations)]


def _both_directions(edges: pd.DataFrame) -> pd.DataFrame:
    """Degree and strength of each gene, outgoing and incoming."""
    sides = []
    for side in _SIDES:
        found = count_hubs(edges, direction=side).set_index(list(_NAMES))  # type: ignore[arg-type]
        sides.append(found[list(_STATISTICS)].add_prefix(f"{side}_"))
    return pd.concat(sides, axis="columns").fillna(0).reset_index()


def _null_table(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """One table, small on disk: names as categories."""
    statistics = [f"{side}_{statistic}" for statistic in _STATISTICS for side in _SIDES]
    columns = ["permutation", *_NAMES, *statistics]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in columns})
    table = pd.concat(
        [part.astype(dict.fromkeys(_NAMES, object)) for part in parts], ignore_index=True
    )
    kinds: dict[str, Any] = dict.fromkeys(_NAMES, "category") | {"permutation": np.int64}
    kinds |= dict.fromkeys(statistics[:2], np.int64)
    return table[columns].astype(kinds)


def _digest(params: dict[str, Any]) -> str:
    return hashlib.sha256(reading_of_network(params).encode()).hexdigest()[:16]
