"""Preparation of data."""

from tgem.pp._bin_signal import bin_signal
from tgem.pp._binding_matrix import binding_matrix
from tgem.pp._epigenome_mudata import epigenome_mudata
from tgem.pp._genes import transcription_start_sites
from tgem.pp._methylation_sequence import methylation_sequence
from tgem.pp._psi import read_psi
from tgem.pp._quantification import read_quantification
from tgem.pp._splicing_factors import flag_splicing_factors, splicing_factors
from tgem.pp._split import split
from tgem.pp._tf_features import tf_features
from tgem.pp._xena import read_xena

__all__ = [
    "bin_signal",
    "binding_matrix",
    "epigenome_mudata",
    "flag_splicing_factors",
    "methylation_sequence",
    "read_psi",
    "read_quantification",
    "read_xena",
    "splicing_factors",
    "split",
    "tf_features",
    "transcription_start_sites",
]
