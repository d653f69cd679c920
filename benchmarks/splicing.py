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
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoforms.cohorts import SHARED, macrophages, simulated, with_read_genes
from isoforms.comparison import compare_baselines, differences, learning_curve, summary
from isoforms.contexts import CONTEXTS, Cohorts
from isoforms.decoders import DEFAULT, SETTINGS, Setting
from isoforms.figure import draw
from isoforms.parts import (
    COHORTS,
    QUICK,
    all_isoforms,
    compare_cohorts,
    compare_contexts,
    compare_decoders,
)
from shared import machine

if TYPE_CHECKING:
    from mudata import MuData

QUICK_CONTEXTS = ("none", "training lines")


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
            parts["cohorts"] = compare_cohorts(
                mdata, arguments.cohorts, decoders, quick=arguments.quick
            )
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
