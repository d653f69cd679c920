"""Simulated data with planted truth, and small curated gene sets."""

from __future__ import annotations

from tgem.datasets._epigenome import synthetic_epigenome
from tgem.datasets._expression import synthetic_expression
from tgem.datasets._immune_markers import immune_markers
from tgem.datasets._splicing import synthetic_splicing

__all__ = ["immune_markers", "synthetic_epigenome", "synthetic_expression", "synthetic_splicing"]
