"""What EpiAttention predicts, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit

from tgem._core.scvi_compat import SETUP_ARGS
from tgem.data import ExpressionTargetField
from tgem.model.epiattention._epigenome_model import EpigenomeModel
from tgem.model.epiattention._module import EXPRESSION_KEY
from tgem.model.epiattention._scores import expression_scores

if TYPE_CHECKING:
    import pandas as pd

    from tgem.data import Data
    from tgem.model._base._registered import Cells


class EpigenomePredictor(EpigenomeModel):
    """Predictions, scores and latent space of EpiAttention."""

    def get_latent_representation(
        self, mdata: Data | None = None, indices: Cells = None, *, batch_size: int | None = None
    ) -> np.ndarray[Any, Any]:
        """Return each gene's position in the regulatory latent space.

        It is the fused vector that the classifier reads: what the attentions made of the
        modalities together.

        Parameters
        ----------
        mdata
            Genes; ``None`` for the training data.
        indices
            Positions of the observations, or a boolean mask; ``None`` for all.
        batch_size
            Observations per forward pass.

        Returns
        -------
        Array of float32, ``(n_obs, n_entries)``, 80 entries for histone marks, 20 for methylation,
        5 for factors; 0 for the modalities that a gene lacks, NaN for a gene that lacks all.
        """
        genes = self._read(mdata, indices, batch_size)
        with torch.inference_mode():
            blocks = [
                self.module.encode(*self.module.masked(*inputs)).latent.float().cpu().numpy()
                for inputs in genes.batches
            ]
        n_entries = sum(self.module.fusion.sizes)
        empty = np.empty((0, n_entries), dtype=np.float32)
        return genes.spread(np.concatenate([*blocks, empty]))

    def predict(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        soft: bool = False,
        batch_size: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Predict whether each gene is highly expressed, or its log expression.

        Marks, bins, factors and features are matched by name; others are not looked at. The data
        are not changed, and need neither expression nor a set-up.

        Parameters
        ----------
        mdata
            Genes, of the kind (MuData or AnnData) that the model was set up with; ``None`` for
            the training data.
        indices
            Positions of the observations, or a boolean mask; ``None`` for all.
        soft
            Whether to return the probability of high expression instead of the decision. Without
            effect on regression.
        batch_size
            Observations per forward pass.

        Returns
        -------
        ``(n_obs,)``: bool, True for high expression; or its probability, float32; or, for
        regression, expression in the units of the training data, float32. Missing (NaN) for genes
        that were measured in no modality: where there are such, decisions are float32, 0 or 1.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If marks, bins, factors or cell types do not fit the model, or no gene was measured in
            any modality.

        Warns
        -----
        MeasurementWarning
            If some genes were measured in no modality.
        """
        outputs = self._outputs(mdata, indices, batch_size)[:, 0]
        if self._task == "regression":
            return outputs
        if soft:
            return expit(outputs)
        high: np.ndarray[Any, Any] = outputs > 0
        if np.isnan(outputs).any():
            high = np.where(np.isnan(outputs), outputs, high).astype(np.float32)
        return high

    def evaluate(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        expression_key: str | None = None,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Compare predicted with measured expression.

        Parameters
        ----------
        mdata
            Genes with measured expression; ``None`` for the training data.
        indices
            Positions of the observations, or a boolean mask. ``None`` means all of other data, and
            of the training data the test genes (or, if there are none, the validation genes).
        expression_key
            Column of ``.obs`` to correlate the output with, where it is not the one that the
            model was trained on, which may hold 0 and 1 only.
        batch_size
            Observations per forward pass.

        Returns
        -------
        DataFrame, one row for each cell type and one for all (``"all"``): ``n_genes``;
        for a binary task ``auroc``, ``auprc``, ``accuracy`` of high expression (above the median
        of the training genes in the cell type); ``kendall_tau`` and ``spearman`` of the output
        with measured expression; for regression also ``pearson`` and ``mse``. NaN where a
        measure is not defined, such as the AUROC of genes that are all high.

        Raises
        ------
        ValueError
            If no expression was measured.
        """
        self._check_trained()
        dataset = self._dataset(mdata)
        chosen, _ = self._observations_to_evaluate(mdata, indices)
        targets = torch.from_numpy(
            dataset.read(EXPRESSION_KEY, chosen)
            if self.registry_[SETUP_ARGS]["expression_key"] is not None
            else np.full((len(chosen), 2), np.nan, dtype=np.float32)
        )
        measured = ~targets[:, 0].isnan().numpy()
        measured &= self._with_result(dataset, chosen)
        if not measured.any():
            key = self.registry_[SETUP_ARGS]["expression_key"]
            msg = f"Expected measured expression in .obs[{key!r}] to compare with, found none."
            raise ValueError(msg)
        cells, targets = chosen[measured], targets[measured]
        outputs = self._outputs(mdata, cells, batch_size)[:, 0]
        high = None
        if self._task == "binary":
            high = self.module.is_high(targets.to(self.module.device)).cpu().numpy() > 0
        expression = targets[:, 0].numpy()
        if expression_key is not None:
            field = next(f for f in self._fields if isinstance(f, ExpressionTargetField))
            expression = field.values(self._data(mdata), expression_key)[cells]
        return expression_scores(outputs, expression, high, self._cell_types(mdata)[cells])
