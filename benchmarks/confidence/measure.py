"""Folds of known cells, and populations left out; every result is kept as soon as it exists."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.classical import Standardized
from cell_types.data import Cells, read_facs, read_h5ad, read_synthetic, select_genes
from cell_types.measure import PACKAGES, append, read_records, source_digest
from cell_types.splits import hold_out, inner_folds
from cell_types.transformers import as_adata
from scipy.special import log_softmax, softmax
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from confidence.novelty import (
    N_COMPONENTS,
    OURS,
    SCORERS,
    VALIDATION_SHARE,
    tgem_model,
    tuned_logistic_regression,
)
from confidence.sets import covered_and_sizes

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, Any]
N_FOLDS, N_GENES, TEST_SHARE = 5, 1000, 0.2
ALPHAS = (0.1, 0.05)
DIGITS = 6  # of what is kept of each cell


def cells_of(data: str) -> Cells:
    """Cells with their finest labels."""
    return {"facs": read_facs, "synthetic": read_synthetic}[data]()


def relabelled(cells: Cells, data: str, labels: str) -> Cells:
    """The same cells with their sort gates, or with the five populations these belong to."""
    if labels == "gates" or data == "synthetic":
        return cells
    obs = read_h5ad("fasttopics_pbmc_facs.h5ad").obs
    population = dict(zip(obs["cell_type"].astype(str), obs["subpop"].astype(str), strict=True))
    return replace(cells, labels=np.array([population[label] for label in cells.labels]))


def with_genes(training: Cells, others: Cells, seed: int) -> tuple[Cells, Cells]:
    """Genes chosen on the cells that ours trains on: neither validation nor other cells."""
    kept, _ = hold_out(training.labels, training.groups, share=VALIDATION_SHARE, seed=seed)
    genes = select_genes(training[kept], N_GENES)
    return training.of_genes(genes), others.of_genes(genes)


def measure_folds(data: str, path: Path, *, n_measured: int | None = None, seed: int = 0) -> None:
    """Probabilities and prediction sets of each fifth of the cells, trained on the others.

    Of the five folds, `n_measured`, or all.
    """
    cells = cells_of(data)
    checksum = cells.checksum()
    done = {(row["data_checksum"], row["fold"]) for row in read_records(path)}
    folds = inner_folds(cells.labels, cells.groups, N_FOLDS, seed)
    for number, (train, test) in enumerate(folds[:n_measured]):
        if (checksum, number) not in done:
            training, tested = with_genes(cells[train], cells[test], seed)
            row = {"data": data, "data_checksum": checksum, "fold": number}
            append(path, row | of_fold(training, tested, seed) | circumstances())
            say(f"fold {number} of {data}")


def of_fold(training: Cells, tested: Cells, seed: int) -> dict[str, Any]:
    model = tgem_model(training, seed)
    codes = np.searchsorted(model.classes.astype(str), tested.labels)
    temperature = model.calibration.temperature
    logits = model._outputs(as_adata(tested), None, None).astype(np.float64)
    held = np.asarray(model.validation_indices)
    validation = model._outputs(None, held, None).astype(np.float64)
    validation_codes = np.searchsorted(model.classes.astype(str), training.labels[held])
    sets = {
        f"{alpha}": {
            "tgem": covered(model.predict_sets(as_adata(tested), alpha=alpha).to_numpy(), codes),
            **covered_and_sizes(validation, validation_codes, logits, codes, alpha=alpha),
        }
        for alpha in ALPHAS
        if len(held) >= (1 - alpha) / alpha
    }
    theirs = tuned_logistic_regression(training, seed)(tested)
    return {
        "temperature": temperature,
        "n_train": len(model.train_indices),
        "n_validation": len(held),
        "probabilities": {
            "before": of_cells(softmax(logits, axis=1), codes),
            "after": of_cells(softmax(logits / temperature, axis=1), codes),
            "logistic_regression": of_cells(theirs, codes),
        },
        "log_likelihood_gain": float(
            own(log_softmax(logits / temperature, axis=1), codes).sum()
            - own(log_softmax(logits, axis=1), codes).sum()
        ),
        "sets": sets,
    }


def own(values: Array, codes: Array) -> Array:
    """Value of each cell's class."""
    return np.take_along_axis(values, codes[:, None], axis=1)[:, 0]


def of_cells(p: Array, codes: Array) -> dict[str, list[float]]:
    """What is kept of the probabilities of each cell."""
    kept = {
        "confidence": p.max(axis=1),
        "is_correct": (p.argmax(axis=1) == codes).astype(int),
        "label_probability": own(p, codes),
        "brier": (p**2).sum(axis=1) - 2 * own(p, codes) + 1,
    }
    return {name: np.round(values, DIGITS).tolist() for name, values in kept.items()}


def covered(sets: Array, codes: Array) -> dict[str, Any]:
    """Cells whose set holds their label, and labels in all sets."""
    return {
        "covered": int(own(sets, codes).sum()),
        "labels": int(sets.sum()),
        "n_cells": len(codes),
    }


def measure_unseen(
    data: str,
    labels: str,
    names: list[str],
    path: Path,
    *,
    n_measured: int | None = None,
    seed: int = 0,
) -> None:
    """Leave each class out in turn, and tell its cells from held-out cells of the others.

    Of the classes, the first `n_measured`, or all.
    """
    cells = relabelled(cells_of(data), data, labels)
    checksum = cells.checksum()
    done = {
        (row["data_checksum"], row["labels"], row["left_out"], row["method"], row["settings_key"])
        for row in read_records(path)
    }
    for left_out in np.unique(cells.labels)[:n_measured]:
        missing = [
            name
            for name in names
            if (checksum, labels, left_out, name, settings_key(name)) not in done
        ]
        if not missing:
            continue
        known = np.flatnonzero(cells.labels != left_out)
        train, test = hold_out(
            cells.labels[known], cells.groups[known], share=TEST_SHARE, seed=seed
        )
        unseen = np.flatnonzero(cells.labels == left_out)
        training, others = with_genes(
            cells[known[train]], cells[np.concatenate([known[test], unseen])], seed
        )
        for name in missing:
            scores, found = SCORERS[name][1](training, others, seed)
            row = {"data": data, "data_checksum": checksum, "labels": labels}
            row |= {"left_out": str(left_out), "method": name, "settings_key": settings_key(name)}
            row |= told_apart(np.asarray(scores), others.labels == left_out, **found)
            append(path, row | circumstances())
            say(f"{labels} without {left_out}: {name} {row['auroc']:.3f}")


def measure_neighbours(data: str, path: Path, *, n_neighbors: int = 10) -> None:
    """How far each gate lies apart from the others: whose cells are nearest to its cells.

    Among the principal components of all cells, labels apart: a gate whose cells have mostly
    cells of other gates around them cannot be told from these by expression.
    """
    cells = cells_of(data)
    chosen = cells.of_genes(select_genes(cells, N_GENES)).dense()
    standardized = Standardized(chosen, rotate=False)(chosen)
    n_components = min(N_COMPONENTS, *(size - 1 for size in chosen.shape))
    positions = PCA(n_components, random_state=0).fit_transform(standardized)
    near = NearestNeighbors(n_neighbors=n_neighbors).fit(positions).kneighbors()[1]
    is_own = (cells.labels[near] == cells.labels[:, None]).mean(axis=1)
    found = {
        str(label): {
            "of_own": float(is_own[cells.labels == label].mean()),
            "by_chance": float((cells.labels == label).mean()),
        }
        for label in np.unique(cells.labels)
    }
    path.write_text(json.dumps(found, indent=1) + "\n")


def told_apart(
    scores: Array, is_unseen: Array, *, threshold: float | None = None
) -> dict[str, Any]:
    found = {
        "auroc": float(roc_auc_score(is_unseen, scores)),
        "n_unseen": int(is_unseen.sum()),
        "n_known": int((~is_unseen).sum()),
    }
    if threshold is not None:
        found["rejected_unseen"] = float((scores[is_unseen] > threshold).mean())
        found["rejected_known"] = float((scores[~is_unseen] > threshold).mean())
    return found


def settings_key(name: str) -> str:
    """Digest of what decides a scorer's results."""
    text = f"{name} {N_GENES} {TEST_SHARE} {VALIDATION_SHARE if name == OURS else ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def circumstances() -> dict[str, Any]:
    return {
        "source": source_digest(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)
