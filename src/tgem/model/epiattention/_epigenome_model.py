"""What EpiAttention knows of its modalities, and how it reads genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem._core.errors import listed
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import cell_indices, check_choice
from tgem.model._base import SupervisedModel
from tgem.model.epiattention._inputs import separate
from tgem.model.epiattention._scores import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from torch import Tensor

    from tgem.data import Data, FieldDataset, GeneAlignment
    from tgem.model._base._registered import Cells
    from tgem.model.epiattention._module import EpiAttentionModule

NO_GENES = "Genes are the observations of EpiAttention: see `model.feature_names(modality)`."


class EpigenomeModel(SupervisedModel):
    """A model whose observations are genes, and whose inputs are modalities of the epigenome."""

    module: EpiAttentionModule
    _task: str

    @property
    def gene_names(self) -> pd.Index:
        """Not defined: the genes are the observations. See :meth:`feature_names`."""
        raise AttributeError(NO_GENES)

    def align_genes(self, adata: Data) -> GeneAlignment:
        """Not defined: genes need no alignment, as any may be predicted.

        Parameters
        ----------
        adata
            Any data.
        """
        raise AttributeError(NO_GENES)

    def get_expression(
        self, adata: Data | None = None, indices: Cells = None
    ) -> np.ndarray[Any, Any]:
        """Not defined: expression is what the model predicts.

        Parameters
        ----------
        adata, indices
            Any data.
        """
        raise AttributeError(NO_GENES)

    @property
    def task(self) -> str:
        """``"binary"`` or ``"regression"``."""
        return self._task

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the model: ``"histone"``, ``"methylation"``, ``"tf"`` or some of them."""
        return self.module.names

    def feature_names(self, modality: str) -> tuple[list[Any], list[Any]]:
        """Names along a modality's grid: marks and bins, slots and features, factors and features.

        Parameters
        ----------
        modality
            One of :attr:`modalities`.

        Returns
        -------
        Names of the rows and of the columns, in the model's order.
        """
        check_choice("modality", modality, self.modalities)
        state = field_states(self.registry_)[modality]
        return list(state["rows"]), list(state["columns"])

    @property
    def _n_targets(self) -> int:
        return 1

    def _has(self, dataset: Any, modality: str, cells: np.ndarray[Any, Any]) -> Any:
        """Whether each gene has a modality."""
        values = torch.from_numpy(dataset.read(modality, cells))
        return separate(values, modality)[1].bool().any(1).numpy()

    def _cell_types(self, mdata: Data | None) -> np.ndarray[Any, Any]:
        key, data = self.registry_[SETUP_ARGS]["cell_type_key"], self._data(mdata)
        if key is None:
            return np.full(data.n_obs, ALL, dtype=object)
        names: np.ndarray[Any, Any] = data.obs[key].astype(str).to_numpy(dtype=object)
        return names

    def _read(
        self, data: Data | None, indices: Cells, batch_size: int | None
    ) -> Iterator[tuple[Tensor, ...]]:
        self._check_trained()
        dataset = self._dataset(data)
        self.module.eval()
        return self._batches(dataset, cell_indices(indices, len(dataset)), batch_size)

    def _batches(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], batch_size: int | None
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Refuse genes of which nothing is known."""
        for inputs in super()._batches(dataset, cells, batch_size):
            masks = self.module.masked(*inputs)[1 : 2 * len(self.modalities) : 2]
            measured = torch.stack([mask.bool().any(1) for mask in masks]).any(0)
            if not measured.all():
                msg = (
                    f"Expected every gene to be measured in some modality ("
                    f"{listed(self.modalities)}), found {int((~measured).sum())} of a batch of "
                    f"{len(measured)} in none. Leave them out with `indices`, or remove them."
                )
                raise ValueError(msg)
            yield inputs
