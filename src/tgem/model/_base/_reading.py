"""What every model reads: batches of data, and what its network makes of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem._core.progress import track
from tgem._core.validate import cell_indices, check_count
from tgem.model._base._attribution import AttributionResult, attribute
from tgem.model._base._registered import Cells, RegisteredModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData

    from tgem.data import FieldDataset

PREDICTION_BATCH_SIZE = 256


class ReadingModel(RegisteredModel):
    """A model whose network is applied to data: outputs, and their attribution to genes."""

    @property
    @abstractmethod
    def _n_targets(self) -> int:
        """Number of outputs per cell."""

    def _check_trained(self) -> None:
        if not self.is_trained_:
            msg = f"This {type(self).__name__} is not trained. Call `model.train()` first."
            raise RuntimeError(msg)

    def _batches(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], batch_size: int | None
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Inputs of the network, in the order of `cells`, on its device."""
        size = PREDICTION_BATCH_SIZE if batch_size is None else batch_size
        check_count("batch_size", size)
        starts = range(0, len(cells), size)
        for start in track(starts, f"Reading {self._observed}"):
            batch = dataset[cells[start : start + size]]
            yield tuple(
                torch.from_numpy(batch[key]).to(self.module.device)
                for key in self.module.input_keys
            )

    def _outputs(
        self, adata: AnnData | None, indices: Cells, batch_size: int | None
    ) -> np.ndarray[Any, Any]:
        """Outputs of the network, ``(n_obs, n_targets)``."""
        self._check_trained()
        dataset = self._dataset(adata)
        return self._outputs_of(dataset, cell_indices(indices, len(dataset)), batch_size)

    def _outputs_of(
        self,
        dataset: FieldDataset,
        cells: np.ndarray[Any, Any],
        batch_size: int | None,
        *,
        network: Callable[..., torch.Tensor] | None = None,
    ) -> np.ndarray[Any, Any]:
        """Outputs for cells of a data set that is checked, of the network or a variant of it."""
        network = self.module if network is None else network
        self.module.eval()
        with torch.inference_mode():
            outputs = [
                network(*inputs).float().cpu().numpy()
                for inputs in self._batches(dataset, cells, batch_size)
            ]
        if not outputs:
            return np.empty((0, self._n_targets), dtype=np.float32)
        return np.concatenate(outputs)

    def _attribute(
        self, adata: AnnData | None, indices: Cells, targets: np.ndarray[Any, Any], **options: Any
    ) -> AttributionResult:
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        return attribute(self.module, dataset, cells, targets, genes=self.gene_names, **options)
