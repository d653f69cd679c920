"""What EpiAttention says beside its prediction: attention, attributions, importance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from tgem._core.validate import cell_indices, check_choice
from tgem.model.epiattention._attribution import (
    METHODS_WITHOUT_NOISE,
    RegulatoryAttribution,
    attribute_modalities,
    baselines_of,
)
from tgem.model.epiattention._importance import (
    importance_by_ablation,
    importance_by_attribution,
    importance_table,
    signals_of,
)
from tgem.model.epiattention._measured_genes import spread
from tgem.model.epiattention._module import FUSION
from tgem.model.epiattention._prediction import EpigenomePredictor

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from tgem.data import Data
    from tgem.model._base._registered import Cells

IMPORTANCE = ("modality", "mark", "bin", "factor")
BASELINES = ("mean", "zero")
DIRECTED = ("mark", "factor")  # more of them is one thing


class ExplainedEpigenome(EpigenomePredictor):
    """Attention, attributions and importances of EpiAttention."""

    def get_attention(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        modality: Literal["histone", "methylation", "tf", "fusion"],
        batch_size: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Return the attention weights of one modality or of the fusion.

        Attention says where the network looked, not what decided: see :meth:`get_importance`.

        Parameters
        ----------
        mdata, indices, batch_size
            As in :meth:`get_latent_representation`.
        modality
            ``"histone"``: attention over bins (of the convolution's windows, each counted at its
            middle bin). ``"methylation"``: over CpG slots. ``"tf"``: attention that each factor
            receives, mean over the asking factors. ``"fusion"``: over the entries of the joint
            vector, mean over the attentions.

        Returns
        -------
        Array of float32, ``(n_obs, n_bins)``, ``(n_obs, n_slots)``, ``(n_obs, n_factors)`` or
        ``(n_obs, n_entries)``. Each row adds up to 1, or is 0 throughout where the gene lacks the
        modality, and NaN where it lacks all.
        """
        check_choice("modality", modality, (*self.modalities, FUSION))
        genes = self._read(mdata, indices, batch_size)
        with torch.inference_mode():
            blocks = [
                self._attention_of(inputs, modality).float().cpu().numpy()
                for inputs in genes.batches
            ]
        if not blocks:
            return np.empty((0, 0), dtype=np.float32)
        return genes.spread(np.concatenate(blocks))

    def _attention_of(self, inputs: tuple[Tensor, ...], modality: str) -> Tensor:
        if modality == "tf":
            return self.module.factor_attention(inputs[self.modalities.index("tf")])
        weights = self.module.encode(*self.module.masked(*inputs)).attention[modality]
        return weights.mean(1) if modality == FUSION else weights

    def get_attributions(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        method: str = "integrated_gradients",
        baseline: Literal["mean", "zero"] = "mean",
        n_steps: int = 50,
        batch_size: int = 64,
    ) -> RegulatoryAttribution:
        """Attribute each gene's output to its marks, CpGs and factors.

        The output is the logit of high expression, or predicted expression. Positions of CpGs are
        no measurements and get no attribution; nor does a modality that a gene lacks.

        Parameters
        ----------
        mdata, indices
            As in :meth:`get_latent_representation`.
        method
            ``"integrated_gradients"``, ``"input_x_gradient"`` or ``"ablation"``.
        baseline
            What to compare a gene with: ``"mean"``, the mean of the training genes for each mark
            and bin, for all CpGs, and for each factor; ``"zero"``, no signal.
        n_steps
            Steps of Integrated Gradients; genes whose attributions do not add up get 4 times as
            many.
        batch_size
            Forward passes at once.

        Returns
        -------
        Attributions of each modality, ``(n_obs, n_rows, n_columns)``; how far each gene's are from
        adding up; and the change of its output. NaN for genes that were measured in no modality.

        Raises
        ------
        ValueError
            For an unknown method or baseline.
        """
        check_choice("method", method, METHODS_WITHOUT_NOISE)
        check_choice("baseline", baseline, BASELINES)
        genes = self._read(mdata, indices, batch_size)
        found = attribute_modalities(
            self.module,
            genes.batches,
            method=method,
            baseline=partial(baselines_of, self.module, baseline=baseline),
            n_steps=n_steps,
            batch_size=batch_size,
        )
        return RegulatoryAttribution(
            {name: genes.spread(values) for name, values in found.values.items()},
            genes.spread(found.residual),
            genes.spread(found.change),
        )

    def get_importance(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        by: Literal["modality", "mark", "bin", "factor"] = "modality",
        method: Literal["ablation", "integrated_gradients"] = "ablation",
        baseline: Literal["mean", "zero"] = "mean",
        n_steps: int = 50,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Say how much modalities, marks, bins or factors matter.

        Parameters
        ----------
        mdata, indices, baseline, n_steps
            As in :meth:`get_attributions`.
        by
            What is counted as one thing.
        method
            ``"ablation"``: the change of the output when all measurements of the thing are set to
            the baseline. ``"integrated_gradients"``: the sum of their attributions.
        batch_size
            Forward passes at once.

        Returns
        -------
        DataFrame, sorted by importance within each cell type: ``cell_type``, ``name``,
        ``importance`` (mean absolute change over the genes that have the modality), ``effect``
        (slope of the change on the signal of the mark or factor, per standard deviation of this
        signal over the genes: positive if more of it raises the output; NaN if the signal is the
        same everywhere, and for modalities and bins, where things of both directions are
        together), ``n_genes``.

        Raises
        ------
        ValueError
            For an unknown `by`, or one whose modality the model lacks.
        """
        check_choice("by", by, IMPORTANCE)
        check_choice("method", method, ("ablation", "integrated_gradients"))
        check_choice("baseline", baseline, BASELINES)
        things = self._things(by)
        dataset = self._dataset(mdata)
        chosen = cell_indices(indices, len(dataset))
        self._check_trained()
        measured = self._with_result(dataset, chosen)
        genes = chosen[measured]
        if method == "ablation":
            batches = self._read(mdata, genes, batch_size).batches
            changes = importance_by_ablation(self.module, batches, things, baseline=baseline)
        else:
            found = self.get_attributions(
                mdata, genes, baseline=baseline, n_steps=n_steps, batch_size=batch_size or 64
            )
            changes = importance_by_attribution(found, things)
        changes = spread(changes, measured)
        has = {name: self._has(dataset, name, chosen) for name in self.modalities}
        signals = np.full(changes.shape, np.nan)
        if by in DIRECTED:
            batches = self._read(mdata, genes, batch_size).batches
            signals = spread(signals_of(self.module, batches, things), measured)
        return importance_table(
            [
                (name, has[modality], change, signal)
                for (modality, name, _), change, signal in zip(
                    things, changes.T, signals.T, strict=True
                )
            ],
            self._cell_types(mdata)[chosen],
        )

    def _things(self, by: str) -> list[tuple[str, Any, Any]]:
        """Modality, name and place in its grid of each thing."""
        everything = slice(None)
        if by == "modality":
            return [(name, name, (everything, everything)) for name in self.modalities]
        modality = "tf" if by == "factor" else "histone"
        check_choice(
            "by", by, [b for b in IMPORTANCE if b == "modality" or modality in self.modalities]
        )
        rows, columns = self.feature_names(modality)
        if by == "bin":
            return [(modality, name, (everything, i)) for i, name in enumerate(columns)]
        return [(modality, name, (i, everything)) for i, name in enumerate(rows)]
