"""What a classifier measures of itself at the end of training, and its score of unknown cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tgem._core.keys import UNKNOWN
from tgem._core.validate import cell_indices
from tgem.model._base._conformal import conformal_quantile, fewest_cells
from tgem.model._base._labelled import LabelledModel
from tgem.model._base._novelty import cells_to_describe, training_space
from tgem.model._base._reliability import Reliability, reliability

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.data import FieldDataset, Split
    from tgem.model._base._calibration import Calibration
    from tgem.model._base._registered import Cells

    Array = np.ndarray[Any, Any]

KNOWN_SHARE = 0.95  # of known cells that keep their label with `reject="auto"`
BLOCK = 1024  # cells read at a time


class MeasuredModel(LabelledModel):
    """A model of labels that knows its validation cells' scores, and how new a cell is to it."""

    _reliability: Reliability = Reliability()

    # -- at the end of training -----------------------------------------------------------

    def _after_training(self, dataset: FieldDataset, split: Split, *, seed: int) -> None:
        codes = dataset.read(self._labels, split.train)
        drawn = cells_to_describe(codes, len(self.gene_names), np.random.default_rng(seed))
        cells = split.train[drawn]
        space = training_space(
            dataset.read(self._features, cells),
            self._outputs_of(dataset, cells, None),
            codes[drawn],
            seed=seed,
        )
        self._reliability = Reliability(space=space)
        logits = self._outputs_of(dataset, split.validation, None)
        self._reliability = reliability(
            space,
            logits,
            dataset.read(self._labels, split.validation),
            novelty=self._novelty_of(logits, None, split.validation),
            trained=np.unique(codes),
            n_scaled=self._n_scaled(len(codes)),
        )

    def _n_scaled(self, n_train: int) -> int:
        """Number of cells whose likelihood has set the scale of the logits in training."""
        return 0

    def _beside_weights(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return self._reliability.as_saved()

    def _restore_beside_weights(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._reliability = Reliability.from_saved(described, arrays)

    @property
    def calibration(self) -> Calibration:
        """Temperature that the logits are divided by, and how many cells it was fitted to.

        One number, fitted to the validation cells after training (:cite:t:`guo2017`); it changes no
        label. 1, with the reason, if there are fewer than 30 of them.
        """
        return self._reliability.calibration

    # -- novelty --------------------------------------------------------------------------

    @property
    def has_novelty(self) -> bool:
        """Whether the model can say how unlike its training cells a cell is."""
        return self._reliability.space is not None

    def get_novelty(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        batch_size: int | None = None,
    ) -> Array:
        """Return how unlike the training cells each cell is, for cells of types never seen.

        The mean of two out-of-distribution scores: the energy of the logits, high where the
        classifier finds no class, and the logarithm of the Mahalanobis distance from the nearest
        class among the 30 leading principal components of expression, high where no class is. Both
        are centred and scaled by the training cells, so 0 is a usual training cell; what is
        unusual, :meth:`get_novelty_threshold` says.

        Genes that the data lack count as average. Cells of poor quality, doublets and cells of
        another laboratory are unlike the training cells too.

        Parameters
        ----------
        adata
            Cells, log1p-normalised as the training data were; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        batch_size
            Cells per forward pass.

        Returns
        -------
        Array of float32, ``(n_obs,)``.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If it was saved by a version of tgem without this score.
        """
        return self._novelty_of(self._outputs(adata, indices, batch_size), adata, indices)

    def _novelty_of(self, logits: Array, adata: AnnData | None, indices: Cells) -> Array:
        """Novelty of cells whose logits are known."""
        space = self._reliability.space
        if space is None:
            msg = (
                "Expected a description of the training cells beside the weights, but the model "
                "was saved by an earlier version of tgem. Train it again."
            )
            raise ValueError(msg)
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        missing = self.align_genes(self._data(adata)).columns < 0
        blocks = [
            space.novelty(
                dataset.read(self._features, cells[start : start + BLOCK]),
                logits[start : start + BLOCK],
                missing=missing,
            )
            for start in range(0, len(cells), BLOCK)
        ]
        return np.concatenate([*blocks, np.empty(0, dtype=np.float32)])

    def get_novelty_threshold(self, known_share: float = KNOWN_SHARE) -> float:
        """Return the novelty that a given share of cells of known types stays below.

        Of new cells that are exchangeable with the validation cells, at least this share has a
        novelty of at most the threshold.

        Parameters
        ----------
        known_share
            Share of the known cells that are to keep their label.

        Returns
        -------
        The threshold, for ``predict(..., reject=threshold)``.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there are too few validation cells for the share.
        """
        if isinstance(known_share, bool) or not 0 < known_share < 1:
            msg = f"Expected `known_share` between 0 and 1, got {known_share!r}."
            raise ValueError(msg)
        self._check_trained()
        known = self._reliability.novelty
        self._check_validation_cells(len(known), known_share, f"a share of {known_share:g}")
        return conformal_quantile(known, known_share)

    def get_rejection_threshold(self, reject: float | Literal["auto"] = "auto") -> float:
        """Return the novelty above which ``predict(..., reject=reject)`` calls a cell unknown.

        Parameters
        ----------
        reject
            ``"auto"`` for the novelty that 95 % of known cells stay below, or a number.

        Returns
        -------
        The threshold.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the model has a class called ``"Unknown"``, if `reject` is no number, or for
            ``"auto"`` if there are too few validation cells.
        """
        self._check_trained()
        if UNKNOWN in self.classes:
            msg = (
                f"Expected no class called {UNKNOWN!r}, which is what rejected cells are called, "
                "but the model was trained with one. Set the data up with "
                f"`setup_anndata(..., unlabeled_category={UNKNOWN!r})` and train again, or leave "
                "out `reject` and look at `model.get_novelty(...)`."
            )
            raise ValueError(msg)
        if isinstance(reject, str) and reject == "auto":
            return self.get_novelty_threshold()
        is_number = isinstance(reject, int | float | np.number) and not isinstance(reject, bool)
        if not is_number or math.isnan(float(reject)):
            msg = (
                f"Expected `reject` to be None, 'auto' or a novelty, got {reject!r}. "
                "`model.get_novelty_threshold(0.99)` gives one that 99 % of known cells pass."
            )
            raise ValueError(msg)
        return float(reject)

    def _check_validation_cells(self, found: int, share: float, what: str) -> None:
        """Raise unless there are validation cells enough for a quantile."""
        needed = fewest_cells(share)
        if found < needed:
            msg = (
                f"Expected at least {needed} validation cells for {what}, found {found or 'none'}. "
                "They must not be trained on: train again with more, such as "
                "`model.train(validation_size=0.1)`, or name them in the column of `split_key`."
            )
            raise ValueError(msg)
