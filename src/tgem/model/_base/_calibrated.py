"""Calibrated probabilities, and sets of labels that hold the right one as often as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from tgem._core.errors import listed
from tgem._core.validate import cell_indices
from tgem.model._base._conformal import conformal_quantile, prediction_sets
from tgem.model._base._measured import MeasuredModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base._registered import Cells

    Array = np.ndarray[Any, Any]


class CalibratedModel(MeasuredModel):
    """A model of labels with calibrated probabilities and prediction sets."""

    # -- probabilities --------------------------------------------------------------------

    def _calibrated(self, logits: Array, allowed: Sequence[Any] | str | None = None) -> Array:
        """Logits over the temperature; -inf for classes that are not allowed."""
        scaled: Array = logits / np.float32(self.calibration.temperature)
        if allowed is not None:
            scaled[:, ~self._is_allowed(allowed)] = -np.inf
        return scaled

    def _is_allowed(self, allowed: Sequence[Any] | str) -> Array:
        chosen = [allowed] if isinstance(allowed, str) else list(allowed)
        unknown = [label for label in chosen if label not in self.classes]
        if unknown or not chosen:
            msg = (
                f"Expected `allowed` to name labels that the model knows, got "
                f"{listed(unknown) or 'none'}. The model's labels are {listed(self.classes, 40)}."
            )
            raise ValueError(msg)
        return np.isin(np.arange(len(self.classes)), pd.Index(self.classes).get_indexer(chosen))

    def _probabilities(
        self, scaled_logits: Array, adata: AnnData | None, indices: Cells
    ) -> pd.DataFrame:
        data = self._data(adata)
        cells = cell_indices(indices, data.n_obs)
        return pd.DataFrame(
            softmax(scaled_logits, axis=1), index=data.obs_names[cells], columns=self.classes
        )

    # -- prediction sets ------------------------------------------------------------------

    def predict_sets(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        alpha: float = 0.1,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Predict for each cell a set of labels that holds the right one as often as promised.

        Split conformal prediction with the validation cells: of new cells that are like these,
        a share of at least 1 - `alpha` has its label in its set. That holds whatever the model,
        with two limits. It is a promise for all cells together, not for each class or cell. And
        the new cells must be exchangeable with the validation cells: cells of another donor,
        laboratory or population are not, and no promise is made for them. (Nor is it exact where
        `early_stopping` has looked at the validation cells.)

        The set holds each label whose probability is above a common threshold (least ambiguous
        sets: the smallest on average), and always the most probable one.

        Parameters
        ----------
        adata
            Cells, log1p-normalised as the training data were; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        alpha
            Share of cells whose label may be missing from the set.
        batch_size
            Cells per forward pass.

        Returns
        -------
        Boolean DataFrame, cells x classes.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there are too few validation cells for `alpha`.
        """
        if isinstance(alpha, bool) or not 0 < alpha < 1:
            msg = f"Expected `alpha` between 0 and 1, got {alpha!r}."
            raise ValueError(msg)
        self._check_trained()
        scores = self._reliability.label_scores
        self._check_validation_cells(len(scores), 1 - alpha, f"`alpha={alpha}`")
        logits = self._outputs(adata, indices, batch_size).astype(np.float64)
        # The temperature was fitted to the validation cells: without it, nothing was, and the
        # cells stay exchangeable.
        chosen = prediction_sets(softmax(logits, axis=1), conformal_quantile(scores, 1 - alpha))
        data = self._data(adata)
        names = data.obs_names[cell_indices(indices, data.n_obs)]
        return pd.DataFrame(chosen, index=names, columns=self.classes)
