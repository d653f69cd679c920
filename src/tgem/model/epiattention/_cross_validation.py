"""EpiAttention trained and tested on several splits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tgem._core.errors import listed
from tgem._core.scvi_compat import SETUP_ARGS
from tgem.model.epiattention import _genes
from tgem.model.epiattention._training import TrainedEpigenome


class CrossValidatedEpigenome(TrainedEpigenome):
    """Cross-validation of EpiAttention."""

    def cross_validate(
        self, n_folds: int = 4, *, seed: int = 0, **train_options: Any
    ) -> pd.DataFrame:
        """Train and test on several splits, none of which tears a gene apart.

        The genes are cut into `n_folds` parts. Each part is the test set once; the next one
        validates, and the others train: with four parts as in :cite:t:`kang2020`, two quarters
        train, one validates, one tests. This model itself is not changed.

        Parameters
        ----------
        n_folds
            Number of parts, at least 3.
        seed
            Seed of the parts and of each training.
        **train_options
            For :meth:`train`, such as ``max_epochs``.

        Returns
        -------
        DataFrame: the columns of :meth:`evaluate` for the test genes of each ``fold`` and
        ``cell_type``.

        Raises
        ------
        ValueError
            For too many or too few folds, or options that would set another split.
        """
        given = {"split_key", "train_size", "validation_size", "seed"} & train_options.keys()
        if given:
            msg = f"Expected options of training only, got {listed(sorted(given))}."
            raise ValueError(msg)
        data = self._data(None)
        dataset = self._dataset(None)
        expression, cell_type = self._targets(dataset)
        codes = self._usable(dataset, _genes.levels(expression, cell_type))
        named = self.registry_[SETUP_ARGS]
        groups = _genes.groups_of(data, named["gene_key"], named["group_key"])
        tables = []
        for fold, split in enumerate(_genes.folds(codes, groups, n_folds, seed)):
            model = type(self)(data, **self._init_params)
            model._fold = split
            model.train(seed=seed, **train_options)
            tables.append(model.evaluate().reset_index().assign(fold=fold))
        table = pd.concat(tables, ignore_index=True)
        return table[["fold", *[column for column in table.columns if column != "fold"]]]
