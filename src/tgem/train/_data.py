"""Loaders of the training and validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch import LightningDataModule
from scvi.dataloaders import AnnDataLoader

if TYPE_CHECKING:
    from tgem.data import DataManager, Split


class SupervisedDataModule(LightningDataModule):
    """Minibatches of a split.

    Parameters
    ----------
    manager
        The registered data.
    split
        Positions of the training, validation and test cells; test cells are never loaded.
    batch_size
        Cells per minibatch.
    """

    def __init__(self, manager: DataManager, split: Split, batch_size: int) -> None:
        super().__init__()
        self._manager, self._batch_size = manager, batch_size
        # Names that scvi-tools' TrainRunner copies onto the model.
        self.train_idx, self.val_idx, self.test_idx = split
        self.n_train, self.n_val = split.train.size, split.validation.size

    def train_dataloader(self) -> AnnDataLoader:
        """Shuffled training cells."""
        # Batch normalisation cannot train on a batch of one cell.
        drop_last = self.n_train > self._batch_size and self.n_train % self._batch_size == 1
        return self._loader(self.train_idx, shuffle=True, drop_last=drop_last)

    def val_dataloader(self) -> AnnDataLoader | list[AnnDataLoader]:
        """Validation cells in order; an empty list if there are none."""
        return self._loader(self.val_idx) if self.n_val else []

    def _loader(self, cells: object, **options: bool) -> AnnDataLoader:
        return AnnDataLoader(self._manager, indices=cells, batch_size=self._batch_size, **options)
