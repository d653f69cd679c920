"""Baselines, the learning curve and other cohorts, each beside the decoders."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from isoforms.baselines import BASELINES, Samples, baseline, constant_usage, mean_usage, samples_of
from isoforms.decoders import (
    DEFAULT,
    SETTINGS,
    Setting,
    every_fourth_gene,
    lines_of,
    scores,
    trained,
)

if TYPE_CHECKING:
    from mudata import MuData

Array = np.ndarray[Any, Any]
CURVE = ("mean of logarithms", "ridge, usage", "ridge, log2 TPM")
PUBLISHED = ("additive", "sigmoid")
# PSI has no expression: its logits are learnt
OF_EXPRESSION = (("ridge", "log2 TPM"), ("elastic net", "log2 TPM"))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All folds, their mean and spread, and the change from the mean usage."""
    errors = np.array([row["mse"] for row in rows])
    ratios = errors / np.array([row["mse_mean_usage"] for row in rows])
    explained = np.array([row["usage_r2"] for row in rows])
    found = {"folds": rows}
    for name, values in {"mse": errors, "ratio": ratios, "usage_r2": explained}.items():
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        found |= {name: float(values.mean()), f"{name}_sd": spread}
    if all("train_s" in row for row in rows):
        found["train_s"] = float(np.median([row["train_s"] for row in rows]))
    return found


def differences(
    ours: dict[str, Any], others: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The default decoder less each other method, fold by fold."""
    found: dict[str, dict[str, Any]] = {}
    for name, other in others.items():
        row: dict[str, Any] = {"n_folds": len(ours["folds"])}
        for metric, sign in (("mse", -1), ("usage_r2", 1)):
            pairs = zip(ours["folds"], other["folds"], strict=True)
            change = np.array([mine[metric] - theirs[metric] for mine, theirs in pairs])
            row[metric] = float(change.mean())
            row[f"{metric}_sd"] = float(change.std(ddof=1)) if len(change) > 1 else None
            row[f"{metric}_better"] = int((sign * change > 0).sum())
        found[name] = row
    return found


def compare_baselines(mdata: MuData) -> dict[str, Any]:
    """Errors of each baseline on each held-out line."""
    samples = samples_of(mdata, lines_of(mdata))
    result: dict[str, Any] = {}
    for name in BASELINES:
        rows = []
        for held in np.unique(samples.groups).tolist():
            unseen = samples.groups == held
            (row,) = baseline(name, samples.rows(~unseen), [samples.rows(unseen)])
            rows.append(row | {"line": held})
        result[name] = summary(rows)
        print(name, {key: result[name][key] for key in ("mse", "ratio", "usage_r2")}, flush=True)
    return result


def learning_curve(mdata: MuData, setting: Setting = DEFAULT) -> dict[str, Any]:
    """Errors on each line after training on one to all of the others, on every fourth gene."""
    mdata = every_fourth_gene(mdata)
    samples = samples_of(mdata, lines_of(mdata))
    conditions = mdata["gene"].obs["condition"].astype(str).to_numpy()
    lines = np.unique(samples.groups).tolist()
    result: dict[str, Any] = {}
    for n_lines in range(1, len(lines)):
        rows: dict[str, list[dict[str, Any]]] = {}
        for at, held in enumerate(lines):
            following = [lines[(at + step) % len(lines)] for step in range(1, n_lines + 1)]
            used = np.isin(samples.groups, following)
            training, unseen = samples.rows(used), samples.rows(samples.groups == held)
            part = mdata[np.isin(samples.groups, [*following, held])].copy()
            model, _ = trained(part, lines_of(part) == held, setting, decoder="usage")
            found = {"usage": scores(model)}
            # one line alone has no second to leave out: a condition is
            groups = conditions[used] if n_lines == 1 else None
            found |= {name: baseline(name, training, [unseen], groups=groups)[0] for name in CURVE}
            for name, row in found.items():
                rows.setdefault(name, []).append(row | {"line": held})
        result[str(n_lines)] = {name: summary(folds) for name, folds in rows.items()}
        shown = {name: result[str(n_lines)][name]["usage_r2"] for name in rows}
        print("learning curve", n_lines, shown, flush=True)
    return result


def compare_transfer(
    mdata: MuData, others: MuData, decoders: dict[str, Any], *, quick: bool
) -> dict[str, Any]:
    """Train on all macrophages; errors on each sample of another cell type."""
    training = samples_of(mdata, lines_of(mdata))
    unseen = samples_of(others, np.asarray(others["gene"].obs_names, dtype=str))
    singles = [unseen.rows(unseen.groups == name) for name in unseen.groups]
    rows = {name: baseline(name, training, singles) for name in BASELINES}
    own = "mean usage of the other samples"  # of the same cell type, had it been known
    rows[own] = [
        constant_usage(
            mean_usage(unseen.rows(unseen.groups != name)), one, mean=mean_usage(training)
        )
        for name, one in zip(unseen.groups, singles, strict=True)
    ]
    for decoder in ("usage", *PUBLISHED):
        if quick:
            setting = Setting("quick", {}, {"max_epochs": 2})
        elif decoder == "usage":
            setting = DEFAULT
        else:
            setting = _most_chosen(decoders.get(decoder), decoder)
        part = mdata.copy()
        model, _ = trained(part, np.zeros(part.n_obs, dtype=bool), setting, decoder=decoder)
        rows[decoder] = [
            scores(model, others[[at]].copy()) | {"setting": setting.name}
            for at in range(others.n_obs)
        ]
    return _named(rows, unseen.groups.tolist())


def _most_chosen(found: dict[str, Any] | None, decoder: str) -> Setting:
    """The setting that the most folds of the training cohort chose."""
    settings = {each.name: each for each in SETTINGS[decoder]}
    names = [row["setting"] for row in found["folds"]] if found else list(settings)[:1]
    return settings[Counter(names).most_common(1)[0][0]]


def compare_folds(
    mdata: MuData, groups: Array, decoders: dict[str, Setting], *, n_folds: int
) -> dict[str, Any]:
    """Errors on each of some folds that keep the samples of a group together."""
    parts = folds_of(groups, n_folds)
    samples = samples_of_any(mdata, parts)
    rows: dict[str, list[dict[str, Any]]] = {}
    for fold in range(n_folds):
        unseen = parts == fold
        for name in BASELINES:
            if samples.hosts is None and BASELINES[name] in OF_EXPRESSION:
                continue
            (row,) = baseline(name, samples.rows(~unseen), [samples.rows(unseen)], most=2)
            rows.setdefault(name, []).append(row)
        for decoder, setting in decoders.items():
            model, seconds = trained(mdata, unseen, setting, decoder=decoder)
            rows.setdefault(decoder, []).append(scores(model) | {"train_s": seconds})
    return _named(rows, list(range(n_folds)))


def folds_of(groups: Array, n_folds: int, seed: int = 0) -> Array:
    """Fold of each sample; those of one group have the same."""
    names, codes = np.unique(groups, return_inverse=True)
    of_group = np.random.default_rng(seed).permutation(len(names)) % n_folds
    found: Array = of_group[codes]
    return found


def samples_of_any(mdata: MuData, groups: Array) -> Samples:
    """Samples in TPM, or in PSI if no value is above 1."""
    values = np.asarray(mdata["isoform"].X, dtype=float)
    if np.nanmax(values) > 1:
        return samples_of(mdata, groups)
    gene = mdata["gene"]
    is_factor = gene.var["splicing_factor"].to_numpy(bool)
    factors = np.log2(1 + np.asarray(gene.X, dtype=float)[:, is_factor])
    return Samples(factors, values, None, np.arange(values.shape[1]), groups)


def _named(rows: dict[str, list[dict[str, Any]]], folds: list[Any]) -> dict[str, Any]:
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, each in rows.items():
            named = [row | {"fold": fold} for row, fold in zip(each, folds, strict=True)]
            found[name] = summary(named)
            print(name, {key: found[name][key] for key in ("mse", "usage_r2")}, flush=True)
    return found
