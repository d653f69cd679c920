"""Whether all files and genes belong to the same genome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.errors import listed
from tgem._tracks import CHROMOSOME_1, canonical_genome, known_genome, plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tgem._tracks import Regions

    Array = np.ndarray[Any, Any]

MITOCHONDRION = "MT"


class Genome:
    """Lengths of chromosomes, as far as files or the genome's name tell them.

    Parameters
    ----------
    name
        Name of the assembly; ``None`` to tell it by the length of chromosome 1.
    """

    def __init__(self, name: str | None) -> None:
        self.name = None if name is None else canonical_genome(name)
        self._sizes: dict[str, int] = {}
        self._sources: dict[str, str] = {}
        if self.name in CHROMOSOME_1:
            self._sizes["1"] = CHROMOSOME_1[str(self.name)]
            self._sources["1"] = f"the genome {name!r}"

    def add_sizes(self, sizes: Mapping[str, int], file: object) -> None:
        """Add the lengths that a file states; raise if they are those of another genome."""
        for chromosome, size in sizes.items():
            plain = plain_name(chromosome)
            if plain == MITOCHONDRION:
                continue  # one assembly comes with several versions of it
            known = self._sizes.setdefault(plain, size)
            if known != size:
                msg = (
                    f"{file}: expected chromosome {chromosome} to have {known:,} bases, as in "
                    f"{self._sources[plain]}, found {size:,}{_likely(sizes)}. Use files of one "
                    "genome."
                )
                raise ValueError(msg)
            self._sources.setdefault(plain, str(file))
        self.name = self.name or known_genome(sizes)

    def check_ends(self, ends: Mapping[str, int], file: object) -> None:
        """Raise if a file without lengths reaches beyond a chromosome's end."""
        for chromosome, end in ends.items():
            size = self._sizes.get(plain_name(chromosome), end)
            if end > size:
                msg = (
                    f"{file}: expected positions up to {size:,} on {chromosome}, as in "
                    f"{self._sources[plain_name(chromosome)]}, found {end:,}. Is the file of "
                    "another genome?"
                )
                raise ValueError(msg)

    def lengths(self, chromosomes: Array) -> Array:
        """Length of each one's chromosome, infinite where no file says it."""
        unique, codes = np.unique(chromosomes.astype(str), return_inverse=True)
        sizes = [self._sizes.get(plain_name(name), np.inf) for name in unique.tolist()]
        return np.array(sizes, dtype=float)[codes]

    def check_genes(self, table: pd.DataFrame, regions: Regions) -> Array:
        """Bases of each window beyond its chromosome's ends; raise for genes beyond them."""
        size = self.lengths(regions.chromosomes)
        outside = (table["tss"].to_numpy() >= size) | (regions.ends <= 0) | (regions.starts >= size)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            gene, chromosome = table.index[row], regions.chromosomes[row]
            tss = int(table["tss"].iloc[row])
            known = f"{int(size[row]):,}" if np.isfinite(size[row]) else "an unknown number of"
            source = self._sources.get(plain_name(chromosome), "no file")
            msg = (
                "Expected starts of transcription and their windows on their chromosomes, found "
                f"{outside.sum()} of {len(table)} genes beyond the ends, such as {gene!r} at "
                f"{chromosome}:{tss} with the window {regions.named(row)}: the chromosome has "
                f"{known} bases ({source}). Are genes and tracks of the same genome? Genes: "
                f"{listed(table.index[outside])}."
            )
            raise ValueError(msg)
        beyond = np.maximum(-regions.starts, 0) + np.maximum(regions.ends - size, 0)
        counted: Array = beyond.astype(np.int64)
        return counted


def _likely(sizes: Mapping[str, int]) -> str:
    name = known_genome(sizes)
    return "" if name is None else f", which is {name}'s"
