"""Slots that the page shows where they are there, beyond the table of those that tools write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core.keys import Slot

if TYPE_CHECKING:
    from anndata import AnnData

STABILITY = Slot(
    "uns",
    "{prefix}_stability",
    "long DataFrame: class, source, target, frequency",
    "tgem.tl.stability",
)


def is_filled(adata: AnnData, slot: Slot, prefix: str) -> bool:
    """Whether the slot is there and has rows."""
    container, key = getattr(adata, slot.container), slot.key(prefix)
    return key in container and len(container[key]) > 0
