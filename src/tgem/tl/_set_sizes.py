"""Gene sets of a size that can be tested, and what to say of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core.errors import GeneSetWarning, listed, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def count_sets(
    sets: Mapping[str, Sequence[str]],
    background: Collection[str],
    *,
    min_size: int,
    max_size: int | None = None,
    advice: str = "Lower `min_size`.",
) -> dict[str, int]:
    """Count the sets that are tested, and those with too few genes for it; warn of the latter.

    Parameters
    ----------
    sets
        Genes of each set.
    background
        Genes that could be found.
    min_size, max_size
        Smallest and largest number of background genes of a set that is tested.
    advice
        What to do if no set can be tested.

    Returns
    -------
    ``n_sets`` and ``n_sets_too_small``, as the settings of a table of gene sets say them.

    Raises
    ------
    ValueError
        If no set can be tested.
    """
    known = set(background)
    sizes = {name: len(known.intersection(genes)) for name, genes in sets.items()}
    largest = len(known) if max_size is None else max_size
    n_sets = sum(min_size <= size <= largest for size in sizes.values())
    if not n_sets:
        wanted = f"at least {min_size}" if max_size is None else f"{min_size} to {max_size}"
        msg = (
            f"Expected gene sets with {wanted} of the {len(known)} genes of the background, but "
            f"the {len(sets)} sets have {min(sizes.values())} to {max(sizes.values())}. {advice}"
        )
        raise ValueError(msg)
    small = [name for name, size in sizes.items() if size < min_size]
    # Of a set without any known gene there is nothing to test, whatever the limit.
    named = [f"{name} ({sizes[name]})" for name in small if sizes[name]]
    if named:
        msg = (
            f"{len(named)} of {len(sets)} gene sets were not tested, because fewer than {min_size} "
            f"of their genes are among the {len(known)} of the background: {listed(named)}. Lower "
            "`min_size` to test them; every set that is tested makes the others' adjusted "
            "p-values larger."
        )
        warn(msg, GeneSetWarning)
    return {"n_sets": n_sets, "n_sets_too_small": len(small)}
