"""EpiAttention: from histone marks, methylation and transcription factors to expression."""

from tgem.model.epiattention._model import EpiAttention

__all__ = ["EpiAttention"]
