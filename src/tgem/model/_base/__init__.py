"""What every model shares: registration, training, prediction, attribution, saving."""

from tgem.model._base._attention_ladder import AttentionClassifier, AttentionLadder
from tgem.model._base._attribution import AttributionResult
from tgem.model._base._classifier import ClassifierModel
from tgem.model._base._explained import ExplainedClassifier
from tgem.model._base._model import SupervisedModel

__all__ = [
    "AttentionClassifier",
    "AttentionLadder",
    "AttributionResult",
    "ClassifierModel",
    "ExplainedClassifier",
    "SupervisedModel",
]
