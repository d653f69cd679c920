"""Preparation of data."""

from tgem.pp._quantification import read_quantification
from tgem.pp._split import split

__all__ = ["read_quantification", "split"]
