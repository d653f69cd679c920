"""Expression from real epigenomes: EpiAttention, networks of the field and simple methods.

One command measures what is not measured yet and writes a table (JSON) and a figure::

    python benchmarks/epigenome.py [--data deepdiff bprmeth chromoformer] [--methods tgem ...]
        [--seeds 5] [--seeds-others 5] [--learning-curve]

The genes are cut into five parts by chromosome (of BPRMeth's two chromosomes, by runs of
neighbouring genes). Each part is the test set once; a method sees the training genes only, and
tunes and stops by some of them. Both cell types of a gene are on one side.

Every prediction is kept in ``<out>/epigenome/<data>.jsonl`` as soon as it exists, with a digest of
the settings and of the data, and made again only if one of them changes, or with `--redo`. So a
run can be stopped at any time, and the same command goes on. Jobs are in the order of their seeds,
so that a stopped run has all methods. `--report` only writes the table and the figure.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from epigenomes.data import DATA, Genes, folds
from epigenomes.figure import draw
from epigenomes.methods import OURS, Method, methods
from epigenomes.report import report
from shared import machine

REAL = ("deepdiff", "bprmeth", "chromoformer")
QUICK = ("synthetic", "synthetic_methylation")
SHARES = (0.25, 0.5)
ON_LEARNING_CURVE = (OURS, "bins")
QUICK_METHODS = (OURS, "bins", "mean")


class Job(NamedTuple):
    """A method on all folds, with one seed and a share of the training genes."""

    method: str
    seed: int
    fold: int
    share: float


def jobs_of(chosen: dict[str, Method], options: argparse.Namespace) -> list[Job]:
    """What is to be measured, seed after seed."""
    found = []
    for seed in range(max(options.seeds, options.seeds_others)):
        for name, method in chosen.items():
            n_seeds = options.seeds if name == OURS else options.seeds_others
            if seed < (n_seeds if method.seeds else 1):
                found += [Job(name, seed, fold, 1.0) for fold in range(options.folds)]
        if seed == 0 and options.learning_curve and set(ON_LEARNING_CURVE) <= set(chosen):
            found += [
                Job(name, seed, fold, share)
                for share in SHARES
                for name in ON_LEARNING_CURVE
                for fold in range(options.folds)
            ]
    return found


def subset(genes: Genes, cells: np.ndarray[Any, Any], share: float) -> np.ndarray[Any, Any]:
    """A share of the training genes, drawn with the same seed for all methods."""
    if share == 1.0:
        return cells
    names = np.unique(genes.gene[cells])
    drawn = np.random.default_rng(0).choice(names, round(share * len(names)), replace=False)
    return cells[np.isin(genes.gene[cells], drawn)]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a run that was killed may have left half a one."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a line, after ending what a run that was killed may have left of another."""
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * cut_off + json.dumps(row) + "\n")


def measure(data: str, chosen: dict[str, Method], options: argparse.Namespace) -> None:
    """Predict the test genes of every job that has no result yet."""
    genes = DATA[data]()
    parts, checksum = folds(genes, options.folds), genes.checksum()
    path = options.out / "epigenome" / f"{data}.jsonl"
    done = {
        (row["method"], row["seed"], row["fold"], row["share"], row["settings"], row["data"])
        for row in read_lines(path)
        if row["method"] not in options.redo
    }
    for job in jobs_of(chosen, options):
        method = chosen[job.method]
        if (*job, method.key(), checksum) in done:
            continue
        train, test = parts[job.fold]
        wall, cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            training = genes[subset(genes, train, job.share)]
            output = method.fit(training, method.settings, job.seed)(genes[test])
        row = job._asdict() | {
            "settings": method.key(),
            "data": checksum,
            "test": test.tolist(),
            "output": [round(float(value), 6) for value in output],
            "n_train": len(training.target),
            "wall_s": time.perf_counter() - wall,
            "process_s": time.process_time() - cpu,
        }
        append(path, row)
        clock = time.strftime("%H:%M:%S")
        print(f"{clock}  {data}  {job}  {row['process_s']:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=REAL)
    parser.add_argument("--methods", nargs="+", help="by default all")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of tgem's default preset")
    parser.add_argument("--seeds-others", type=int, default=5, help="seeds of other networks")
    parser.add_argument("--learning-curve", action="store_true", help="fewer training genes too")
    parser.add_argument("--draws", type=int, default=2000, help="draws of the bootstrap")
    parser.add_argument("--redo", nargs="+", default=[], help="methods to measure anew")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="simulated genes, few steps")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.folds = 3 if options.quick else 5
    if options.quick:
        options.data, options.seeds, options.seeds_others, options.draws = QUICK, 1, 1, 50
        options.learning_curve = True
    (options.out / "epigenome").mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"machine": machine("cpu"), "data": {}}
    for data in options.data:
        genes = DATA[data]()
        known = methods(genes.task, quick=options.quick)
        wanted = options.methods or (QUICK_METHODS if options.quick else tuple(known))
        if not options.report:
            measure(data, {name: known[name] for name in known if name in wanted}, options)
    for data in DATA:
        path = options.out / "epigenome" / f"{data}.jsonl"
        if path.exists():
            genes = DATA[data]()
            known = methods(genes.task, quick=options.quick)
            rows = read_lines(path)
            result["data"][data] = report(data, genes, known, rows, n_draws=options.draws)
    path = options.out / "epigenome.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(result, path.with_suffix(".png"))
    print(f"written: {path}, {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
