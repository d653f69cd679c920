"""Slots that the page shows where they are there, beyond the table of those that tools write."""

from __future__ import annotations

from tgem._core.keys import Slot

STABILITY = Slot(
    "uns",
    "{prefix}_stability",
    "long DataFrame: class, source, target, frequency",
    "tgem.tl.stability",
)
