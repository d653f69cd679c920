"""One method on one pair of data sets, or with genes missing; every result is kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.data import Cells, read_facs, select_genes
from cell_types.data import read_synthetic as read_simulated
from cell_types.measure import PACKAGES, append, scores, source_digest
from cell_types.splits import make_split

from transfers.data import PAIRS
from transfers.methods import OURS, PLAIN, key_of, predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = np.ndarray[Any, Any]

N_GENES = 1000
SHARES = (0.0, 0.1, 0.3, 0.5)
DRAWS = 5
FILLED = ("logistic_regression", "logistic_regression_average", PLAIN, OURS)


def measure_pair(name: str, method: str, path: Path, *, seed: int = 0) -> None:
    """Fit, label the new cells, score all of them and each part."""
    pair = PAIRS[name]()
    start = time.perf_counter()
    predict = predictor(method, pair.training, seed)
    fitted = time.perf_counter()
    found = predict(pair.new)
    end = time.perf_counter()
    for each, labels in found.items():
        append(
            path,
            record(name, each)
            | {
                "seed": seed,
                "parts": {
                    part: part_scores(pair.new.labels[rows], labels[rows])
                    for part, rows in pair.parts.items()
                },
                "n_train": len(pair.training.labels),
                "n_genes": len(pair.training.genes),
                "fit_s": fitted - start,
                "predict_s": end - fitted,
            },
        )


def part_scores(true: Array, predicted: Array) -> dict[str, Any]:
    """Scores, and of each type the share found and the labels that its cells got."""
    recall, given = {}, {}
    for name in sorted(set(true)):
        of_type = predicted[true == name]
        labels, counts = np.unique(of_type, return_counts=True)
        recall[str(name)] = float((of_type == name).mean())
        given[str(name)] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    return {**scores(true, predicted), "n_obs": len(true), "recall": recall, "given": given}


def measure_missing(path: Path, *, quick: bool, seed: int = 0) -> None:
    """Hold cells out, take genes away from them, and compare what stands in for the genes."""
    cells = read_simulated() if quick else read_facs()
    split = make_split(cells.labels, cells.groups, seed)
    train, test = cells[split.train], cells[split.test]
    genes = select_genes(train, min(N_GENES, len(cells.genes)))
    train, test = train.of_genes(genes), test.of_genes(genes)
    logistic = predictor("logistic_regression", train, seed)
    ours = predictor(PLAIN, train, seed)
    average = train.dense().mean(axis=0)
    for share in SHARES:
        for draw in range(DRAWS if share else 1):
            kept = present_genes(len(test.genes), share, draw)
            found = with_genes(test, kept, average, logistic=logistic, ours=ours)
            for name, labels in found.items():
                append(
                    path,
                    record("missing", name)
                    | {"share": share, "draw": draw, "n_test": len(test.labels)}
                    | {"n_genes": len(kept), **scores(test.labels, labels)},
                )


def present_genes(n_genes: int, share: float, draw: int) -> Array:
    """Positions of the genes that are left, sorted."""
    n_kept = n_genes - round(share * n_genes)
    drawn = np.random.default_rng(draw).permutation(n_genes)[:n_kept]
    return np.sort(drawn)


def with_genes(
    test: Cells,
    kept: Array,
    average: Array,
    *,
    logistic: Callable[[Cells], dict[str, Array]],
    ours: Callable[[Cells], dict[str, Array]],
) -> dict[str, Array]:
    """Labels by method; logistic regression needs a value for every gene: 0 or the average."""
    filled = {}
    for name, value in (("logistic_regression", 0.0), ("logistic_regression_average", average)):
        values = np.tile(np.broadcast_to(value, average.shape), (len(test.labels), 1))
        values[:, kept] = test.dense()[:, kept]
        whole = Cells(values.astype(np.float32), None, test.labels, test.groups, test.genes)
        filled[name] = logistic(whole)["logistic_regression"]
    return filled | ours(test.of_genes(kept))


def record(data: str, method: str) -> dict[str, Any]:
    """What every line says of its origin."""
    known = method if method != "logistic_regression_average" else "logistic_regression"
    return {
        "data": data,
        "method": method,
        "settings_key": key_of(known),
        "source": source_digest() if method in (PLAIN, OURS) else None,
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
