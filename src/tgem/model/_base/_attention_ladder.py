"""What a classifier owes to its attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax

from tgem._core.validate import cell_indices
from tgem.model._base._attention import AttentionClassifier
from tgem.model._base._explained import PREDICTED
from tgem.nn.swapped_attention import MEAN, OWN, RUNGS, MapSwapper, own_maps, swapped

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base._registered import Cells


class AttentionLadder(NamedTuple):
    """What a model says of the same cells with their own and with other attention maps.

    Attributes
    ----------
    log_probability
        For ``"own"``, ``"mean"``, ``"other"``, ``"shuffled"`` and ``"uniform"`` maps, the
        logarithms of the probabilities, a DataFrame of cells x classes.
    n_reference
        Training cells that the mean map is the mean of.
    """

    log_probability: dict[str, pd.DataFrame]
    n_reference: int


class ExplainedAttentionClassifier(AttentionClassifier):
    """A classifier with attention that says what it owes to it."""

    def get_attention_ladder(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        n_reference: int | None = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> AttentionLadder:
        """Predict with each cell's own attention maps, and with four kinds of others.

        :func:`tgem.tl.attention_necessity` turns them into accuracies; see there for what each
        kind is and says.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        n_reference
            Training cells, chosen at random, for the mean map and for the maps of other cells;
            ``None`` for 500, or 100 for models of more than 4,000 genes. If there are fewer, all.
        seed
            Seed of the choice of training cells and of the permutations of genes.
        batch_size
            Cells per forward pass.

        Returns
        -------
        Log-probabilities for each kind of map, and the number of training cells used.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the model holds no training cells or no attention.
        """
        self._check_attention()
        reference = self._reference_states(n_reference, seed)
        swapper = MapSwapper(self.module, reference, seed=seed)
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        names = self._data(adata).obs_names[cells]
        tables = {}
        for rung in RUNGS:
            logits = self._swapped(swapper, rung, dataset, cells, batch_size=batch_size)
            values = log_softmax(self._calibrated(logits).astype(np.float64), axis=1)
            tables[rung] = pd.DataFrame(values, index=names, columns=self.classes)
        return AttentionLadder(tables, len(reference[0][0]))

    def get_attention_share(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        target: Any = PREDICTED,
        n_reference: int | None = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        r"""Say how much of each cell's decision its attention maps carry.

        With the logit :math:`F` of the target class, the shares are

        .. math:: \frac{F(A) - F(\bar A)}{F(x) - F(0)}, \qquad \frac{F(A) - F(A_0)}{F(x) - F(0)},

        the change of the logit when the cell's own maps :math:`A` give way, in all layers
        together, to the mean maps of training cells or to the maps of a cell that expresses
        nothing, over the change that the cell's expression makes in all.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        target
            ``"predicted"``, each cell's own predicted label, or one label for all cells.
        n_reference, seed, batch_size
            As in :meth:`get_attention_ladder`.

        Returns
        -------
        DataFrame with a row for each cell: ``share_mean``, the cell-specific share;
        ``share_zero``, the share against the maps of nothing; and ``change``,
        :math:`F(x) - F(0)`. Where the change is small, shares are large and say little: look at
        medians. Where it is 0, they are NaN.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the model holds no training cells or no attention, or for an unknown target.
        """
        self._check_attention()
        swapper = MapSwapper(self.module, self._reference_states(n_reference, seed))
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        own = self._swapped(swapper, OWN, dataset, cells, batch_size=batch_size)
        mean = self._swapped(swapper, MEAN, dataset, cells, batch_size=batch_size)
        nothing = torch.zeros(1, len(self.gene_names), device=self.module.device)
        with torch.inference_mode():
            empty = self.module(nothing).float().cpu().numpy()
            maps_of_nothing = own_maps(self.module, nothing)
        with swapped(self.module, maps_of_nothing):
            zero = self._outputs_of(dataset, cells, batch_size)
        if isinstance(target, str) and target == PREDICTED:
            codes = own.argmax(axis=1)
        else:
            codes = np.full(len(own), self._code("target", target, (PREDICTED,)))
        outputs = np.stack([own, mean, zero, np.broadcast_to(empty, own.shape)])
        own, mean, zero, empty = outputs[:, np.arange(len(codes)), codes].astype(np.float64)
        change = own - empty
        divisor = np.where(change == 0, np.nan, change)
        columns = {
            "share_mean": (own - mean) / divisor,
            "share_zero": (own - zero) / divisor,
            "change": change,
        }
        return pd.DataFrame(columns, index=self._data(adata).obs_names[cells])
