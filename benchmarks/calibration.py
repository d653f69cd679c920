"""Whether confidence means what it says, and whether cells of unseen types are noticed.

One command measures what is not measured yet and writes a table (JSON) and a figure::

    python benchmarks/calibration.py [--parts folds populations gates] [--methods ...]

Data: the sorted blood cells of the typing benchmark, 1,000 genes chosen on the cells that are
trained on.

`folds`: five folds with the ten sort gates as labels, pooled. In each, an eighth of the training
cells are validation cells, to which the temperature is fitted and by which the prediction sets are
made; test cells take no part. Calibration error before and after, with the error that perfect
probabilities would show in as many cells; coverage and size of the sets.

`populations`, `gates`: each of the five populations, or of the ten gates, is left out of training;
then its cells are told, by a score, from held-out cells (a fifth) of the others. Comparators train
on all training cells; ours uses an eighth of them to validate. The share of a gate's cells' nearest
neighbours that are of the same gate says whether expression can tell it at all.

Every result is kept in ``<out>/calibration`` as soon as it exists; the same command goes on
where it was stopped. `--report` writes the table and the figure from what there is.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from confidence.figure import draw
from confidence.measure import measure_folds, measure_neighbours, measure_unseen
from confidence.novelty import OURS, SCORERS, unavailable
from confidence.report import report
from shared import machine

PARTS = ("folds", "populations", "gates")
QUICK = {
    "data": "synthetic",
    "parts": ["folds", "populations"],
    "methods": ["logistic_regression", "nearest_centroid", "mahalanobis", OURS],
    "n_measured": 1,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--methods", nargs="+", choices=SCORERS, default=list(SCORERS))
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="a smoke test on simulated cells")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.set_defaults(data="facs", n_measured=None)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


def main() -> None:
    options = arguments()
    folder = options.out / "calibration"
    folder.mkdir(parents=True, exist_ok=True)
    if not options.report:
        names = []
        for name in options.methods:
            if why := unavailable(name):
                print(f"not run: {name}, as it {why}")
            else:
                names.append(name)
        if "folds" in options.parts:
            measure_folds(options.data, folder / "folds.jsonl", n_measured=options.n_measured)
        if "gates" in options.parts:
            measure_neighbours(options.data, folder / "neighbours.json")
        for labels in ("populations", "gates"):
            if labels in options.parts:
                path = folder / "unseen.jsonl"
                measure_unseen(options.data, labels, names, path, n_measured=options.n_measured)
    result = {"machine": machine("cpu"), **report(folder, options.data)}
    if len(result["sources"]) > 1:
        print(f"warning: results of {len(result['sources'])} versions of our code")
    path = options.out / "calibration.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    draw(result, path.with_suffix(".png"))
    print(f"written: {path}, {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
