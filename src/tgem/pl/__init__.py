"""Plots of what the tools wrote: each reads one slot and computes no model."""

from __future__ import annotations

from tgem.pl._attribution import attribution
from tgem.pl._confusion import confusion
from tgem.pl._enrich import enrich
from tgem.pl._history import history

__all__ = ["attribution", "confusion", "enrich", "history"]
