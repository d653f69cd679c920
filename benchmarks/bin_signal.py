"""Time and memory of binning tracks around all genes.

Run ``python benchmarks/bin_signal.py``; ``--quick`` is a smoke test. The tracks are drawn:
intervals of random length and height on 22 chromosomes of a human genome's size, as bigWig files.
The result is compared with the intervals themselves, written out base by base, in windows drawn at
random.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pybigtools
from memory import largest_resident_size
from shared import machine, timed

import tgem

WINDOW, N_BINS = (-2000, 2000), 40
Array = np.ndarray[Any, Any]


class Sizes(NamedTuple):
    n_genes: int = 20_000
    n_tracks: int = 7
    n_intervals: int = 1_000_000
    n_checked: int = 200
    repeats: int = 3


QUICK = Sizes(n_genes=200, n_tracks=2, n_intervals=20_000, n_checked=200, repeats=1)
CHROMOSOMES = {f"chr{n}": int(2.5e8 - 9.5e6 * (n - 1)) for n in range(1, 23)}


class Intervals(NamedTuple):
    start: Array
    end: Array
    value: Array


def drawn(rng: np.random.Generator, n_intervals: int) -> dict[str, Intervals]:
    """Intervals of one track, on each chromosome by its length."""
    whole = sum(CHROMOSOMES.values())
    track = {}
    for name, size in CHROMOSOMES.items():
        edges = np.unique(rng.integers(0, size, size=2 * max(n_intervals * size // whole, 1)))
        start, end = edges[0:-1:2], edges[1::2]
        value = rng.gamma(0.5, 4.0, size=len(start)).astype(np.float32)
        track[name] = Intervals(start, np.minimum(end, start + 200), value)
    return track


def write(track: dict[str, Intervals], path: Path) -> None:
    rows = (
        (name, *row)
        for name, part in track.items()
        for row in zip(part.start.tolist(), part.end.tolist(), part.value.tolist(), strict=True)
    )
    pybigtools.open(str(path), "w").write(CHROMOSOMES, rows)


def drawn_genes(rng: np.random.Generator, n_genes: int) -> pd.DataFrame:
    names = rng.choice(list(CHROMOSOMES), n_genes)
    tss = [int(rng.integers(5000, CHROMOSOMES[name] - 5000)) for name in names]
    strand = rng.choice(["+", "-"], n_genes)
    genes = {"chrom": names, "tss": tss, "strand": strand}
    return pd.DataFrame(genes, index=[f"gene_{n}" for n in range(n_genes)])


def written_out(track: dict[str, Intervals], chrom: str, tss: int, strand: str) -> Array:
    """Bins of one window, from the signal of each base."""
    first = tss + WINDOW[0] if strand == "+" else tss + 1 - WINDOW[1]
    bases = np.zeros(WINDOW[1] - WINDOW[0])
    part = track[chrom]
    for row in np.flatnonzero((part.start < first + len(bases)) & (part.end > first)):
        bases[max(part.start[row] - first, 0) : part.end[row] - first] = part.value[row]
    bins = bases.reshape(N_BINS, -1).mean(1)
    return bins if strand == "+" else bins[::-1]


def measure(sizes: Sizes, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    genes = drawn_genes(rng, sizes.n_genes)
    checked = rng.choice(sizes.n_genes, sizes.n_checked, replace=False)
    paths, expected = {}, []
    start = time.perf_counter()
    for number in range(sizes.n_tracks):
        track = drawn(rng, sizes.n_intervals)
        paths[f"mark_{number}"] = folder / f"{number}.bw"
        write(track, paths[f"mark_{number}"])
        expected.append([written_out(track, *genes.iloc[row]) for row in checked])
    print(f"tracks written in {time.perf_counter() - start:.0f} s", flush=True)

    del track
    result: dict[str, Any] = {
        "sizes": sizes._asdict(),
        "window": WINDOW,
        "n_bins": N_BINS,
        "file_megabytes": [path.stat().st_size / 1e6 for path in paths.values()],
    }
    bin_signal = tgem.pp.bin_signal  # importing is not measured
    before = largest_resident_size(reset=True)
    for n_jobs in (1, 2):
        times = []
        for _ in range(sizes.repeats):
            found: list[Any] = []
            times.append(
                timed(
                    lambda found=found, n_jobs=n_jobs: found.append(
                        bin_signal(paths, genes, WINDOW, n_bins=N_BINS, n_jobs=n_jobs)
                    )
                )
            )
        walls = [each.wall for each in times]
        result[f"n_jobs_{n_jobs}"] = {
            "wall_s": float(np.median(walls)),
            "wall_min_s": min(walls),
            "wall_max_s": max(walls),
            "process_s": float(np.median([each.process for each in times])),  # without workers
        }
        if n_jobs == 1:
            result["peak_megabytes_beyond_start"] = (largest_resident_size() - before) / 1e6
        values = found[0].X.reshape(sizes.n_genes, sizes.n_tracks, N_BINS)[checked]
        difference = np.abs(values - np.swapaxes(expected, 0, 1)).max()
        result["largest_difference"] = float(difference)
        print(f"n_jobs={n_jobs}: {np.median(walls):.1f} s, difference {difference:.2g}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(QUICK if options.quick else Sizes(), Path(folder))
    result = {"machine": machine("cpu")} | result
    result["machine"]["pybigtools"] = pybigtools.__version__
    path = options.out / "bin_signal.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
