"""From AnnData to minibatches: fields, checks of values, alignment by name, splits."""

from tgem.data._alignment import GeneAlignment
from tgem.data._expression import ExpressionSummary, check_log_normalized, summarize_expression
from tgem.data._features import DEFAULT_MIN_GENE_SHARE, STAND_IN, FeatureField
from tgem.data._field import Data, Field
from tgem.data._gene_tpm import SYMBOL_COLUMNS, GeneField
from tgem.data._grid import GRIDS, GridField
from tgem.data._isoforms import IsoformField
from tgem.data._labels import LabelField, codes_of, describe_labels, label_codes
from tgem.data._manager import DataManager, FieldDataset
from tgem.data._names import match_names, unversioned
from tgem.data._preparation import preparation_of
from tgem.data._shifted import ShiftedDataset
from tgem.data._splits import (
    LEAVE_SPLIT,
    Split,
    grouped_split,
    split_column,
    split_from_column,
    stratified_split,
)
from tgem.data._targets import CellTypeField, ExpressionTargetField
from tgem.data._tpm import check_tpm, summarize_tpm

__all__ = [
    "DEFAULT_MIN_GENE_SHARE",
    "GRIDS",
    "LEAVE_SPLIT",
    "STAND_IN",
    "SYMBOL_COLUMNS",
    "CellTypeField",
    "Data",
    "DataManager",
    "ExpressionSummary",
    "ExpressionTargetField",
    "FeatureField",
    "Field",
    "FieldDataset",
    "GeneAlignment",
    "GeneField",
    "GridField",
    "IsoformField",
    "LabelField",
    "ShiftedDataset",
    "Split",
    "check_log_normalized",
    "check_tpm",
    "codes_of",
    "describe_labels",
    "grouped_split",
    "label_codes",
    "match_names",
    "preparation_of",
    "split_column",
    "split_from_column",
    "stratified_split",
    "summarize_expression",
    "summarize_tpm",
    "unversioned",
]
