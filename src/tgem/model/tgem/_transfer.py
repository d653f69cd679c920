"""Labels for cells of another donor, chemistry or laboratory."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from tgem._core.scvi_compat import SETUP_ARGS
from tgem.data import FieldDataset, ShiftedDataset
from tgem.model.tgem._levels import blocks
from tgem.model.tgem._remembering import RememberingModel
from tgem.model.tgem._transfer_alignment import find_shift
from tgem.model.tgem._transfer_cells import (
    GivenCells,
    batches_of,
    drawn_cells,
    labels_among,
    summarize_cells,
    weighted_sums,
)
from tgem.model.tgem._transfer_judges import combined, correlations, gene_weights
from tgem.model.tgem._transfer_report import describe_batches
from tgem.model.tgem._transferred import Transferred

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model.tgem._transfer_alignment import Shift
    from tgem.model.tgem._transfer_reference import TransferReference
    from tgem.model.tgem._typing_module import TypingModule

    Array = np.ndarray[Any, Any]


class TransferableModel(RememberingModel):
    """A typing model that can meet another data set."""

    module: TypingModule

    @abstractmethod
    def _latent_of(self, dataset: FieldDataset, cells: Array, batch_size: int | None) -> Array:
        """Latent representation of cells of a data set that is checked."""

    # -- transfer -------------------------------------------------------------------------

    def transfer(
        self,
        adata: AnnData,
        *,
        batch_key: str | None = None,
        labels_key: str | None = None,
        batch_size: int | None = None,
    ) -> Transferred:
        r"""Label the cells of another donor, chemistry or laboratory.

        Two things differ between data sets: what they are made of, and how high each gene is
        measured. The second is estimated given the first: the cells of each class should have the
        mean expression of that class in the training data, and what every gene lacks of it, on
        average over the classes, is added to all cells; these shifts and the cells' labels are
        found in turns. A cell's label then comes from two judges, the network's logits and the
        correlation of the cell's genes with the mean of each class, which depth and quality of a
        cell change little and in which genes count the more, the more the classifier looks at
        them. The model is not changed.

        All cells of a batch share one shift, so a batch should be one sample or one run, with tens
        of cells at least; with few, the shift shrinks to 0. Every cell gets one of the model's
        labels: a population that was not in the training data gets a wrong one, and draws the
        shift towards itself if it is large.

        Parameters
        ----------
        adata
            Cells, log1p-normalised as the training data were. Genes are matched by name, with or
            without version suffixes, or by the column of ``adata.var`` that holds the model's
            identifiers; missing ones count as average.
        batch_key
            Column of ``adata.obs`` with the sample or run of each cell; ``None`` if all are of one.
        labels_key
            Column of ``adata.obs`` with the model's labels for a few cells, and missing values (or
            the model's `unlabeled_category`) for the others. The classes are moved towards them.
        batch_size
            Cells per forward pass.

        Returns
        -------
        Probabilities, latent representation, composition and a report of each batch.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        KeyError
            If there is no such column.
        ValueError
            If the data do not fit the model, if a cell has no batch, if no label is one of the
            model's, or if the model was saved by a version of tgem without transfer.
        """
        self._check_trained()
        reference = self._known_reference()
        data = self._data(adata)
        batches, names = batches_of(data, batch_key)
        labels = labels_among(
            data,
            labels_key,
            classes=list(self.classes),
            unlabeled_category=self.registry_[SETUP_ARGS]["unlabeled_category"],
        )
        given = GivenCells(batches, labels, names)
        dataset = super()._dataset(adata)  # totals are looked at batch by batch
        genes = self.align_genes(data)
        found = genes.columns >= 0
        shift = self._find_shift(dataset, found, given, batch_size=batch_size)
        offsets = np.zeros((len(names), len(found)), dtype=np.float32)
        offsets[:, found] = shift.offsets * reference.gene_scale[found]
        shifted = ShiftedDataset(dataset, self._features, offsets=offsets, batches=batches)
        cells = np.arange(data.n_obs)
        likeness, logits = self._judged(
            shifted, cells, found, class_levels=shift.class_levels, batch_size=batch_size
        )
        evidence = combined(likeness, logits, reference.class_shares > 0)
        probabilities = pd.DataFrame(
            softmax(evidence, axis=1), index=data.obs_names, columns=self.classes
        )
        return Transferred(
            probabilities,
            self._latent_of(shifted, cells, batch_size),
            probabilities.groupby(names[batches], sort=False).mean().reindex(names),
            describe_batches(
                lambda block: dataset.read(self._features, block)[:, found],
                reference.of_genes(found),
                given,
                shift=shift,
                confidence=probabilities.to_numpy().max(axis=1),
                check_totals=self._has_logarithms(),
            ),
            genes,
            self._weight_of(found),
        )

    def _known_reference(self) -> TransferReference:
        if self._of_training is None:
            msg = (
                "Expected the mean expression of the training classes beside the weights, but the "
                "model was saved by an earlier version of tgem. Train it again, or predict "
                "without transfer."
            )
            raise ValueError(msg)
        return self._of_training

    def _judged(
        self,
        dataset: FieldDataset,
        cells: Array,
        found: Array,
        *,
        class_levels: Array,
        batch_size: int | None,
    ) -> tuple[Array, Array]:
        """Correlations with the classes, and calibrated logits."""
        reference = self._known_reference()
        known, weights = reference.class_shares > 0, gene_weights(self._level_weights()[:, found])
        likeness = [
            correlations(self._levels(dataset, block)[:, found], class_levels, known, weights)
            for block in blocks(cells)
        ]
        logits = self._calibrated(self._outputs_of(dataset, cells, batch_size))
        return np.concatenate(likeness), logits.astype(np.float64)

    def _levels(self, dataset: FieldDataset, cells: Array) -> Array:
        return self._known_reference().levels(dataset.read(self._features, cells))

    def _find_shift(
        self, dataset: FieldDataset, found: Array, given: GivenCells, *, batch_size: int | None
    ) -> Shift:
        """Shift of each batch, from some of its cells."""
        reference = self._known_reference()
        cells = drawn_cells(given)
        scale, n_genes = reference.gene_scale[found], len(found)

        def scores(offsets: Array, class_levels: Array) -> tuple[Array, Array]:
            of_genes = np.zeros((len(offsets), n_genes), dtype=np.float32)
            of_genes[:, found] = offsets * scale
            shifted = ShiftedDataset(
                dataset, self._features, offsets=of_genes, batches=given.batches
            )
            return self._judged(
                shifted, cells, found, class_levels=class_levels, batch_size=batch_size
            )

        def levels(block: Array) -> Array:
            return self._levels(dataset, block)[:, found]

        return find_shift(
            summarize_cells(levels, cells, given, n_classes=len(self.classes)),
            reference.class_levels[:, found].astype(np.float64),
            reference.class_shares.astype(np.float64),
            scores=scores,
            weighted_sums=partial(weighted_sums, levels, cells, given.batches[cells]),
        )

    def _level_weights(self) -> Array:
        """Weight of each gene's level for each class, ``(n_classes, n_genes)``."""
        with torch.inference_mode():
            weights = self.module.class_weights()[:, : len(self.gene_names)]
            return np.asarray(weights.cpu().numpy())

    def _weight_of(self, found: Array) -> float:
        """Share of the classes' weights for levels that is on some genes."""
        weights = np.abs(self._level_weights()).sum(axis=0)
        return float(weights[found].sum() / max(weights.sum(), 1e-12))
