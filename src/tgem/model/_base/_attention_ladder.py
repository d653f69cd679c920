"""Classifiers with attention, that say what they owe to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, overload

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax

from tgem._core.validate import cell_indices, check_choice, check_count
from tgem.model._base._explained import PREDICTED, ExplainedClassifier
from tgem.nn.swapped_attention import (
    FROM_REFERENCE,
    MEAN,
    OWN,
    RUNGS,
    MapSwapper,
    attention_sites,
    own_maps,
    states_at_sites,
    swapped,
)

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.data import FieldDataset
    from tgem.model._base._registered import Cells
    from tgem.nn.swapped_attention import States

Ablation = Literal["uniform", "mean", "shuffled"]

# Training cells that are averaged over by default; for large models time grows with them.
REFERENCE_CELLS = 500
REFERENCE_CELLS_OF_LARGE_MODELS = 100
LARGE_MODEL = 4000  # genes


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
        ablate_attention: Ablation | None = None,
    ) -> pd.DataFrame: ...

    def predict(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        soft: bool = False,
        batch_size: int | None = None,
        ablate_attention: Ablation | None = None,
    ) -> np.ndarray[Any, Any] | pd.DataFrame:
        """Predict the label of each cell, with its own attention or with less.

        Genes are matched by name: their order does not matter, missing ones count as not
        expressed (with a warning), others are not looked at. The data are not changed, and need
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
            Whether to return probabilities instead of labels.
        batch_size
            Cells per forward pass.
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
            values are no log-normalised expression, or for ``"mean"`` without training cells.
        """
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
        return self._probabilities(logits, adata, indices) if soft else self._labels_of(logits)

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
            values = log_softmax(logits.astype(np.float64), axis=1)
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

    # -- running with other maps ----------------------------------------------------------

    def _reference_states(self, n_reference: int | None = None, seed: int = 0) -> list[States]:
        """Hidden states of training cells where attention reads them."""
        if self.adata is None or self.train_indices is None:
            msg = (
                "Expected the training cells, whose attention maps the cells' own are compared "
                "with, but the model holds no data. Attach them: "
                f"`{type(self).__name__}.load(folder, adata=adata)`."
            )
            raise ValueError(msg)
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

    def _check_attention(self) -> None:
        self._check_trained()
        if not attention_sites(self.module):
            msg = f"Expected a network with attention, but this {type(self).__name__} has none."
            raise ValueError(msg)

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
        return self._outputs_of(dataset, cells, batch_size, network=partial(swapper.outputs, rung))
