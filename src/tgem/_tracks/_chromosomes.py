"""Names of chromosomes, with and without ``chr``, and genomes told by their lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Length of chromosome 1 in assemblies that are often mixed up.
CHROMOSOME_1 = {
    "hg18": 247_249_719,
    "hg19": 249_250_621,
    "hg38": 248_956_422,
    "hs1": 248_387_328,
    "mm9": 197_195_432,
    "mm10": 195_471_971,
    "mm39": 195_154_279,
}
_SYNONYMS = {
    "ncbi36": "hg18",
    "grch37": "hg19",
    "b37": "hg19",
    "grch38": "hg38",
    "chm13": "hs1",
    "t2t-chm13": "hs1",
    "ncbim37": "mm9",
    "grcm38": "mm10",
    "grcm39": "mm39",
}


def plain_name(name: str) -> str:
    """Name of a chromosome without ``chr``; the mitochondrial one is ``MT``."""
    plain = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if plain.upper() in ("M", "MT") else plain


def match_chromosomes(wanted: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Find each wanted chromosome among those of a file, whether written ``chr1`` or ``1``.

    Those that the file lacks are left out of the result.
    """
    exact = set(known)
    plain: dict[str, str] = {}
    for name in exact:
        # A file that writes both is taken literally.
        plain[plain_name(name)] = "" if plain_name(name) in plain else name
    found = {name: name if name in exact else plain.get(plain_name(name), "") for name in wanted}
    return {name: there for name, there in found.items() if there}


def canonical_genome(name: str) -> str:
    """UCSC's name of an assembly that has several; other names as they are."""
    first = name.strip().lower().split(".p")[0]
    first = _SYNONYMS.get(first, first)
    return first if first in CHROMOSOME_1 else name


def known_genome(sizes: Mapping[str, int]) -> str | None:
    """Name the assembly by the length of chromosome 1, if that is known."""
    name = match_chromosomes(["chr1"], sizes).get("chr1")
    length = sizes[name] if name else None
    return next((genome for genome, size in CHROMOSOME_1.items() if size == length), None)
