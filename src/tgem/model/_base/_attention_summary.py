"""Classifiers whose attention is summarised: how evenly genes attend, and who receives it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch

from tgem._core.validate import cell_indices, check_choice
from tgem.model._base._attention_totals import AttentionSummary, AttentionTotals, LayerAttention
from tgem.model._base._cell_groups import column_of_groups
from tgem.model._base._retraining import RetrainedClassifier
from tgem.nn.site_attribution import between_genes
from tgem.nn.statistics import attention_statistics
from tgem.nn.swapped_attention import own_maps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from tgem.data import FieldDataset
    from tgem.model._base._registered import Cells

BATCH_SIZE = 64


class SummarizedClassifier(RetrainedClassifier):
    """A classifier whose attention can be summarised."""

    def get_attention_entropy(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        of: Literal["cells", "genes"] = "cells",
        batch_size: int = BATCH_SIZE,
    ) -> pd.DataFrame:
        r"""Say how evenly genes attend to other genes.

        The Shannon entropy of a gene's attention to all others, scaled up to sum to one, divided
        by its largest possible value :math:`\log(G - 1)`: 1 where a gene attends to all others
        alike, near 0 where it attends to a single one. Only genes whose query is not 0 count: a
        query of 0, as that of a gene that is not expressed in the published network, attends to
        all alike whatever the model has learned.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        of
            ``"cells"``: of each cell, the mean over genes. ``"genes"``: of each gene, the mean
            over cells.
        batch_size
            Cells per pass.

        Returns
        -------
        DataFrame, cells or genes x (layer, head), with columns such as ``layer1_head1``.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the model holds no attention between genes.
        """
        check_choice("of", of, ("cells", "genes"))
        summary = self.get_attention_summary(adata, indices, batch_size=batch_size)
        return summary.cells if of == "cells" else summary.genes

    def get_attention_received(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        groupby: str | None = None,
        per_cell: bool = False,
        batch_size: int = BATCH_SIZE,
    ) -> list[pd.DataFrame]:
        """Return the attention that each gene receives from all others, for each layer.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        groupby
            Column of ``adata.obs`` with the groups to average over; by default the predicted
            label.
        per_cell
            Whether to return cells x genes instead of means, mean over heads.
        batch_size
            Cells per pass.

        Returns
        -------
        For each layer a DataFrame, genes x classes (or other groups): sums of the attention maps'
        columns, mean over heads and over the cells of the class. An average gene receives nearly
        1.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the model holds no attention between genes.
        KeyError
            If there is no column `groupby`.
        """
        if not per_cell:
            return self.get_attention_summary(
                adata, indices, groupby=groupby, batch_size=batch_size
            ).received
        self._check_attention()
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        names = self._data(adata).obs_names[cells]
        blocks = [
            [layer.received.mean(1).float().cpu().numpy() for layer in layers]
            for layers in self._attention(dataset, cells, batch_size)
        ]
        return [
            pd.DataFrame(np.concatenate(layer), index=names, columns=self.gene_names)
            for layer in zip(*blocks, strict=True)
        ]

    def get_attention_summary(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        groupby: str | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> AttentionSummary:
        """Return the entropy of attention and the attention received, in one pass over the cells.

        Parameters
        ----------
        adata, indices, groupby, batch_size
            As in :meth:`get_attention_received`.

        Returns
        -------
        What :meth:`get_attention_entropy` and :meth:`get_attention_received` return.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there are no cells, or the model holds no attention between genes.
        KeyError
            If there is no column `groupby`.
        """
        self._check_attention()
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        if not len(cells):
            msg = "Expected at least one cell in `indices`, got none."
            raise ValueError(msg)
        if groupby is None:
            codes = self._outputs_of(dataset, cells, None).argmax(axis=1)
            groups = pd.Index(self.classes)
        else:
            column = column_of_groups(self._data(adata), cells, groupby)
            codes, groups = pd.factorize(column, sort=True)
        total = AttentionTotals(len(self.gene_names), len(groups))
        for layers in self._attention(dataset, cells, batch_size):
            total.add(layers, codes[total.n_obs : total.n_obs + len(layers[0].entropy)])
        names = self._data(adata).obs_names[cells]
        return total.summary(cells=names, genes=self.gene_names, groups=pd.Index(groups))

    def _attention(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], batch_size: int
    ) -> Iterator[list[LayerAttention]]:
        """Entropy and attention received in each layer, for one batch of cells after the other."""
        self.module.eval()
        largest = math.log(max(len(self.gene_names) - 1, 2))
        for inputs in self._batches(dataset, cells, batch_size):
            layers = []
            with torch.inference_mode():
                for maps in map(between_genes, own_maps(self.module, *inputs)):
                    found = attention_statistics(maps.q, maps.k, method=maps.method)
                    entropy = found.entropy_renormalized.double() / largest
                    entropy[maps.q.expand_as(entropy) == 0] = torch.nan
                    layers.append(LayerAttention(entropy, found.received.double()))
            yield layers
