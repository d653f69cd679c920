"""Classifiers with attention, that can be run with maps other than the cells' own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
import torch

from tgem._core.validate import cell_indices, check_choice, check_count
from tgem.model._base._explained import ExplainedClassifier
from tgem.nn.swapped_attention import (
    FROM_REFERENCE,
    MapSwapper,
    attention_sites,
    states_at_sites,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

    from tgem.data import FieldDataset
    from tgem.model._base._classifier import Reject
    from tgem.model._base._registered import Cells
    from tgem.nn.swapped_attention import States

Ablation = Literal["uniform", "mean", "shuffled"]

# Training cells that are averaged over by default; for large models time grows with them.
REFERENCE_CELLS = 500
REFERENCE_CELLS_OF_LARGE_MODELS = 100
LARGE_MODEL = 4000  # genes


class AttentionClassifier(ExplainedClassifier):
    """A classifier that can be run with attention maps other than the cells' own.

    Its network's layers with attention are :class:`~tgem.nn.attention_maps.AttentionSite`.
    """

    # -- prediction -----------------------------------------------------------------------

    @overload
    def predict(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        soft: Literal[False] = False,
        batch_size: int | None = None,
        reject: Reject = None,
        allowed: Sequence[Any] | str | None = None,
        ablate_attention: Ablation | None = None,
    ) -> np.ndarray[Any, Any]: ...

    @overload
    def predict(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        soft: Literal[True],
        batch_size: int | None = None,
        reject: None = None,
        allowed: Sequence[Any] | str | None = None,
        ablate_attention: Ablation | None = None,
    ) -> pd.DataFrame: ...

    def predict(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        soft: bool = False,
        batch_size: int | None = None,
        reject: Reject = None,
        allowed: Sequence[Any] | str | None = None,
        ablate_attention: Ablation | None = None,
    ) -> np.ndarray[Any, Any] | pd.DataFrame:
        """Predict the label of each cell, with its own attention or with less.

        Genes are matched by name: their order does not matter, missing ones count as
        average (with a warning), others are not looked at. The data are not changed, and need
        neither labels nor a set-up. If the model was set up with ``use_raw=True`` and `adata` has
        no ``.raw``, ``adata.X`` is read.

        Parameters
        ----------
        adata
            Cells to label, log1p-normalised as the training data were; ``None`` for the training
            data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        soft
            Whether to return probabilities instead of labels. They are calibrated, if the model
            was trained with validation cells (:attr:`calibration`).
        batch_size
            Cells per forward pass.
        reject
            Cells whose novelty (:meth:`get_novelty`) is above this get the label ``"Unknown"``.
            ``"auto"``: the threshold that 95 % of known cells stay below. ``None``: every cell
            gets a label that the model knows.
        allowed
            Labels to choose from, where others cannot occur; the probabilities of the others
            become 0 and those of the allowed ones add up to 1. ``None`` for all.
        ablate_attention
            ``None``: as trained. Otherwise the attention maps that replace each cell's own, in all
            layers together: ``"mean"``, the mean map of up to 500 training cells (100 for models
            of more than 4,000 genes), which must be attached to the model; ``"shuffled"``, its own
            with the genes that are looked at permuted; ``"uniform"``, the same weight for all
            genes. :meth:`get_attention_ladder` has all of them, with numbers of cells and seeds.

        Returns
        -------
        Labels, ``(n_obs,)``; or, if `soft`, a DataFrame of probabilities, cells x classes.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If fewer than :attr:`min_gene_share` of the model's genes are in the data, if the
            values are no log-normalised expression, for unknown labels, for ``"auto"`` without
            validation cells, or for ``"mean"`` without training cells.
        """
        self._check_options(soft=soft, reject=reject, allowed=allowed)
        if ablate_attention is None:
            logits = self._outputs(adata, indices, batch_size)
        else:
            check_choice("ablate_attention", ablate_attention, (None, *get_args(Ablation)))
            self._check_attention()
            reference = self._reference_states() if ablate_attention in FROM_REFERENCE else None
            swapper = MapSwapper(self.module, reference)
            dataset = self._dataset(adata)
            cells = cell_indices(indices, len(dataset))
            logits = self._swapped(swapper, ablate_attention, dataset, cells, batch_size=batch_size)
        return self._prediction(logits, adata, indices, soft=soft, reject=reject, allowed=allowed)

    # -- running with other maps ----------------------------------------------------------

    def _reference_states(self, n_reference: int | None = None, seed: int = 0) -> list[States]:
        """Hidden states of training cells where attention reads them."""
        self.check_training_cells()
        if n_reference is None:
            large = len(self.gene_names) > LARGE_MODEL
            n_reference = REFERENCE_CELLS_OF_LARGE_MODELS if large else REFERENCE_CELLS
        check_count("n_reference", n_reference)
        cells = np.asarray(self.train_indices)
        if len(cells) > n_reference:
            generator = np.random.default_rng(seed)
            cells = np.sort(generator.choice(cells, size=n_reference, replace=False))
        self.module.eval()
        with torch.inference_mode():
            batches = [
                states_at_sites(self.module, *inputs)
                for inputs in self._batches(self._dataset(None), cells, None)
            ]
        return [
            tuple(torch.cat(parts) for parts in zip(*site, strict=True))
            for site in zip(*batches, strict=True)
        ]

    def check_training_cells(self) -> None:
        """Raise a ValueError unless the model holds its training cells, as a loaded one may not."""
        if self.adata is None or self.train_indices is None:
            msg = (
                "Expected the training cells, whose attention maps the cells' own are compared "
                "with, but the model holds no data. Attach them: "
                f"`{type(self).__name__}.load(folder, adata=adata)`."
            )
            raise ValueError(msg)

    def _check_attention(self) -> None:
        self._check_trained()
        if not attention_sites(self.module):
            msg = f"Expected a network with attention, but this {type(self).__name__} has none."
            raise ValueError(msg)

    def _attention_counts(self) -> bool:
        """Whether the outputs depend on attention at all."""
        return True

    def _swapped(
        self,
        swapper: MapSwapper,
        rung: str,
        dataset: FieldDataset,
        cells: np.ndarray[Any, Any],
        *,
        batch_size: int | None,
    ) -> np.ndarray[Any, Any]:
        """Outputs of the network on a rung; `swapper` holds the seeds and the mean maps."""
        if not self._attention_counts():  # all maps are as good, and are slow to compute
            return self._outputs_of(dataset, cells, batch_size)
        return self._outputs_of(dataset, cells, batch_size, network=partial(swapper.outputs, rung))
