"""Labels in another laboratory's cells, and with genes missing.

One command measures what is not measured yet and writes a table (JSON) and a figure::

    python benchmarks/transfer.py [--methods logistic_regression ... tgem] [--no-missing]
        [--seeds 5]

Two questions. First, a model of blood cells sorted by surface proteins (Zheng 2017) labels those of
Kang 2018, at rest and stimulated with interferon: the genes that both measured, normalised over
these genes; ten sort gates as six types, of which Kang's cells have four, and once more with only
these four in the training cells. Networks are trained with several seeds: their scores are means,
and the table has their range. Second, a fifth of the sorted cells is held out and loses genes at
random; ten gates, 1,000 genes.

The transfer's form and settings were chosen without Kang's cells: on the sorted cells against
scanpy's pbmc68k_reduced, against blood cells of three 10x chemistries that the R package symphony
ships (not part of this project's data), between these, and on sorted cells with simulated shifts.

Every result is kept in ``<out>/transfer/<data>.jsonl`` as soon as it exists, with a digest of the
method's settings, and is measured again only if they change, or with `--redo`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from shared import machine
from transfers.figure import draw
from transfers.measure import measure_missing, measure_pair
from transfers.methods import OURS, PLAIN, TITLES, unavailable
from transfers.report import current, report

SEEDED = (PLAIN, "scanvi", "scanvi_batches")
QUICK = ["nearest_centroid", "logistic_regression", PLAIN]


def arguments() -> argparse.Namespace:
    names = [name for name in TITLES if name != OURS]  # measured with the plain prediction
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    pairs = ["kang", "kang_shared_types"]
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of networks")
    parser.add_argument("--redo", nargs="+", choices=names, default=[], help="measure anew")
    parser.add_argument("--no-missing", action="store_true", help="leave the second question out")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.quick:
        options.methods, options.seeds = QUICK, 2
    return options


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Run what has no result yet."""
    for pair in ["synthetic"] if options.quick else options.pairs:
        path = folder / f"{pair}.jsonl"
        done = {(row["method"], row.get("seed", 0)) for row in current(path)}
        for name in options.methods:
            if why := unavailable(name):
                print(f"not run: {name}, as it {why}")
                continue
            for seed in range(options.seeds if name in SEEDED else 1):
                if (name, seed) in done and name not in options.redo:
                    continue
                start = time.perf_counter()
                measure_pair(pair, name, path, seed=seed)
                spent = time.perf_counter() - start
                print(f"{name} on {pair}, seed {seed}: {spent:.0f} s", flush=True)
    path = folder / "missing.jsonl"
    if not options.no_missing and (PLAIN in options.redo or not current(path)):
        measure_missing(path, quick=options.quick)
        print("missing genes: done", flush=True)


def main() -> None:
    options = arguments()
    folder = options.out / "transfer"
    folder.mkdir(parents=True, exist_ok=True)
    if not options.report:
        measure(options, folder)
    result = {"machine": machine("cpu"), **report(folder)}
    path = options.out / "transfer.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    draw(result, path.with_suffix(".png"))
    for pair, found in result["pairs"].items():
        for row in found.values():
            shown = "  ".join(
                f"{part} {scores['balanced_accuracy']:.3f}" for part, scores in row["parts"].items()
            )
            print(f"{pair}  {row['title']:<40} {shown}")
    print(f"written: {path}, {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
