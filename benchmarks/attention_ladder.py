"""What attention is worth on cells of a test set: the ladder, for both presets and all data sets.

Each preset is trained on the training cells of a split of the typing benchmark and labels its test
cells five times: with each cell's own attention maps, with the mean map of the training cells, with
another cell's, with shuffled and with uniform maps (``tgem.tl.attention_necessity``). Own less mean
is the cell-specific share, what attention knows of the single cell. In one data set the test cells
are of another laboratory than the training cells. Both are always the same there, and what
`--splits` counts are seeds of the training::

    python benchmarks/attention_ladder.py [--data ...] [--presets ...] [--splits 5] [--seeds 10]

`--seeds` trains the default preset that many times on the first split of one data set (`--data`'s
first): how far accuracy and attributions depend on the seed. Every result is kept as soon as it
exists in ``<out>/ladder.jsonl``; the same command goes on where it was stopped. The table is
``ladder.json``, the figure ``ladder.png``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from cell_types.data import DATA
from cell_types.measure import append, read_records
from ladders.figure import draw
from ladders.measure import CONTROL, OTHER_LABORATORY, key_of, ladder, of_seed
from ladders.report import PRESETS, summary
from shared import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    real = [name for name in DATA if name not in ("synthetic", "facs_all")]
    parser.add_argument(
        "--data",
        nargs="+",
        choices=[CONTROL, OTHER_LABORATORY, *DATA],
        default=[CONTROL, OTHER_LABORATORY, *real],
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "ladder.jsonl"
    jobs = [
        {"kind": "ladder", "data": data, "preset": preset, "split": split}
        for split in range(options.splits)
        for preset in options.presets
        for data in options.data
    ] + [
        {"kind": "seed", "data": options.data[0], "preset": "default", "split": seed}
        for seed in range(options.seeds)
    ]
    for job in [] if options.report else jobs:
        full = job | {"key": key_of(job["preset"])}
        if any(full.items() <= record.items() for record in read_records(path)):
            continue
        if job["kind"] == "seed":
            measured = of_seed(job["data"], job["split"])
        else:
            measured = ladder(job["data"], job["preset"], job["split"])
        append(path, full | measured)
        print(time.strftime("%H:%M:%S"), *job.values(), flush=True)
    current = [r for r in read_records(path) if r["key"] == key_of(r["preset"])]
    table = options.out / "ladder.json"
    measured_on = machine("cpu")
    if options.report and table.exists():  # nothing was measured here
        measured_on = json.loads(table.read_text())["machine"]
    result = {"machine": measured_on, **summary(current)}
    table.write_text(json.dumps(result, indent=1) + "\n")
    if result["ladder"]:
        draw(result, options.out / "ladder.png")


if __name__ == "__main__":
    main()
