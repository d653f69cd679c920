"""Mean signal of bins from a bigWig, base by base."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._tracks._chromosomes import match_chromosomes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tgem._tracks._regions import Array, Regions

BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")
BIGBED = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")
SIGNATURE = 4
ENDINGS = (".bw", ".bigWig", ".bigwig")  # that pybigtools accepts in a path


@contextmanager
def open_bigwig(path: Path) -> Iterator[Any]:
    """Open a bigWig; raise for one that is truncated."""
    with path.open("rb") as file:
        first = file.read(SIGNATURE)
        file.seek(-SIGNATURE, 2)
        last = file.read(SIGNATURE)
        if first != last:
            msg = (
                f"{path}: expected the closing signature of a bigWig at the end of the file "
                f"({path.stat().st_size:,} bytes), found {last.hex()}. The file is truncated: "
                "copy or download it again."
            )
            raise ValueError(msg)
        pybigtools = _pybigtools()
        file.seek(0)
        try:
            # An unusual ending is refused as a path, but not as an open file.
            reader = pybigtools.open(str(path) if path.name.endswith(ENDINGS) else file)
        except (pybigtools.BBIReadError, ValueError, OSError) as error:
            msg = f"{path}: could not be opened as a bigWig ({error}). Copy or download it again."
            raise ValueError(msg) from error
        with reader:
            yield reader


def _pybigtools() -> Any:
    try:
        import pybigtools  # noqa: PLC0415 - only for users with bigWig files
    except ImportError as error:
        msg = (
            "Reading bigWig files needs pybigtools. Install it with "
            "`pip install 'tgem[epigenome]'`, or convert the tracks with `bigWigToBedGraph`."
        )
        raise ImportError(msg) from error
    return pybigtools


def bigwig_sizes(path: Path) -> dict[str, int]:
    """Length of each chromosome."""
    with open_bigwig(path) as reader:
        return {str(name): int(size) for name, size in reader.chroms().items()}


def bin_bigwig(path: Path, regions: Regions, n_bins: int) -> tuple[Array, float, dict[str, int]]:
    """Mean signal ``(n_regions, n_bins)``, total signal, and lengths of chromosomes.

    The signal is NaN on chromosomes that the file lacks.
    Bases without data, and those beyond a chromosome's ends, count as 0.
    """
    values = np.full((len(regions.starts), n_bins), np.nan, dtype=np.float32)
    bases = np.empty(regions.width)
    with open_bigwig(path) as reader:
        sizes = {str(name): int(size) for name, size in reader.chroms().items()}
        names = match_chromosomes(set(regions.chromosomes.tolist()), sizes)
        for name, rows in regions.on_chromosomes(names):
            for row in rows.tolist():
                start = int(regions.starts[row])
                _read(reader, (name, start, start + regions.width), bases, path)
                values[row] = bases.reshape(n_bins, -1).mean(axis=1)
                if not np.isfinite(values[row]).all():
                    msg = f"{path}: expected finite values, found others in {regions.named(row)}."
                    raise ValueError(msg)
        return values, float(reader.info()["summary"]["sum"]), sizes


def _read(reader: Any, place: tuple[str, int, int], bases: Array, path: Path) -> None:
    """Signal of every base of a place."""
    try:
        reader.values(*place, fillna=0.0, oob=0.0, arr=bases)
    except BaseException as error:
        # A damaged block makes pybigtools panic, which is no Exception.
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        name, start, end = place
        msg = (
            f"{path}: could not read {name}:{start}-{end}. The file is truncated or damaged "
            f"({type(error).__name__}). Copy or download it again."
        )
        raise ValueError(msg) from error
