"""Cell and tumour typing: tgem, T-GEM as published, and the field's methods on the same splits.

One command measures what is not measured yet and writes a table (JSON) and two figures::

    python benchmarks/cell_typing.py [--data pbmc68k facs1000 facs_all tcga11 tcga33]
        [--methods logistic_regression ... tgem] [--splits 20] [--splits-slow 5] [--workers 2]

Each split keeps a fifth of the cells of every class for the test; patients with several samples
are never divided. A method sees the training cells only: standardisation, choice of genes, tuning
and early stopping take place inside them. T-GEM and tgem train on all training cells, as the
other methods do in the end; neither preset uses validation cells.

Every result is kept in ``<out>/typing/<data>.jsonl`` as soon as it exists, with a digest of the
method's settings, of the data and of the split; it is measured again only if one of them changes
(or with `--redo`). So a run can be stopped at any time, and the same command goes on. `--report`
writes the table and the figures from what there is.

Each method runs in a process of its own, with `--threads` threads; times are of that process, and
its peak memory includes the data. Methods that are called slow take part in the first
`--splits-slow` splits only; paired differences use the splits that both methods have.

Why not ``typing.py``: every script in this folder would import it in place of Python's ``typing``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from cell_types.data import DATA
from cell_types.figure import draw_differences, draw_scores
from cell_types.measure import measure, read_records
from cell_types.methods import methods
from cell_types.report import report
from cell_types.splits import make_split
from shared import machine

if TYPE_CHECKING:
    from cell_types.methods import Method

QUICK = {"data": ["synthetic"], "methods": ["logistic_regression", "tgem"], "splits": 2}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Job(NamedTuple):
    """A method and its splits of a data set that are not measured yet."""

    data: str
    method: str
    splits: tuple[int, ...]


def describe(data: str, n_splits: int) -> dict[str, Any]:
    """Size and checksum of a data set, and of each of its splits."""
    cells = DATA[data].read()
    classes, sizes = np.unique(cells.labels, return_counts=True)
    return {
        "checksum": DATA[data].checksum(cells),
        "n_obs": len(cells.labels),
        "n_genes": DATA[data].n_selected or len(cells.genes),
        "n_groups": len(set(cells.groups)),
        "has_counts": cells.counts is not None,
        "classes": dict(zip(classes.tolist(), sizes.tolist(), strict=True)),
        "splits": {
            str(seed): make_split(cells.labels, cells.groups, seed).checksum()
            for seed in range(n_splits)
        },
    }


def missing_jobs(
    described: dict[str, dict[str, Any]],
    chosen: dict[str, Method],
    options: argparse.Namespace,
    folder: Path,
) -> list[Job]:
    """What is to be measured; says what cannot be."""
    jobs = []
    for data, description in described.items():
        done = {
            (row["method"], row["settings_key"], row["data_checksum"], row["split_checksum"])
            for row in read_records(folder / f"{data}.jsonl")
        }
        for name, method in chosen.items():
            sizes = {key: description[key] for key in ("n_genes", "has_counts")}
            if why := method.unavailable(**sizes):
                print(f"not run: {name} on {data}, as it {why}")
                continue
            n_splits = min(options.splits, options.splits_slow if method.slow else options.splits)
            missing = tuple(
                seed
                for seed in range(n_splits)
                if name in options.redo
                or (name, method.key(), description["checksum"], description["splits"][str(seed)])
                not in done
            )
            if missing:
                jobs.append(Job(data, name, missing))
    return jobs


def run(job: Job, options: argparse.Namespace, script: str) -> str | None:
    """Measure in a process of its own; return the end of its messages if it failed."""
    command = [sys.executable, script, "--out", str(options.out), "--measure", job.data, job.method]
    command += map(str, job.splits)
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(options.threads))
    done = subprocess.run(command, env=environment, check=False, stderr=subprocess.PIPE, text=True)
    return done.stderr[-2000:] if done.returncode else None


def run_all(jobs: list[Job], options: argparse.Namespace, script: str = __file__) -> int:
    """Measure everything, some jobs at a time; return the number of those that failed."""
    n_splits, start, n_done, n_failed = sum(len(job.splits) for job in jobs), time.time(), 0, 0
    print(f"{n_splits} results to measure in {len(jobs)} jobs")
    with ThreadPoolExecutor(options.workers) as pool:
        failures = pool.map(lambda job: run(job, options, script), jobs)
        for job, failure in zip(jobs, failures, strict=True):
            n_done += len(job.splits)
            minutes = (time.time() - start) / 60
            print(
                f"{n_done} of {n_splits} results after {minutes:.1f} min: "
                f"{job.method} on {job.data} {'failed' if failure else 'done'}",
                flush=True,
            )
            if failure:
                n_failed += 1
                print(failure, file=sys.stderr)
    return n_failed


def write_report(folder: Path, out: Path) -> None:
    """Write the table and the figures from the kept results."""
    described = json.loads((folder / "splits.json").read_text())
    result = {"machine": machine("cpu"), **report(folder, described, methods())}
    for name, data in result["data"].items():
        if len(data["sources"]) > 1:
            print(f"warning: {name} holds results of {len(data['sources'])} versions of our code")
    path = out / "typing.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    draw_scores(result, path.with_suffix(".png"))
    draw_differences(result, out / "typing_differences.png")
    print(f"written: {path}, {path.with_suffix('.png')}, {out / 'typing_differences.png'}")


def remember(path: Path, described: dict[str, dict[str, Any]]) -> None:
    """Keep the descriptions, beside data sets and splits that this run leaves out."""
    known = json.loads(path.read_text()) if path.exists() else {}
    kept = {}
    for name in DATA:
        before, now = known.get(name), described.get(name)
        if now and before and now["checksum"] == before["checksum"]:
            now = now | {"splits": before["splits"] | now["splits"]}
        if found := now or before:
            kept[name] = found
    path.write_text(json.dumps(kept, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    names = list(methods())
    real = [name for name in DATA if name != "synthetic"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=real)
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--splits-slow", type=int, default=5, help="splits of slow methods")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--redo", nargs="+", choices=names, default=[], help="measure anew")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.splits, options.splits_slow, options.workers, options.threads) < 1:
        parser.error("--splits, --splits-slow, --workers and --threads must be at least 1")
    if options.quick:
        vars(options).update(QUICK)
    return options


def main() -> None:
    options = arguments()
    folder = options.out / "typing"
    folder.mkdir(parents=True, exist_ok=True)
    if options.measure:
        data, method, *splits = options.measure
        measure(data, method, map(int, splits), folder)
        return
    n_failed = 0
    if not options.report:
        described = {data: describe(data, options.splits) for data in options.data}
        remember(folder / "splits.json", described)
        chosen = {name: methods()[name] for name in options.methods}
        n_failed = run_all(missing_jobs(described, chosen, options, folder), options)
    write_report(folder, options.out)
    if n_failed:
        sys.exit(f"{n_failed} jobs failed; their messages are above. The same command goes on.")


if __name__ == "__main__":
    main()
