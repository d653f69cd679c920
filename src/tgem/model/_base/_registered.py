"""What every model knows of its data: where they are, which genes they hold."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from anndata import AnnData
from scvi.data import AnnDataManagerValidationCheck
from scvi.model.base import BaseModelClass

from tgem._core.errors import GeneAlignmentWarning, TgemWarning
from tgem._core.random import seeded
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import cell_indices, check_data
from tgem.data import (
    DEFAULT_MIN_GENE_SHARE,
    DataManager,
    FeatureField,
    Field,
    FieldDataset,
    GeneAlignment,
)

if TYPE_CHECKING:
    from tgem.model._base._split_record import SplitRecord
    from tgem.nn.module import SupervisedModule

Cells = Sequence[int] | np.ndarray[Any, Any] | None


class RegisteredModel(BaseModelClass):
    """A model with its data registered, on scvi-tools' `BaseModelClass`.

    Attributes
    ----------
    min_gene_share
        Smallest share of the model's genes that new data must hold.
    """

    min_gene_share: float = DEFAULT_MIN_GENE_SHARE
    _features: ClassVar[str] = "X"
    _data_type: ClassVar[type] = AnnData
    _observed: ClassVar[str] = "cells"  # what the observations are called

    module: SupervisedModule

    def __init__(
        self,
        adata: AnnData | None,
        registry: dict[str, Any] | None,
        init_params: dict[str, Any],
    ) -> None:
        super().__init__(adata, registry)
        self._init_params = init_params
        self._fields = self._make_fields(**self.registry_[SETUP_ARGS])
        self._seed: int | None = None
        self._trainings: list[dict[str, Any]] = []  # settings of every call of `train`
        self._split_record: SplitRecord | None = None
        self._validation: dict[str, float] = {}  # scores of the finished model
        with seeded(0):
            self.module = self._make_module()
        self.module.eval()

    # -- what a model defines -------------------------------------------------------------

    @classmethod
    @abstractmethod
    def _make_fields(cls, **setup_args: Any) -> list[Field]:
        """Fields to read, from the arguments of the set-up method."""

    @abstractmethod
    def _make_module(self) -> SupervisedModule:
        """Build a freshly initialised network."""

    # -- registration ---------------------------------------------------------------------

    @classmethod
    def setup_anndata(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse an AnnData, whatever the `args` and `kwargs`."""
        msg = f"{cls.__name__} takes a MuData: call `{cls.__name__}.setup_mudata(...)`."
        raise NotImplementedError(msg)

    @classmethod
    def _register(
        cls, adata: AnnData, setup_args: dict[str, Any], registry: dict[str, Any] | None = None
    ) -> None:
        """Check the data, and remember where they are and which genes they hold."""
        check_data(adata, cls._data_type)
        if adata.is_view:
            msg = (
                f"Expected data of their own, found a view of {adata.n_obs} x {adata.n_vars}, "
                "into which nothing can be written. Call `adata = adata.copy()` first."
            )
            raise ValueError(msg)
        fields = cls._make_fields(**setup_args[SETUP_ARGS])
        manager = DataManager(
            fields=fields,
            setup_method_args=setup_args,
            # ours pairs modalities by name
            validation_checks=AnnDataManagerValidationCheck(check_fully_paired_mudata=False),
        )
        for field in fields:
            field.positions(adata)  # raises if observations do not pair, before anything is written
        manager.register_fields(adata, registry)
        cls.register_manager(manager)

    def _check_registered(self, adata: AnnData) -> None:
        """Raise if the data were changed since they were set up in a way that would mislead."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TgemWarning)  # said at set-up
            for field in self._fields:
                if not field.is_empty:
                    state = field_states(self.registry_)[field.registry_key]
                    field.transfer_field(state, adata, min_gene_share=1.0)

    def _dataset(self, adata: AnnData | None) -> FieldDataset:
        """Rows of any data set, genes in the model's order; the data stay as they are."""
        data = self._data(adata)
        if data is self.adata:
            self._follow_names()
        states = self._states()
        with warnings.catch_warnings():
            if data is self.adata:  # it may have changed; of the values themselves, set-up has said
                for category in TgemWarning.__subclasses__():
                    if category is not GeneAlignmentWarning:
                        warnings.simplefilter("ignore", category)
            for field in self._fields:
                if not field.is_empty:
                    state = states[field.registry_key]
                    field.transfer_field(state, data, min_gene_share=self.min_gene_share)
        return FieldDataset(data, self._fields, states)

    def _follow_names(self) -> None:
        """Notice that the observations of the model's own data have moved."""

    def _states(self) -> dict[str, Any]:
        """What each field remembers, and what training added to it."""
        return dict(field_states(self.registry_))

    def _data(self, adata: AnnData | None) -> AnnData:
        if adata is None:
            adata = self.adata
        if adata is None:
            msg = (
                f"This {type(self).__name__} was loaded without data. Name the cells: pass `adata`."
            )
            raise ValueError(msg)
        check_data(adata, self._data_type)
        return adata

    @property
    def gene_names(self) -> pd.Index:
        """Genes of the model, in its order."""
        return pd.Index(field_states(self.registry_)[self._features]["column_names"])

    def align_genes(self, adata: AnnData) -> GeneAlignment:
        """Say which of the model's genes the data hold, without predicting.

        Parameters
        ----------
        adata
            Any data set.

        Returns
        -------
        The genes found, missing and extra.
        """
        field = next(f for f in self._fields if f.registry_key == self._features)
        if not isinstance(field, FeatureField):
            raise TypeError(self._features)
        return field.align(field_states(self.registry_)[self._features], self._data(adata))

    def view_registry(self, *, hide_state_registries: bool = False) -> None:
        """Print where the training data were found.

        Parameters
        ----------
        hide_state_registries
            As in scvi-tools; our fields print nothing more either way.
        """
        if self.adata_manager is None:
            msg = "This model was loaded without data. `print(model)` describes it."
            raise ValueError(msg)
        self.adata_manager.view_registry(hide_state_registries=hide_state_registries)

    def get_expression(
        self, adata: AnnData | None = None, indices: Cells = None
    ) -> np.ndarray[Any, Any]:
        """Return the expression as the network reads it.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.

        Returns
        -------
        Array of float32, ``(n_obs, n_genes)``, genes in the order of :attr:`gene_names`; missing
        genes have their mean among the training cells.
        """
        dataset = self._dataset(adata)
        return dataset.read(self._features, cell_indices(indices, len(dataset)))
