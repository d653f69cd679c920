"""Signal of all tracks of all cell types: read, checked, transformed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed

from tgem._core.progress import track
from tgem._tracks import bin_track
from tgem.pp._places import check_most_present, report_absent
from tgem.pp._transform import logarithm, quantiles_of, scaled_to_library, to_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tgem._tracks import Regions
    from tgem.pp._genome import Genome

    Array = np.ndarray[Any, Any]
    Files = list[list[Path]]  # cell types x marks


class Signal(NamedTuple):
    """Signal of all tracks.

    Attributes
    ----------
    values
        float32 ``(n_samples, n_marks, n_genes, n_bins)``; NaN in all marks of a sample for genes
        on chromosomes that one of its tracks lacks.
    total
        Signal of each whole file, ``(n_samples, n_marks)``.
    """

    values: Array
    total: Array


def read_signal(
    files: Files, regions: Regions, n_bins: int, *, genome: Genome, n_jobs: int
) -> Signal:
    """Mean signal of each bin of each region in all files."""
    shape = (len(files), len(files[0]))
    values = np.empty((*shape, len(regions.starts), n_bins), dtype=np.float32)
    total = np.empty(shape)
    absent: dict[str, Array] = {}
    places = list(np.ndindex(*shape))
    work = (delayed(bin_track)(files[sample][mark], regions, n_bins) for sample, mark in places)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(work)
    for sample, mark in track(places, "Reading tracks"):
        file, read = files[sample][mark], next(results)
        genome.check_ends(read.sizes, file)
        absent[str(file)] = np.isnan(read.values[:, 0])
        check_most_present(file, absent[str(file)], regions.chromosomes)
        values[sample, mark], total[sample, mark] = read.values, read.total
    report_absent(absent, regions.chromosomes)
    # Models take a gene as measured throughout or not at all.
    for sample in values:
        sample[:, np.isnan(sample[..., 0]).any(axis=0)] = np.nan
    return Signal(values, total)


def transformed(
    signal: Signal, files: Files, steps: Sequence[str], reference: Array | None
) -> tuple[Array, Array | None]:
    """Values after all steps in their order, and the quantiles ``(n_marks, n)`` taken."""
    values, quantiles = signal.values, None
    for step in steps:
        if step == "quantile":
            marks = range(values.shape[1])
            quantiles = reference
            if quantiles is None:
                quantiles = np.stack([quantiles_of(values[:, mark]) for mark in marks])
            for mark in marks:
                values[:, mark] = to_quantiles(values[:, mark], quantiles[mark])
            continue
        for sample, mark in np.ndindex(*signal.total.shape):
            file, own = files[sample][mark], values[sample, mark]
            values[sample, mark] = (
                logarithm(own, file)
                if step == "log1p"
                else scaled_to_library(own, float(signal.total[sample, mark]), file)
            )
    return values, quantiles
