"""Tools: each takes data and a model, and writes what the model says into the data."""

from tgem.tl._attribution import attribution
from tgem.tl._confusion import confusion
from tgem.tl._enrich import enrich
from tgem.tl._history import history
from tgem.tl._predict import predict

__all__ = ["attribution", "confusion", "enrich", "history", "predict"]
