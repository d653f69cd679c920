"""T-GEM: a transformer over genes that types cells and says which genes decided."""

from tgem.model.tgem._model import TGEM

__all__ = ["TGEM"]
