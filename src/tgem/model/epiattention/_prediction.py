"""What EpiAttention predicts, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit

from tgem._core.errors import listed
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import cell_indices, check_choice
from tgem.data import ExpressionTargetField
from tgem.model._base import SupervisedModel
from tgem.model.epiattention._inputs import separate
from tgem.model.epiattention._module import EXPRESSION_KEY
from tgem.model.epiattention._scores import ALL, expression_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from torch import Tensor

    from tgem.data import Data, FieldDataset, GeneAlignment
    from tgem.model._base._registered import Cells
    from tgem.model.epiattention._module import EpiAttentionModule

NO_GENES = "Genes are the observations of EpiAttention: see `model.feature_names(modality)`."


class EpigenomePredictor(SupervisedModel):
    """Predictions, scores and latent space of EpiAttention."""

    module: EpiAttentionModule
    _task: str

    @property
    def gene_names(self) -> pd.Index:
        """Not defined: the genes are the observations. See :meth:`feature_names`."""
        raise AttributeError(NO_GENES)

    def align_genes(self, adata: Data) -> GeneAlignment:
        """Not defined: genes need no alignment, as any may be predicted.

        Parameters
        ----------
        adata
            Any data.
        """
        raise AttributeError(NO_GENES)

    def get_expression(
        self, adata: Data | None = None, indices: Cells = None
    ) -> np.ndarray[Any, Any]:
        """Not defined: expression is what the model predicts.

        Parameters
        ----------
        adata, indices
            Any data.
        """
        raise AttributeError(NO_GENES)

    @property
    def task(self) -> str:
        """``"binary"`` or ``"regression"``."""
        return self._task

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the model: ``"histone"``, ``"methylation"``, ``"tf"`` or some of them."""
        return self.module.names

    def feature_names(self, modality: str) -> tuple[list[Any], list[Any]]:
        """Names along a modality's grid: marks and bins, slots and features, factors and features.

        Parameters
        ----------
        modality
            One of :attr:`modalities`.

        Returns
        -------
        Names of the rows and of the columns, in the model's order.
        """
        check_choice("modality", modality, self.modalities)
        state = field_states(self.registry_)[modality]
        return list(state["rows"]), list(state["columns"])

    def _read(
        self, data: Data | None, indices: Cells, batch_size: int | None
    ) -> Iterator[tuple[Tensor, ...]]:
        self._check_trained()
        dataset = self._dataset(data)
        self.module.eval()
        return self._batches(dataset, cell_indices(indices, len(dataset)), batch_size)

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
        5 for factors; 0 for the modalities that a gene lacks.
        """
        with torch.inference_mode():
            blocks = [
                self.module.encode(*self.module.masked(*inputs)).latent.float().cpu().numpy()
                for inputs in self._read(mdata, indices, batch_size)
            ]
        n_entries = sum(self.module.fusion.sizes)
        return np.concatenate([*blocks, np.empty((0, n_entries), dtype=np.float32)])

    def _has(self, dataset: Any, modality: str, cells: np.ndarray[Any, Any]) -> Any:
        """Whether each gene has a modality."""
        values = torch.from_numpy(dataset.read(modality, cells))
        return separate(values, modality)[1].bool().any(1).numpy()

    @property
    def _n_targets(self) -> int:
        return 1

    def _cell_types(self, mdata: Data | None) -> np.ndarray[Any, Any]:
        key, data = self.registry_[SETUP_ARGS]["cell_type_key"], self._data(mdata)
        if key is None:
            return np.full(data.n_obs, ALL, dtype=object)
        names: np.ndarray[Any, Any] = data.obs[key].astype(str).to_numpy(dtype=object)
        return names

    def _batches(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], batch_size: int | None
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Refuse genes of which nothing is known."""
        for inputs in super()._batches(dataset, cells, batch_size):
            masks = self.module.masked(*inputs)[1 : 2 * len(self.modalities) : 2]
            measured = torch.stack([mask.bool().any(1) for mask in masks]).any(0)
            if not measured.all():
                msg = (
                    f"Expected every gene to be measured in some modality ("
                    f"{listed(self.modalities)}), found {int((~measured).sum())} of a batch of "
                    f"{len(measured)} in none. Leave them out with `indices`, or remove them."
                )
                raise ValueError(msg)
            yield inputs

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
        regression, expression in the units of the training data, float32.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If marks, bins, factors or cell types do not fit the model, or a gene was measured in
            no modality.
        """
        outputs = self._outputs(mdata, indices, batch_size)[:, 0]
        if self._task == "regression":
            return outputs
        return expit(outputs) if soft else outputs > 0

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
        chosen = cell_indices(self._held_out(mdata) if indices is None else indices, len(dataset))
        targets = torch.from_numpy(
            dataset.read(EXPRESSION_KEY, chosen)
            if self.registry_[SETUP_ARGS]["expression_key"] is not None
            else np.full((len(chosen), 2), np.nan, dtype=np.float32)
        )
        measured = ~targets[:, 0].isnan().numpy()
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

    def _held_out(self, mdata: Data | None) -> np.ndarray[Any, Any] | None:
        own = self.adata
        is_own = mdata is None or (own is not None and mdata.obs_names.equals(own.obs_names))
        if not is_own:
            return None
        for name in ("test_indices", "validation_indices"):
            cells: np.ndarray[Any, Any] | None = getattr(self, name)
            if cells is not None and len(cells):
                return cells
        msg = (
            "Expected test or validation genes to evaluate on: the model was trained on all "
            "genes. Name others with `mdata` or `indices`."
        )
        raise ValueError(msg)
