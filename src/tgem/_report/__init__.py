"""One page that tells what a model found, from what the tools wrote."""

from __future__ import annotations

from tgem._report._report import report

__all__ = ["report"]
