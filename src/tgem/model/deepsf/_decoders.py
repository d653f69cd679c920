"""The decoders by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem.model.deepsf._psi_decoder import PsiDecoder
from tgem.model.deepsf._published_decoders import AdditiveDecoder, SigmoidDecoder
from tgem.model.deepsf._usage_decoder import UsageDecoder

if TYPE_CHECKING:
    from tgem.model.deepsf._decoder import Decoder

DECODERS: dict[str, type[Decoder]] = {
    "usage": UsageDecoder,
    "additive": AdditiveDecoder,
    "sigmoid": SigmoidDecoder,
    "psi": PsiDecoder,
}
