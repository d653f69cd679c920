"""From AnnData to minibatches: fields, checks of values, alignment by name, splits."""

from tgem.data._alignment import GeneAlignment
from tgem.data._expression import ExpressionSummary, check_log_normalized, summarize_expression
from tgem.data._features import DEFAULT_MIN_GENE_SHARE, FeatureField
from tgem.data._field import Data, Field
from tgem.data._labels import LabelField, describe_labels, label_codes
from tgem.data._manager import DataManager, FieldDataset
from tgem.data._splits import (
    Split,
    grouped_split,
    split_column,
    split_from_column,
    stratified_split,
)

__all__ = [
    "DEFAULT_MIN_GENE_SHARE",
    "Data",
    "DataManager",
    "ExpressionSummary",
    "FeatureField",
    "Field",
    "FieldDataset",
    "GeneAlignment",
    "LabelField",
    "Split",
    "check_log_normalized",
    "describe_labels",
    "grouped_split",
    "label_codes",
    "split_column",
    "split_from_column",
    "stratified_split",
    "summarize_expression",
]
