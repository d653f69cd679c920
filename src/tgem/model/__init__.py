"""Models: set up the data, construct, train, predict, explain, save."""

from tgem.model.deepsf import DeepSF
from tgem.model.epiattention import EpiAttention
from tgem.model.tgem import TGEM

__all__ = ["TGEM", "DeepSF", "EpiAttention"]
