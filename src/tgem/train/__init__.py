"""Training of supervised modules with Lightning."""

from tgem.train._best import KeepBestWeights
from tgem.train._data import SupervisedDataModule
from tgem.train._fit import check_early_stopping, fit
from tgem.train._plan import SupervisedTrainingPlan
from tgem.train._trainer_arguments import check_trainer_arguments

__all__ = [
    "KeepBestWeights",
    "SupervisedDataModule",
    "SupervisedTrainingPlan",
    "check_early_stopping",
    "check_trainer_arguments",
    "fit",
]
