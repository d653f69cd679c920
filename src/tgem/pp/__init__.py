"""Preparation of data."""

from tgem.pp._split import split

__all__ = ["split"]
