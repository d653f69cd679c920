"""The parts of the benchmark of isoforms: decoders, contexts, other cohorts, all isoforms."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from memory import largest_resident_size

from isoforms.cohorts import lymphoblasts, simulated, simulated_shares, single_cells, tumours
from isoforms.comparison import compare_folds, compare_transfer, differences, summary
from isoforms.decoders import DEFAULT, Setting, chosen_setting, lines_of, score, without
from tgem._core.errors import GeneAlignmentWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData

    from isoforms.contexts import Cohorts

COHORTS = ("lymphoblasts", "cells", "tumours")
N_FOLDS = 3
# hundreds of cells are several batches: fewer epochs give as many steps
CELL_DECODERS = {
    "usage": DEFAULT,
    "additive": Setting("rate 0.001", {}, {"max_epochs": 60, "plan_kwargs": {"lr": 1e-3}}),
    "sigmoid": Setting("rate 0.001", {}, {"max_epochs": 60, "plan_kwargs": {"lr": 1e-3}}),
}
QUICK = Setting("quick", {}, {"max_epochs": 2})


def folds(mdata: MuData) -> Iterator[str]:
    yield from np.unique(lines_of(mdata)).tolist()


def compare_decoders(
    mdata: MuData, decoders: list[str], settings: dict[str, tuple[Setting, ...]]
) -> dict[str, Any]:
    """Errors of each decoder on each held-out line."""
    result: dict[str, Any] = {}
    for decoder in decoders:
        rows = []
        for held in folds(mdata):
            setting = chosen_setting(mdata, held, settings[decoder], decoder=decoder)
            rows.append(score(mdata, held, setting, decoder=decoder))
            rows[-1] |= {"line": held, "setting": setting.name, "chosen_on": "every training line"}
            print(decoder, rows[-1], flush=True)
        result[decoder] = summary(rows)
    return result


def compare_contexts(mdata: MuData, names: list[str], cohorts: Cohorts) -> dict[str, Any]:
    """Errors of the default decoder without and with each context, on each held-out line."""
    result: dict[str, Any] = {}
    for name in names:
        rows = []
        for held in folds(mdata):
            context = None
            row: dict[str, Any] = {"line": held}
            if name != "none":
                training = without(mdata, held)
                context = cohorts.pretrained(name, training["gene"])
                unseen = mdata[lines_of(mdata) == held]["gene"]
                row |= {"explained_variance": context.explained_variance}
                row |= {"explained_variance_of_line": cohorts.explained(context, unseen)}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GeneAlignmentWarning)
                rows.append(row | score(mdata, held, DEFAULT, decoder="usage", context=context))
            print("context", name, rows[-1], flush=True)
        result[name] = summary(rows)
    return result


def compare_cohorts(
    mdata: MuData, names: list[str], known: dict[str, Any], *, quick: bool
) -> dict[str, Any]:
    """Other cell types, single cells and tumours."""
    result: dict[str, Any] = {}
    for name in names:
        start = time.perf_counter()
        if name == "lymphoblasts":
            others = simulated() if quick else lymphoblasts(mdata)
            found = compare_transfer(mdata, others, known, quick=quick)
            sizes = {"n_training": mdata.n_obs, "n_obs": others.n_obs}
        else:
            data, groups, decoders = _folds_of(name, quick=quick)
            found = compare_folds(data, groups, decoders, n_folds=N_FOLDS)
            sizes = {"n_obs": data.n_obs, "n_groups": len(np.unique(groups))}
            others = data
        others_of = {each: row for each, row in found.items() if each not in ("usage", "psi")}
        ours = found["psi" if "psi" in found else "usage"]
        result[name] = {
            **sizes,
            "n_isoforms": _n_predicted(others),
            "n_factors": int(others["gene"].var["splicing_factor"].sum()),
            "methods": found,
            "differences": differences(ours, others_of),
            "seconds": time.perf_counter() - start,
        }
    return result


def _n_predicted(mdata: MuData) -> int:
    """Isoforms that are not the only one of their gene; all events of PSI."""
    table = mdata["isoform"]
    if np.nanmax(np.asarray(table.X)) <= 1:
        return int(table.n_vars)
    return int(table.var["gene_id"].duplicated(keep=False).sum())


def _folds_of(name: str, *, quick: bool) -> tuple[MuData, Any, dict[str, Setting]]:
    """Data, what must stay together, and decoders."""
    if name == "cells":
        data = simulated() if quick else single_cells()
        decoders = dict.fromkeys(CELL_DECODERS, QUICK) if quick else CELL_DECODERS
        return data, np.asarray(data["gene"].obs_names, dtype=str), decoders
    data = simulated_shares() if quick else tumours()
    groups = data["gene"].obs["patient"].astype(str).to_numpy()
    return data, groups, {"psi": QUICK if quick else DEFAULT}


def all_isoforms(mdata: MuData, n_folds: int | None) -> dict[str, Any]:
    """The default decoder on all isoforms."""
    largest_resident_size(reset=True)
    rows = [
        score(mdata, held, DEFAULT, decoder="usage") | {"line": held}
        for held in list(folds(mdata))[:n_folds]
    ]
    return summary(rows) | {
        "n_isoforms": int(mdata["isoform"].var["gene_id"].duplicated(keep=False).sum()),
        "peak_bytes": largest_resident_size(),
    }
