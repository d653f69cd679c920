"""Time and equality of DeepLIFT of all isoforms against captum's loop over outputs.

One command measures all sides in one run, on the same weights and the same samples, and writes a
table (JSON)::

    python benchmarks/deeplift.py [--quick] [--out benchmarks/results] [--samples 336]

The network has the size and the read-out of DeepRBP: 1,282 factors, layers of 1,024 and 128 units
with batch normalisation and ReLU, 11,462 isoforms, ``log2(sigmoid(z) * gene TPM + 1)``; the
reference is zero (a knock-out). It is trained briefly here, on random factors and on isoforms that
a random network of this size makes of them, so that no weight and no statistic of the
normalisation is what it was drawn as. The question is DeepRBP's: mean score over samples, and its
t-statistic, of every factor for every isoform, on as many samples as it had of liver cancer. The
sides take turns, so that whatever else the machine does meets all of them:

captum
    ``captum.attr.DeepLift`` on the network as it is, one output after the other as in DeepRBP, all
    samples at once; mean and standard deviation over them.
captum_batched
    The same with the samples repeated, so that one call answers for several outputs.
captum_in_parts
    The same with 64 samples at a time, whose intermediate results are smaller.
captum_cut
    captum on a network whose last layer is cut to the one output that is explained: no change of
    captum, but of the network that it is given.
tgem
    ``tgem.attr.deeplift_summary`` with its defaults. A turn is all isoforms.

captum is measured on 50 isoforms; its time for all of them is the median time of one multiplied by
their number. Errors are differences from captum in double precision, untimed. Memory is the
largest resident size of a fresh process that computes one side.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from deeplift_comparison.network import QUICK, Case, Sizes, case
from deeplift_comparison.sides import BATCHED, PART, Captum, tgem
from deeplift_comparison.speed import speed
from memory import largest_resident_size
from shared import machine


def memory(side: str, sizes: Sizes) -> dict[str, int]:
    """Growth of the largest resident size in a fresh process, and that size itself."""
    command = [sys.executable, __file__, "--memory-of", side, "--sizes", json.dumps(sizes)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def measure_memory(side: str, sizes: Sizes) -> dict[str, int]:
    found = case(sizes)
    if side == "tgem":
        step = partial(tgem, found)
        tgem(Case(found.network, found.factors[:2], found.gene_tpm[:2]))
    else:
        step = partial(Captum(found).captum, [0, 1])
    before = largest_resident_size(reset=True)
    step()
    peak = largest_resident_size()
    return {"growth_bytes": peak - before, "process_bytes": peak}


def sizes_from(text: str) -> Sizes:
    values = json.loads(text)
    return Sizes(*(tuple(each) if isinstance(each, list) else each for each in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--samples", type=int, help="number of samples")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--memory-of", choices=("captum", "tgem"), help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=sizes_from, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sizes = arguments.sizes or (QUICK if arguments.quick else Sizes())
    if arguments.samples:
        sizes = sizes._replace(n_samples=arguments.samples)
    if arguments.memory_of:
        print(json.dumps(measure_memory(arguments.memory_of, sizes)))
        return
    times, differences = speed(case(sizes), sizes)
    for side in ("captum", "tgem"):
        times[side]["memory"] = memory(side, sizes)
    result = {
        "machine": machine("cpu") | {"captum": version("captum")},
        "sizes": sizes._asdict(),
        "batched_outputs": BATCHED,
        "samples_of_a_part": PART,
        "times": times,
        "differences": differences,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (arguments.out / "deeplift.json").write_text(text, encoding="utf-8")
    for side, found in times.items():
        ratio = found.get("ratio_of_totals", {}).get("wall_s", 1)
        print(f"{side:>16}: {found['total']['wall_s']:,.3g} s in all, {ratio:,.0f} x tgem")
    for side in ("captum", "tgem"):
        print(f"{side:>16}: {times[side]['memory']['process_bytes'] / 1e9:.2f} GB")
    print(json.dumps(differences, indent=2))


if __name__ == "__main__":
    main()
