"""One track, whatever its format, binned over regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tgem._core.files import existing_file, is_gzipped
from tgem._tracks._bedgraph import bin_bedgraph
from tgem._tracks._bigwig import BIGBED, BIGWIG, bigwig_sizes, bin_bigwig

if TYPE_CHECKING:
    from pathlib import Path

    from tgem._tracks._regions import Array, Regions

WHAT = "a bigWig or bedGraph file"


class BinnedTrack(NamedTuple):
    """Signal of one track.

    Attributes
    ----------
    values
        Mean over the bases of each bin, float32 ``(n_regions, n_bins)``; NaN throughout on
        chromosomes that the track lacks.
    total
        Signal summed over all bases of the file.
    sizes
        Length of each chromosome in a bigWig, end of its last interval in a bedGraph.
    """

    values: Array
    total: float
    sizes: dict[str, int]


def track_kind(path: object) -> tuple[Path, str]:
    """Path of a track, and its format by what it holds, not by its name."""
    file = existing_file(path, WHAT)
    with file.open("rb") as stream:
        start = stream.read(512)
    if start[:4] in BIGWIG:
        return file, "bigwig"
    if start[:4] in BIGBED:
        msg = (
            f"{file}: expected {WHAT}, found a bigBed, which holds intervals without a signal. "
            "Use the track of the signal, or make one of the intervals with "
            "`bigBedToBed` and `bedtools genomecov -bga`."
        )
        raise ValueError(msg)
    if b"\0" in start and not is_gzipped(file):
        msg = f"{file}: expected {WHAT}, found another binary format."
        raise ValueError(msg)
    return file, "bedgraph"


def chromosome_sizes(path: object) -> dict[str, int]:
    """Lengths of chromosomes that a track states; a bedGraph states none."""
    file, kind = track_kind(path)
    return bigwig_sizes(file) if kind == "bigwig" else {}


def bin_track(path: object, regions: Regions, n_bins: int) -> BinnedTrack:
    """Mean signal of each bin of each region."""
    file, kind = track_kind(path)
    if kind == "bigwig":
        return BinnedTrack(*bin_bigwig(file, regions, n_bins))
    return BinnedTrack(*bin_bedgraph(file, regions, n_bins))
