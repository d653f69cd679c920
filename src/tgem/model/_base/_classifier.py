"""What models that assign one label to each cell share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from scipy.special import softmax

from tgem._core.keys import UNKNOWN
from tgem._core.validate import check_count
from tgem.model._base._calibrated import CalibratedModel
from tgem.model._base._calibration import calibration_scores, reliability_table
from tgem.model._base._scores import classification_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from tgem.model._base._registered import Cells

Reject = float | Literal["auto"] | None

ALL = "(all)"  # cells, in place of the predicted label


class ClassifierModel(CalibratedModel):
    """A model of labels: classes, probabilities, evaluation, attribution of a class."""

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
    ) -> np.ndarray[Any, Any] | pd.DataFrame:
        """Predict the label of each cell.

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

        Returns
        -------
        Labels, ``(n_obs,)``; or, if `soft`, a DataFrame of probabilities, cells x classes.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If fewer than :attr:`min_gene_share` of the model's genes are in the data, if the
            values are no log-normalised expression, for unknown labels, or for ``"auto"`` without
            validation cells.
        """
        self._check_options(soft=soft, reject=reject, allowed=allowed)
        logits = self._outputs(adata, indices, batch_size)
        return self._prediction(logits, adata, indices, soft=soft, reject=reject, allowed=allowed)

    def _check_options(
        self, *, soft: bool, reject: Reject, allowed: Sequence[Any] | str | None
    ) -> None:
        """Raise before the cells are read."""
        self._check_trained()
        if allowed is not None:
            self._is_allowed(allowed)
        if reject is not None:
            if soft:
                msg = (
                    "Expected `reject` with labels only: probabilities have no column for "
                    f"{UNKNOWN!r}. Leave out `soft=True`, or call `model.get_novelty(...)`."
                )
                raise ValueError(msg)
            self.get_rejection_threshold(reject)

    def _prediction(
        self,
        logits: np.ndarray[Any, Any],
        adata: AnnData | None,
        indices: Cells,
        *,
        soft: bool,
        reject: Reject,
        allowed: Sequence[Any] | str | None,
    ) -> np.ndarray[Any, Any] | pd.DataFrame:
        """Probabilities, or labels and unknowns."""
        scaled = self._calibrated(logits, allowed)
        if soft:
            return self._probabilities(scaled, adata, indices)
        labels: np.ndarray[Any, Any] = self.classes[scaled.argmax(axis=1)]
        if reject is not None:
            labels[
                self._novelty_of(logits, adata, indices) > self.get_rejection_threshold(reject)
            ] = UNKNOWN
        return labels

    def evaluate(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        batch_size: int | None = None,
    ) -> dict[str, Any]:
        """Compare predicted with given labels.

        Parameters
        ----------
        adata
            Labelled cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask. ``None`` means all cells of another data
            set, and of the training data, in part or in another order, the test cells (or, if
            there are none, the validation cells). Training cells are known by their names.
        batch_size
            Cells per forward pass.

        Returns
        -------
        ``accuracy``, ``balanced_accuracy`` (over the classes of the labels), ``macro_f1`` (over
        those of the labels or the predictions), ``mcc`` (Matthews correlation, missing if the
        labels are of a single class),
        ``n_cells``, ``cells`` (which ones), and ``confusion``, a DataFrame of counts with true
        labels as rows and predicted labels as columns.

        Of the probabilities: ``log_likelihood`` (mean logarithm of the probability of the label),
        ``brier_score`` (mean squared distance between probabilities and label, 0 to 2), and
        ``expected_calibration_error``, the mean distance between confidence and accuracy in 15
        bins of confidence. As chance keeps the two apart in any sample,
        ``expected_calibration_error_floor`` says what error to expect of perfect probabilities: the
        mean of 200 simulations (seeded) in which each of these cells is typed rightly with the
        probability that its confidence states.

        Raises
        ------
        ValueError
            If no cell has a label that the model knows.
        """
        cells, described = self._observations_to_evaluate(adata, indices)
        logits, codes = self._held_out(adata, cells, batch_size)
        return {
            **classification_scores(
                self.classes[codes], self.classes[logits.argmax(axis=1)], self.classes
            ),
            **calibration_scores(logits, codes),
            "cells": described,
        }

    def get_calibration_curve(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        n_bins: int = 10,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Return confidence and accuracy of cells held out, in bins of confidence.

        Parameters
        ----------
        adata, indices
            As in :meth:`evaluate`.
        n_bins
            Number of bins, of equal width.
        batch_size
            Cells per forward pass.

        Returns
        -------
        DataFrame with a row for each bin that holds cells: ``class`` (the predicted label;
        ``"(all)"`` for all cells), ``bin``, mean ``confidence``, ``accuracy`` with its 95 %
        interval ``low`` and ``high``, ``n_cells``.

        Raises
        ------
        ValueError
            If no cell has a label that the model knows.
        """
        check_count("n_bins", n_bins)
        logits, codes = self._held_out(adata, indices, batch_size)
        confidence, predicted = softmax(logits, axis=1).max(axis=1), logits.argmax(axis=1)
        groups = {ALL: np.ones(len(codes), dtype=bool)}
        groups |= {str(label): predicted == code for code, label in enumerate(self.classes)}
        tables = [
            reliability_table(
                confidence[cells], predicted[cells] == codes[cells], n_bins=n_bins
            ).assign(**{"class": name})
            for name, cells in groups.items()
            if cells.any()
        ]
        table = pd.concat(tables, ignore_index=True)
        return table[["class", *table.columns.drop("class")]]

    def _held_out(
        self, adata: AnnData | None, indices: Cells, batch_size: int | None
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Calibrated logits, and classes, of cells whose label the model knows."""
        cells, true = self.labelled_cells(adata, indices)
        logits = self._calibrated(self._outputs(adata, cells, batch_size))
        return logits.astype(np.float64), pd.Index(self.classes).get_indexer(true)
