"""Attention over genes, for torch users."""

from __future__ import annotations

from tgem.nn.attention import scalar_attention

__all__ = ["scalar_attention"]
