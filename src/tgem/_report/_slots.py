"""Whether there is anything in a slot to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem._core.keys import Slot


def is_filled(adata: AnnData, slot: Slot, prefix: str) -> bool:
    """Whether the slot is there and has rows."""
    container, key = getattr(adata, slot.container), slot.key(prefix)
    return key in container and len(container[key]) > 0
