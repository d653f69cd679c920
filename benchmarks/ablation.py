"""Which design choices make T-GEM accurate and its attention useful.

Variants that differ in one choice each are trained on the same cells and scored on the same other
ones, and compared with the variant that they change::

    python benchmarks/ablation.py [--data pbmc68k control facs1000]
        [--variants class_queries paper paper_adamw ...] [--splits 3] [--workers 2]

Selection is on inner splits only: of each split of the typing benchmark (``cell_typing.py``) the
training cells are taken, a fifth of these is held out and scored, and the test cells are left
alone. The control is simulated, with classes that differ through products of genes only
(:func:`tgem.datasets.synthetic_expression`).

Of each variant: accuracy, macro-F1, log-likelihood, and the same with other attention maps. The
accuracy with a cell's own maps less that with the mean map of training cells is the cell-specific
share: what attention knows of the single cell.

Results are kept in ``<out>/ablation/<data>.jsonl`` as soon as they exist, with a digest of what
decides them; the same command goes on where a run was stopped. `--report` writes the table from
what there is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.inner import CONTROL, TITLES, inner_split
from ablations.measure import measure
from ablations.report import current_results, report
from ablations.variants import FAMILIES, variants
from cell_typing import Job, run_all
from shared import machine

if TYPE_CHECKING:
    from ablations.variants import Variant

QUICK = {"data": ["synthetic"], "variants": ["linear_start", "default"], "splits": 2}


def missing_jobs(
    checksums: dict[str, dict[str, str]],
    chosen: dict[str, Variant],
    options: argparse.Namespace,
    folder: Path,
) -> list[Job]:
    """What is to be measured."""
    jobs = []
    for data in options.data:
        done = current_results(folder / f"{data}.jsonl", checksums[data], chosen)
        for name, variant in chosen.items():
            splits = set(range(options.splits)) - set(() if options.redo else done.get(name, ()))
            if splits and data in variant.data:
                jobs.append(Job(data, name, tuple(sorted(splits))))
    return jobs


def remember(path: Path, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Keep the checksums of splits, beside those that this run leaves out."""
    known = json.loads(path.read_text()) if path.exists() else {}
    kept = {
        name: known.get(name, {}) | found.get(name, {})
        for name in TITLES
        if name in known or name in found
    }
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def write_report(folder: Path, out: Path) -> None:
    """Write the table from the kept results."""
    checksums = json.loads((folder / "splits.json").read_text())
    result = {"machine": machine("cpu"), **report(folder, checksums, variants())}
    for name, data in result["data"].items():
        if len(data["sources"]) > 1:
            print(f"warning: {name} holds results of {len(data['sources'])} versions of our code")
    path = out / "ablation.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


def arguments() -> argparse.Namespace:
    names = [*FAMILIES, *variants()]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", nargs="+", choices=TITLES, default=["pbmc68k", CONTROL])
    parser.add_argument(
        "--variants", nargs="+", choices=names, default=list(FAMILIES), metavar="NAME",
        help=f"variants, or all of a family; {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--redo", action="store_true", help="measure anew what is measured")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.splits, options.workers, options.threads) < 1:
        parser.error("--splits, --workers and --threads must be at least 1")
    if options.quick:
        vars(options).update(QUICK)
    return options


def main() -> None:
    options = arguments()
    folder = options.out / "ablation"
    folder.mkdir(parents=True, exist_ok=True)
    if options.measure:
        data, name, *splits = options.measure
        measure(data, name, map(int, splits), folder)
        return
    n_failed = 0
    if not options.report:
        found = {
            data: {
                str(number): inner_split(data, number).checksum()
                for number in range(options.splits)
            }
            for data in options.data
        }
        checksums = remember(folder / "splits.json", found)
        chosen = {
            name: variant
            for name, variant in variants().items()
            if {name, variant.family} & set(options.variants)
        }
        jobs = missing_jobs(checksums, chosen, options, folder)
        n_failed = run_all(jobs, options, script=__file__)
    write_report(folder, options.out)
    if n_failed:
        sys.exit(f"{n_failed} jobs failed; their messages are above. The same command goes on.")


if __name__ == "__main__":
    main()
