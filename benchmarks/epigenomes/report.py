"""Scores of kept predictions, and paired differences with a bootstrap over genes.

AUROC is taken in each fold and cell type, and averaged over folds, cell types and seeds. Spearman's
correlation is taken over the genes of all folds together, and averaged over seeds. The bootstrap
draws genes, with all their cell types, within the folds, the same genes for all methods: it says
how much the scores would differ for other genes of these chromosomes, not for other trainings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from epigenomes.data import TITLES
from epigenomes.methods import OURS

if TYPE_CHECKING:
    from epigenomes.data import Array, Genes
    from epigenomes.methods import Method

LEVEL = 0.95
Row = dict[str, Any]


def report(
    name: str, genes: Genes, methods: dict[str, Method], rows: list[Row], *, n_draws: int
) -> dict[str, Any]:
    """Score every method that has all folds of at least one seed.

    Parameters
    ----------
    name
        Of the data.
    genes
        The data.
    methods
        By name.
    rows
        Kept predictions.
    n_draws
        Draws of the bootstrap.
    """
    checksum = genes.checksum()
    rows = [
        row
        for row in rows
        if row["method"] in methods
        and row["settings"] == methods[row["method"]].key()
        and row["data"] == checksum
    ]
    n_folds = 1 + max((row["fold"] for row in rows), default=0)
    weights = drawn_weights(genes, rows, n_draws)
    found: dict[str, Any] = {}
    draws: dict[tuple[str, float], Array] = {}
    for method in methods:
        for share in sorted({row["share"] for row in rows}, reverse=True):
            runs = complete(
                [r for r in rows if (r["method"], r["share"]) == (method, share)], n_folds
            )
            if not runs:
                continue
            draws[method, share] = np.mean([scores(genes, run, weights) for run in runs], 0)
            summary = described(draws[method, share]) | {
                "n_seeds": len(runs),
                "process_s": float(np.median([row["process_s"] for run in runs for row in run])),
                "n_train": float(np.mean([row["n_train"] for run in runs for row in run])),
                "parts": parts_of(genes, runs),
            }
            if len(runs) > 1:
                each = [scores(genes, run, weights[:1])[0] for run in runs]
                summary["sd_of_seeds"] = float(np.std(each, ddof=1))
            found.setdefault(method, {})[str(share)] = summary
    return {
        "title": TITLES[name],
        "metric": "auroc" if genes.task == "binary" else "spearman",
        "n_obs": len(genes.target),
        "n_genes": len(set(genes.gene)),
        "n_folds": n_folds,
        "n_draws": n_draws,
        "titles": {method: methods[method].title for method in found},
        "settings": {method: methods[method].settings for method in found},
        "methods": {method: each["1.0"] for method, each in found.items() if "1.0" in each},
        "differences": {
            method: described(draws[OURS, 1.0] - draws[method, 1.0])
            for method in found
            if method != OURS and (OURS, 1.0) in draws and (method, 1.0) in draws
        },
        "learning_curve": {method: each for method, each in found.items() if len(each) > 1},
    }


def complete(rows: list[Row], n_folds: int) -> list[list[Row]]:
    """Of each seed that has all folds, the latest results."""
    runs = []
    for seed in sorted({row["seed"] for row in rows}):
        latest = {row["fold"]: row for row in rows if row["seed"] == seed}
        if len(latest) == n_folds:
            runs.append([latest[fold] for fold in sorted(latest)])
    return runs


def drawn_weights(genes: Genes, rows: list[Row], n_draws: int) -> Array:
    """How often each observation is drawn; the first row is the data as they are."""
    rng = np.random.default_rng(0)
    weights = np.ones((1 + n_draws, len(genes.target)))
    for test in {row["fold"]: row["test"] for row in rows}.values():
        names, code = np.unique(genes.gene[test], return_inverse=True)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_draws)
        weights[1:, test] = counts[:, code]
    return weights


def scores(genes: Genes, run: list[Row], weights: Array) -> Array:
    """Score of one seed in every draw."""
    if genes.task == "regression":
        output = np.full(len(genes.target), np.nan)
        for row in run:
            output[row["test"]] = row["output"]
        return weighted_spearman(output, genes.target, weights)
    return np.nanmean(list(areas(genes, run, weights).values()), 0)


def areas(genes: Genes, run: list[Row], weights: Array) -> dict[tuple[int, str], Array]:
    """AUROC of each fold and cell type, in every draw."""
    found = {}
    for row in run:
        test, output = np.array(row["test"]), np.array(row["output"])
        for label in np.unique(genes.cell_type):
            own = genes.cell_type[test] == label
            high = genes.target[test[own]] > 0.5
            area = weighted_auroc(output[own], high, weights[:, test[own]])
            found[row["fold"], label] = area
    return found


def parts_of(genes: Genes, runs: list[list[Row]]) -> dict[str, float]:
    """Score of each cell type, mean over folds and seeds; of correlations, mean over folds."""
    once = np.ones((1, len(genes.target)))
    if genes.task == "regression":
        each = [
            weighted_spearman(
                np.array(row["output"]), genes.target[row["test"]], once[:, row["test"]]
            )
            for run in runs
            for row in run
        ]
        return {"within folds": float(np.nanmean(each))}
    found: dict[str, list[float]] = {}
    for run in runs:
        for (_, label), area in areas(genes, run, once).items():
            found.setdefault(str(label), []).append(float(area[0]))
    return {label: float(np.nanmean(each)) for label, each in found.items()}


def weighted_auroc(output: Array, high: Array, weights: Array) -> Array:
    """AUROC with each observation counted as often as it was drawn; NaN without both classes."""
    above = output[high][:, None] - output[~high][None]
    wins = (above > 0) + 0.5 * (above == 0)
    positive, negative = weights[:, high], weights[:, ~high]
    pairs = positive.sum(1) * negative.sum(1)
    won = ((positive @ wins) * negative).sum(1)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def weighted_spearman(output: Array, target: Array, weights: Array) -> Array:
    """Spearman's correlation with each observation counted as often as it was drawn."""
    found = np.full(len(weights), np.nan)
    for i, weight in enumerate(weights.astype(int)):
        ranks = [rankdata(np.repeat(values, weight)) for values in (output, target)]
        if all(np.ptp(rank) > 0 for rank in ranks):
            found[i] = np.corrcoef(*ranks)[0, 1]
    return found


def described(draws: Array) -> dict[str, float]:
    """The value for all genes, and the interval of the draws."""
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(draws[1:], [outside, 100 - outside])
    return {"mean": float(draws[0]), "low": float(low), "high": float(high)}
