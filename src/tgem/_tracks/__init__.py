"""Files of signals along the genome, read at the places asked for.

Needs numpy and pandas only, so that a worker process starts quickly. Nothing here knows of AnnData.
Coordinates are those of BED: the first base of a chromosome is 0, and an end is not included.
"""

from tgem._tracks._binning import BinnedTrack, bin_track, chromosome_sizes, track_kind
from tgem._tracks._chromosomes import (
    CHROMOSOME_1,
    canonical_genome,
    known_genome,
    match_chromosomes,
    plain_name,
)
from tgem._tracks._lines import first_fields, is_header, numbered_lines
from tgem._tracks._methylation import MethylationSites, read_methylation
from tgem._tracks._regions import Regions

__all__ = [
    "CHROMOSOME_1",
    "BinnedTrack",
    "MethylationSites",
    "Regions",
    "bin_track",
    "canonical_genome",
    "chromosome_sizes",
    "first_fields",
    "is_header",
    "known_genome",
    "match_chromosomes",
    "numbered_lines",
    "plain_name",
    "read_methylation",
    "track_kind",
]
