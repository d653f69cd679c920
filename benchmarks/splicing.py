"""Isoforms of samples that were never seen: decoders, baselines and contexts, on real samples.

One command trains on five lines of macrophages, predicts the sixth, for each line in turn, and
writes a table and a figure::

    python benchmarks/splicing.py [--decoders usage additive sigmoid] [--baselines]
        [--learning-curve] [--cohorts lymphoblasts cells tumours] [--context none tumours]
        [--all-isoforms]

What is compared is the mean squared error of log2(1 + TPM), within each held-out line, with that
of the gene's TPM times the mean usage of the training lines, and the share of the deviations of
usage from that mean which is predicted. Baselines are that mean usage, the mean of logarithms,
ridge regression and the elastic net. Settings (penalties, learning rates) are chosen within the
training lines alone: each of them is left out in turn, decoders are trained on every fourth gene,
and the best setting is trained again on all lines and genes. The same isoforms are used for all,
those of cancer genes as published; `--all-isoforms` trains the default on all of them, and
`--context` gives it contexts pretrained on the training lines, and on other cohorts.

`--cohorts` trains on all macrophages and predicts lymphoblastoid lines; leaves out single cells
with long reads; and leaves out patients with breast tumours, whose splicing is PSI.

The data are read from `TGEM_SHARED_DATA` or `../shared/data`. Results that are there are kept,
part by part, so that a part can be measured again on its own.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from isoforms.cohorts import (
    SHARED,
    lymphoblasts,
    macrophages,
    simulated,
    simulated_shares,
    single_cells,
    tumours,
    with_read_genes,
)
from isoforms.comparison import (
    compare_baselines,
    compare_folds,
    compare_transfer,
    differences,
    learning_curve,
    summary,
)
from isoforms.contexts import CONTEXTS, Cohorts
from isoforms.decoders import (
    DEFAULT,
    QUIET,
    SETTINGS,
    Setting,
    chosen_setting,
    lines_of,
    score,
    without,
)
from isoforms.figure import draw
from memory import largest_resident_size
from shared import machine

from tgem._core.errors import GeneAlignmentWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData

__all__ = ["QUIET", "SHARED", "lines_of"]

QUICK_CONTEXTS = ("none", "training lines")
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


def compare_cohorts(mdata: MuData, given: argparse.Namespace, known: dict[str, Any]) -> Any:
    """Other cell types, single cells and tumours."""
    result: dict[str, Any] = {}
    quick = given.quick
    for name in given.cohorts:
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


def measure(arguments: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """The parts asked for."""

    def read(*, cancer_genes: bool) -> MuData:
        return simulated() if arguments.quick else macrophages(cancer_genes=cancer_genes)

    parts: dict[str, Any] = {}
    settings = SETTINGS
    if arguments.quick:
        short = {"max_epochs": 2}
        settings = {name: (Setting("a", {}, short), Setting("b", {}, short)) for name in SETTINGS}
    if arguments.decoders or arguments.baselines or arguments.learning_curve or arguments.cohorts:
        mdata = with_read_genes(read(cancer_genes=True))
        parts["n_isoforms"] = int(mdata["isoform"].var["gene_id"].duplicated(keep=False).sum())
        parts["decoders"] = compare_decoders(mdata, arguments.decoders, settings)
        if arguments.baselines:
            parts["baselines"] = compare_baselines(mdata)
        decoders = known.get("decoders", {}) | parts["decoders"]
        if arguments.cohorts:
            parts["cohorts"] = compare_cohorts(mdata, arguments, decoders)
        if arguments.learning_curve:
            setting = QUICK if arguments.quick else DEFAULT
            parts["learning_curve"] = learning_curve(mdata, setting)
    if arguments.context:
        cohorts = Cohorts(SHARED, quick=arguments.quick)
        names = list(QUICK_CONTEXTS) if arguments.quick else arguments.context
        parts["contexts"] = compare_contexts(read(cancer_genes=True), names, cohorts)
    if arguments.all_isoforms:
        parts["all_isoforms"] = all_isoforms(read(cancer_genes=False), arguments.folds_all)
    return parts


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decoders", nargs="*", choices=sorted(SETTINGS), default=[])
    parser.add_argument("--baselines", action="store_true", help="what needs no network")
    parser.add_argument("--learning-curve", action="store_true", help="fewer training lines")
    parser.add_argument("--cohorts", nargs="*", choices=COHORTS, default=[])
    names = ("none", *CONTEXTS)
    parser.add_argument("--context", nargs="*", choices=names, default=[])
    parser.add_argument("--all-isoforms", action="store_true", help="the default on all isoforms")
    parser.add_argument("--folds-all", type=int, help="folds of --all-isoforms; by default all")
    parser.add_argument("--quick", action="store_true", help="simulated data, few steps")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    parts = ("decoders", "baselines", "learning_curve", "cohorts", "context", "all_isoforms")
    if not any(getattr(arguments, part) for part in parts):
        arguments.decoders, arguments.context = list(SETTINGS), list(names)
        arguments.baselines = arguments.learning_curve = arguments.all_isoforms = True
        arguments.cohorts = list(COHORTS)
    path = arguments.out / "splicing.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    found = measure(arguments, result)
    for part in ("decoders", "baselines", "cohorts", "contexts"):
        if part in found:
            found[part] = result.get(part, {}) | found[part]
    result |= {"machine": machine("cpu"), **found}
    # results of an earlier run are summed up as those of this one are
    result["decoders"] = {
        name: each | summary(each["folds"]) for name, each in result.get("decoders", {}).items()
    }
    if "usage" in result["decoders"]:
        ours, published = result["decoders"]["usage"], dict(result["decoders"])
        del published["usage"]
        result["differences"] = differences(ours, published | result.get("baselines", {}))
    arguments.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(result, path.with_suffix(".png"))


if __name__ == "__main__":
    # mudata announces changes of its own
    warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
    main()
