"""Every method that takes part, with its settings: from training genes to a prediction."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from epigenomes.data import Array, Genes, validation_of
from epigenomes.networks import network
from tgem.model import EpiAttention
from tgem.model.epiattention._presets import PRESETS

OURS = "tgem"
Fitted = Callable[[Genes], Array]


@dataclass(frozen=True)
class Method:
    """One method; `seeds` says whether it depends on chance."""

    title: str
    fit: Callable[[Genes, dict[str, Any], int], Fitted]
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: bool = False

    def key(self) -> str:
        """Digest of what decides its result."""
        text = json.dumps([self.fit.__name__, self.settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def epiattention(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Train a preset; a sixth of the training genes, whole groups, decide on the epoch."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logarithm = settings["logarithm"]
    adata = training.adata(logarithm=logarithm)
    part = np.full(adata.n_obs, "train", dtype=object)
    part[validation_of(training, seed)] = "validation"
    adata.obs["part"] = part
    several = len(np.unique(training.cell_type)) > 1
    EpiAttention.setup_anndata(
        adata,
        "target",
        cell_type_key="cell_type" if several else None,
        gene_key="gene_id",
        group_key="group",
        split_key="part",
    )
    model = EpiAttention(adata, task=training.task, preset=settings["preset"])
    model.train(
        max_epochs=settings["max_epochs"],
        seed=seed,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    wanted = settings["max_epochs"] or PRESETS[settings["preset"]].training["max_epochs"]
    if len(model.history) < wanted:  # stopped from outside: a result of it must not be kept
        msg = f"Expected {wanted} epochs, found {len(model.history)}."
        raise RuntimeError(msg)
    return lambda genes: model.predict(genes.adata(logarithm=logarithm), soft=True)


def with_cell_type(genes: Genes, values: Array) -> Array:
    """Values and an indicator of the cell type, which all methods get."""
    labels = np.array(["K562"]) if len(set(genes.cell_type)) == 1 else np.unique(genes.cell_type)
    return np.concatenate([values, genes.cell_type[:, None] == labels[:1]], 1)


def windows(genes: Genes, n_windows: int) -> Array:
    """Means of log signal, or of methylation, over windows; the gene's mean where none is."""
    if genes.task == "regression":
        level, place = genes.values[..., 0], genes.values[..., 1]
        low, high = -1.0, 1.0
        window = np.clip((place - low) / (high - low) * n_windows, 0, n_windows - 1e-6)
        whole = np.nanmean(level, 1)
        found = np.tile(whole[:, None], (1, n_windows))
        for i in range(n_windows):
            inside = np.floor(window) == i
            count = inside.sum(1)
            total = np.where(inside, level, 0).sum(1)
            found[:, i] = np.where(count > 0, total / np.maximum(count, 1), whole)
        return found
    logs = np.log1p(genes.values)
    parts = np.array_split(logs, min(n_windows, logs.shape[2]), axis=2)
    means = np.stack([part.mean(2) for part in parts], 2).reshape(len(logs), -1)
    return with_cell_type(genes, means)


def logistic(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Logistic regression; number of windows and penalty by AUROC on inner folds of groups."""
    del seed
    inner = list(GroupKFold(4).split(training.values, groups=training.group))
    best, chosen = -1.0, (settings["windows"][0], settings["penalties"][0])
    for n_windows in settings["windows"]:
        values = windows(training, n_windows)
        for penalty in settings["penalties"]:
            scores = []
            for rest, held in inner:
                fitted = _logistic(penalty).fit(values[rest], training.target[rest])
                if len(set(training.target[held])) == 2:
                    output = fitted.decision_function(values[held])
                    scores.append(roc_auc_score(training.target[held], output))
            if np.mean(scores) > best:
                best, chosen = float(np.mean(scores)), (n_windows, penalty)
    model = _logistic(chosen[1]).fit(windows(training, chosen[0]), training.target)
    return lambda genes: model.decision_function(windows(genes, chosen[0]))


def _logistic(penalty: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))


def forest(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Random forest on means over windows."""
    n_windows = settings["windows"]
    options = {"n_estimators": settings["n_trees"], "min_samples_leaf": 3, "random_state": seed}
    values = windows(training, n_windows)
    if training.task == "regression":
        regressor = RandomForestRegressor(**options).fit(values, training.target)
        return lambda genes: regressor.predict(windows(genes, n_windows))
    model = RandomForestClassifier(**options).fit(values, training.target)
    return lambda genes: model.predict_proba(windows(genes, n_windows))[:, 1]


def ridge(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Ridge regression on methylation over windows; penalty by error on inner folds of groups."""
    del seed
    values, target = windows(training, settings["windows"]), training.target
    inner = list(GroupKFold(4).split(values, groups=training.group))

    def error(penalty: float) -> float:
        parts = [
            (Ridge(penalty).fit(values[rest], target[rest]).predict(values[held]) - target[held])
            for rest, held in inner
        ]
        return float((np.concatenate(parts) ** 2).mean())

    model = Ridge(min(settings["penalties"], key=error)).fit(values, target)
    return lambda genes: model.predict(windows(genes, settings["windows"]))


def mean_methylation(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Less methylation, more expression: nothing is fitted."""
    del training, settings, seed
    return lambda genes: -np.nanmean(genes.values[..., 0], 1)


def methods(task: str, *, quick: bool = False) -> dict[str, Method]:
    """Methods for a task; with `quick`, of as few steps as can be."""
    epochs = 2 if quick else None
    ours = {"preset": "standardized", "max_epochs": epochs, "logarithm": False}
    paper = {"preset": "paper", "max_epochs": epochs, "logarithm": task == "binary"}
    n_trees = 10 if quick else 500
    if task == "regression":
        long = {"max_epochs": epochs or 60}
        penalties = [10.0**power for power in range(-1, 4)]
        return {
            OURS: Method("tgem, default preset", epiattention, ours | long, seeds=True),
            "mean": Method("mean methylation", mean_methylation),
            "ridge": Method("ridge regression", ridge, {"windows": 10, "penalties": penalties}),
            "forest": Method("random forest", forest, {"windows": 10, "n_trees": n_trees}),
            "paper": Method("tgem, paper preset", epiattention, paper | long, seeds=True),
        }
    steps = {"learning_rate": 1e-3, "batch_size": 32, "max_epochs": epochs or 20}
    slow = {"learning_rate": 2e-3, "batch_size": 64, "max_epochs": epochs or 15}
    penalties = [1e-4, 1e-3, 1e-2, 1e-1]
    bins, mean = {"windows": [40, 20], "penalties": penalties}, {"windows": [1]}
    return {
        OURS: Method("tgem, default preset", epiattention, ours, seeds=True),
        "bins": Method("logistic regression, bin means", logistic, bins),
        "marks": Method(
            "logistic regression, mark means", logistic, mean | {"penalties": [0.01, 0.1, 1, 10]}
        ),
        "forest": Method("random forest", forest, {"windows": 20, "n_trees": n_trees}),
        "deepchrome": Method(
            "like DeepChrome", network, steps | {"network": "deepchrome"}, seeds=True
        ),
        "paper": Method("tgem, paper preset", epiattention, paper, seeds=True),
        "attentivechrome": Method(
            "like AttentiveChrome", network, slow | {"network": "attentivechrome"}, seeds=True
        ),
    }
