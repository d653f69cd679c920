"""The space that the classifier reads, and where its classes look in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from tgem._core.validate import cell_indices
from tgem.model.tgem._transfer import TransferableModel

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.data import FieldDataset
    from tgem.model._base._registered import Cells

SMALLEST_SINGULAR_VALUE = 1e-5  # relative to the largest


class ClassSpaceModel(TransferableModel):
    """A typing model whose classes are weights of a linear classifier on the last hidden layer."""

    def get_latent_representation(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        batch_size: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Return each cell's position in the space that the classifier reads.

        The last hidden layer has one value per gene (and, by default, one per gene and attention
        head), and the classifier is linear: only its projection on the span of the classes'
        weights can change a label. The representation is that projection in an orthonormal basis,
        so distances in it are distances between hidden layers as far as they matter for the labels.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        batch_size
            Cells per forward pass.

        Returns
        -------
        Array of float32, ``(n_obs, n_dimensions)``, ready for ``sc.pp.neighbors(use_rep=...)``.
        The number of dimensions is the rank of the classes' weights: that of the classes at most,
        and one less by default where attention is set aside, because the weights of a regression
        on classes add up to 0.
        """
        self._check_trained()
        dataset = self._dataset(adata)
        return self._latent_of(dataset, cell_indices(indices, len(dataset)), batch_size)

    def _latent_of(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], batch_size: int | None
    ) -> np.ndarray[Any, Any]:
        directions = self._class_directions()
        with torch.inference_mode():
            blocks = [
                (self.module.latent(*inputs) @ directions.T).float().cpu().numpy()
                for inputs in self._batches(dataset, cells, batch_size)
            ]
        return np.concatenate([*blocks, np.empty((0, len(directions)), dtype=np.float32)])

    def _class_directions(self) -> torch.Tensor:
        """Orthonormal basis of the span of the classes' weights, ``(n_dimensions, n_latent)``."""
        with torch.inference_mode():
            weights = self.module.class_weights()
            in_double = weights.cpu().double()  # not every device has it
            _, sizes, directions = torch.linalg.svd(in_double, full_matrices=False)
            kept = sizes > SMALLEST_SINGULAR_VALUE * sizes[0]  # others are rounding errors
            kept[0] = True
            return directions[kept].to(weights)

    def get_class_attention(self) -> pd.DataFrame:
        """Return the weight with which each class looks at the level of each gene.

        By default that is the class's query for the standardised level: above 0 the class asks for
        the gene to be higher than on average, below 0 for it to be lower. In the paper preset it
        is the weight of the classifier.

        Returns
        -------
        DataFrame, genes x classes.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        """
        self._check_trained()
        return pd.DataFrame(self._level_weights().T, index=self.gene_names, columns=self.classes)
