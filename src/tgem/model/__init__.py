"""Models: set up the data, construct, train, predict, explain, save."""

from tgem.model.deepsf import DeepSF
from tgem.model.tgem import TGEM

__all__ = ["DeepSF", "TGEM"]
