"""DeepSF: from splicing factors to isoforms, and back to the factors that regulate each."""

from tgem.model.deepsf._context import GeneContext
from tgem.model.deepsf._model import DeepSF
from tgem.model.deepsf._regulation import Regulation

__all__ = ["DeepSF", "GeneContext", "Regulation"]
