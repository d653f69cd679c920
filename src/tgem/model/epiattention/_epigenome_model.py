"""What EpiAttention knows of its modalities, and how it reads genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from tgem._core.errors import MeasurementWarning, listed, warn
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import cell_indices, check_choice
from tgem.model._base import SupervisedModel
from tgem.model.epiattention._inputs import separate
from tgem.model.epiattention._measured_genes import MeasuredGenes, spread
from tgem.model.epiattention._scores import ALL

if TYPE_CHECKING:
    import pandas as pd

    from tgem.data import Data, FieldDataset, GeneAlignment
    from tgem.model._base._registered import Cells
    from tgem.model.epiattention._module import EpiAttentionModule

Array = np.ndarray[Any, Any]

SCAN_GENES = 1024
NO_GENES = "Genes are the observations of EpiAttention: see `model.feature_names(modality)`."


class EpigenomeModel(SupervisedModel):
    """A model whose observations are genes, and whose inputs are modalities of the epigenome."""

    module: EpiAttentionModule
    _task: str
    _observed: ClassVar[str] = "genes"

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

    def get_expression(self, adata: Data | None = None, indices: Cells = None) -> Array:
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

    def _has(self, dataset: Any, modality: str, cells: Array) -> Any:
        """Whether each gene has a modality."""
        values = torch.from_numpy(dataset.read(modality, cells))
        return separate(values, modality)[1].bool().any(1).numpy()

    def _cell_types(self, mdata: Data | None) -> Array:
        key, data = self.registry_[SETUP_ARGS]["cell_type_key"], self._data(mdata)
        if key is None:
            return np.full(data.n_obs, ALL, dtype=object)
        names: Array = data.obs[key].astype(str).to_numpy(dtype=object)
        return names

    def _are_measured(self, dataset: Any, cells: Array) -> Array:
        """Whether each gene was measured in some modality."""
        measured = np.zeros(len(cells), dtype=bool)
        for start in range(0, len(cells), SCAN_GENES):
            block = cells[start : start + SCAN_GENES]
            for name in self.modalities:
                left = np.flatnonzero(~measured[start : start + SCAN_GENES])
                if len(left):
                    measured[start + left] = self._has(dataset, name, block[left])
        return measured

    def _with_result(self, dataset: Any, cells: Array) -> Array:
        """Whether each gene gets a result; warn of those without, raise if there is none."""
        measured = self._are_measured(dataset, cells)
        if len(cells) and not measured.any():
            msg = (
                f"Expected genes that were measured in some modality ({listed(self.modalities)}), "
                f"found none among {len(cells)}. Modalities are paired by the names of the "
                "observations."
            )
            raise ValueError(msg)
        if not measured.all():
            msg = (
                f"{int((~measured).sum())} of {len(cells)} observations were measured in no "
                f"modality ({listed(self.modalities)}); their results are missing (NaN)."
            )
            warn(msg, MeasurementWarning)
        return measured

    def _read(self, data: Data | None, indices: Cells, batch_size: int | None) -> MeasuredGenes:
        self._check_trained()
        dataset = self._dataset(data)
        self.module.eval()
        cells = cell_indices(indices, len(dataset))
        measured = self._with_result(dataset, cells)
        return MeasuredGenes(self._batches(dataset, cells[measured], batch_size), measured)

    def _outputs_of(
        self, dataset: FieldDataset, cells: Array, batch_size: int | None, **options: Any
    ) -> Array:
        measured = self._with_result(dataset, cells)
        outputs = super()._outputs_of(dataset, cells[measured], batch_size, **options)
        return spread(outputs, measured)
