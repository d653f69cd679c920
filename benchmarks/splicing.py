"""Isoforms of a cell line that was never seen: decoders, and contexts, on real macrophages.

One command trains on five lines, predicts the sixth, for each line in turn, and writes a table::

    python benchmarks/splicing.py [--decoders usage additive sigmoid] [--context none tumours]
        [--all-isoforms]

What is compared is the mean squared error of log2(1 + TPM), within each held-out line, with that
of the gene's TPM times the mean usage of the training lines. A decoder's settings are chosen
within the training lines alone: one of them is held out, each setting is trained on the other
four, and the best is trained again on all five. The same isoforms are used for all decoders,
those of cancer genes as published; `--all-isoforms` trains the default on all of them, and
`--context` gives it contexts pretrained on the training lines, and on other cohorts.

The data are read from `TGEM_SHARED_DATA` or `../shared/data`. Results that are there are kept,
part by part, so that a part can be measured again on its own.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mudata
import numpy as np
from isoforms.contexts import CONTEXTS, Cohorts
from memory import largest_resident_size
from scipy import sparse
from shared import machine

import tgem
from tgem._core.errors import GeneAlignmentWarning
from tgem.model import DeepSF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData

    from tgem.model.deepsf import GeneContext

SHARED = Path(os.environ.get("TGEM_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
QUICK_CONTEXTS = ("none", "training lines")
QUIET = {"enable_progress_bar": False}


@dataclass(frozen=True)
class Setting:
    """How one model is made and trained."""

    name: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


# The published epochs are those of thousands of samples: twenty samples are one batch, so 3,000
# epochs at a rate of 1e-4 are here 300 steps at 1e-3, or faster.
RATES = tuple(
    Setting(
        f"rate {rate:g}",
        {},
        {"max_epochs": 300, "plan_kwargs": {"optimizer": "adamw", "lr": rate}},
    )
    for rate in (1e-3, 3e-3, 1e-2)
)
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "usage": tuple(Setting(f"penalty {value:g}", {"penalty": value}) for value in (1, 3, 10)),
    "additive": RATES,
    "sigmoid": RATES,
}


def macrophages(*, cancer_genes: bool) -> MuData:
    """Samples of six lines; all their isoforms, or those of cancer genes."""
    mudata.set_options(pull_on_update=False)
    mdata = mudata.read_h5mu(SHARED / "isoform" / "macrophage.h5mu")
    if not cancer_genes:
        return mdata
    genes = mdata["gene"].var_names[mdata["gene"].var["cancer_gene"].to_numpy(dtype=bool)]
    chosen = mdata["isoform"].var["gene_id"].isin(genes).to_numpy()
    return mudata.MuData({"gene": mdata["gene"], "isoform": mdata["isoform"][:, chosen].copy()})


def with_read_genes(mdata: MuData) -> MuData:
    """The same isoforms, and of the genes only theirs and the factors: all that decoders read."""
    gene, isoform = mdata["gene"], mdata["isoform"]
    read = gene.var_names.isin(isoform.var["gene_id"]) | gene.var["splicing_factor"].to_numpy(bool)
    found = mudata.MuData({"gene": gene[:, read].copy(), "isoform": isoform.copy()})
    for table in found.mod.values():
        if sparse.issparse(table.X):
            table.X = table.X.toarray()
    return found


def simulated() -> MuData:
    """Samples of three simulated lines, to see that the benchmark runs."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=80)
    mdata["gene"].obs["line"] = [f"line {i % 3}" for i in range(24)]
    return mdata


def lines_of(mdata: MuData) -> np.ndarray[Any, Any]:
    return mdata["gene"].obs["line"].astype(str).to_numpy()


def without(mdata: MuData, line: str) -> MuData:
    """The samples of the other lines."""
    return mdata[lines_of(mdata) != line].copy()


def score(
    mdata: MuData,
    held: str,
    setting: Setting,
    *,
    decoder: str,
    context: GeneContext | None = None,
) -> dict[str, float]:
    """Train on all lines but one; error on that one."""
    mdata.obs["part"] = np.where(lines_of(mdata) == held, "test", "train")
    DeepSF.setup_mudata(mdata)
    model = DeepSF(mdata, decoder=decoder, context=context, **setting.model)
    start = time.perf_counter()
    model.train(split_key="part", **setting.training, **QUIET)
    seconds = time.perf_counter() - start
    found = model.evaluate()
    names = ("mse", "mse_mean_usage", "pearson", "usage_r2")
    return {name: float(found[name]) for name in names} | {"train_s": seconds}


def chosen_setting(
    mdata: MuData, held: str, settings: tuple[Setting, ...], *, decoder: str
) -> Setting:
    """The setting that predicts one of the training lines best; the held-out line plays no part."""
    if len(settings) == 1:
        return settings[0]
    others = without(mdata, held)
    inner = np.unique(lines_of(others))[0]
    errors = [score(others, inner, each, decoder=decoder)["mse"] for each in settings]
    return settings[int(np.argmin(errors))]


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
            rows[-1] |= {"line": held, "setting": setting.name}
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
                rows.append(
                    row | score(mdata, held, Setting("default"), decoder="usage", context=context)
                )
            print("context", name, rows[-1], flush=True)
        result[name] = summary(rows)
    return result


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All folds, their mean and spread, and the change from the mean usage."""
    errors = np.array([row["mse"] for row in rows])
    ratios = errors / np.array([row["mse_mean_usage"] for row in rows])
    return {
        "folds": rows,
        "mse": float(errors.mean()),
        "mse_sd": float(errors.std(ddof=1)),
        "ratio": float(ratios.mean()),
        "ratio_sd": float(ratios.std(ddof=1)),
        "train_s": float(np.median([row["train_s"] for row in rows])),
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parts asked for."""

    def read(*, cancer_genes: bool) -> MuData:
        return simulated() if arguments.quick else macrophages(cancer_genes=cancer_genes)

    parts: dict[str, Any] = {}
    settings = SETTINGS
    if arguments.quick:
        short = {"max_epochs": 2}
        settings = {name: (Setting("a", {}, short), Setting("b", {}, short)) for name in SETTINGS}
    if arguments.decoders:
        mdata = with_read_genes(read(cancer_genes=True))
        parts["n_isoforms"] = int(mdata["isoform"].var["gene_id"].duplicated(keep=False).sum())
        parts["decoders"] = compare_decoders(mdata, arguments.decoders, settings)
    if arguments.context:
        cohorts = Cohorts(SHARED, quick=arguments.quick)
        names = list(QUICK_CONTEXTS) if arguments.quick else arguments.context
        parts["contexts"] = compare_contexts(read(cancer_genes=True), names, cohorts)
    if arguments.all_isoforms:
        mdata = read(cancer_genes=False)
        largest_resident_size(reset=True)
        rows = [
            score(mdata, held, Setting("default"), decoder="usage") | {"line": held}
            for held in list(folds(mdata))[: arguments.folds_all]
        ]
        parts["all_isoforms"] = summary(rows) | {
            "n_isoforms": int(mdata["isoform"].var["gene_id"].duplicated(keep=False).sum()),
            "peak_bytes": largest_resident_size(),
        }
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decoders", nargs="*", choices=sorted(SETTINGS), default=[])
    names = ("none", *CONTEXTS)
    parser.add_argument("--context", nargs="*", choices=names, default=[])
    parser.add_argument("--all-isoforms", action="store_true", help="the default on all isoforms")
    parser.add_argument("--folds-all", type=int, help="folds of --all-isoforms; by default all")
    parser.add_argument("--quick", action="store_true", help="simulated data, few steps")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    if not (arguments.decoders or arguments.context or arguments.all_isoforms):
        arguments.decoders, arguments.context = list(SETTINGS), list(names)
        arguments.all_isoforms = True
    path = arguments.out / "splicing.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    found = measure(arguments)
    for part in ("decoders", "contexts"):
        if part in found:
            found[part] = result.get(part, {}) | found[part]
    result |= {"machine": machine("cpu"), **found}
    arguments.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    # mudata announces changes of its own
    warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
    main()
