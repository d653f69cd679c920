"""What a typing model remembers of its training cells, to compare other cells with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem._core.scvi_compat import field_states
from tgem.data import STAND_IN, FieldDataset, Split
from tgem.model._base import SummarizedClassifier
from tgem.model.tgem._totals import check_totals, some_cells
from tgem.model.tgem._transfer_reference import TransferReference, describe_training_cells

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    Array = np.ndarray[Any, Any]

REFERENCE = "transfer_reference."  # before the names of what is saved


class RememberingModel(SummarizedClassifier):
    """A typing model that remembers how high each gene is in the training cells."""

    _of_training: TransferReference | None = None

    def _after_training(self, dataset: FieldDataset, split: Split, *, seed: int) -> None:
        self._of_training = describe_training_cells(
            lambda cells: dataset.read(self._features, cells),
            split.train,
            dataset.read(self._labels, split.train),
            n_classes=len(self.classes),
        )
        super()._after_training(dataset, split, seed=seed)

    def _beside_weights(self) -> tuple[dict[str, Any], dict[str, Array]]:
        described, arrays = super()._beside_weights()
        own = {} if self._of_training is None else self._of_training.arrays()
        return described, arrays | {f"{REFERENCE}{name}": own[name] for name in own}

    def _restore_beside_weights(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        own = {
            name.removeprefix(REFERENCE): values
            for name, values in arrays.items()
            if name.startswith(REFERENCE)
        }
        self._of_training = TransferReference(**own) if own else None
        others = {name: arrays[name] for name in arrays if not name.startswith(REFERENCE)}
        super()._restore_beside_weights(described, others)

    def _states(self) -> dict[str, Any]:
        states = super()._states()
        if self._of_training is not None:
            stand_in = {STAND_IN: self._of_training.gene_mean}
            states[self._features] = states[self._features] | stand_in
        return states

    def _dataset(self, adata: AnnData | None) -> FieldDataset:
        dataset = super()._dataset(adata)
        if adata is not None and self._of_training is not None and self._has_logarithms():
            found = self.align_genes(adata).columns >= 0
            some = dataset.read(self._features, some_cells(len(dataset)))
            check_totals(some[:, found], self._of_training.gene_total[found])
        return dataset

    def _has_logarithms(self) -> bool:
        """Whether the training data were no z-scores."""
        return bool(field_states(self.registry_)[self._features]["minimum"] >= 0)
