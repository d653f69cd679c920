"""What every model shares: registration, training, prediction, attribution, saving."""

from tgem.model._base._attention import AttentionClassifier
from tgem.model._base._attention_ladder import AttentionLadder, ExplainedAttentionClassifier
from tgem.model._base._attention_network import AttentionNetwork
from tgem.model._base._attention_summary import SummarizedClassifier
from tgem.model._base._attention_totals import AttentionSummary
from tgem.model._base._attribution import AttributionResult
from tgem.model._base._classifier import ClassifierModel
from tgem.model._base._explained import ExplainedClassifier
from tgem.model._base._model import SupervisedModel
from tgem.model._base._network_classifier import NetworkClassifier
from tgem.model._base._retraining import RetrainedClassifier

__all__ = [
    "AttentionClassifier",
    "AttentionLadder",
    "AttentionNetwork",
    "AttentionSummary",
    "AttributionResult",
    "ClassifierModel",
    "ExplainedAttentionClassifier",
    "ExplainedClassifier",
    "NetworkClassifier",
    "RetrainedClassifier",
    "SummarizedClassifier",
    "SupervisedModel",
]
