"""How well isoforms are predicted, over all samples, for each sample and for each gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch

from tgem._core.validate import check_choice
from tgem.model.deepsf._isoform_model import IsoformModel
from tgem.model.deepsf._scores import Compared, gene_scores, overall, sample_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from mudata import MuData

    from tgem.model._base._registered import Cells

#: TPM of a gene in a sample, from which on the usage of its isoforms is compared.
EXPRESSED = 1.0


class EvaluatedModel(IsoformModel):
    """A model of isoforms that is compared with measured ones."""

    @overload
    def evaluate(
        self, mdata: MuData | None = None, indices: Cells = None, *, per: None = None
    ) -> dict[str, float]: ...

    @overload
    def evaluate(
        self,
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        per: Literal["gene", "sample"],
    ) -> pd.DataFrame: ...

    def evaluate(
        self,
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        per: Literal["gene", "sample"] | None = None,
    ) -> dict[str, float] | pd.DataFrame:
        """Compare predicted with measured isoforms.

        Parameters
        ----------
        mdata
            Samples with isoforms; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask. ``None`` means all samples of other data,
            and of the training data the test samples (or, if there are none, the validation ones).
        per
            ``"gene"`` or ``"sample"`` for a table with one row for each; ``None`` for all together.

        Returns
        -------
        ``mse``, ``pearson``, ``spearman``: of log2(1 + TPM), the correlations within each sample
        over its isoforms and then averaged. ``mse_mean_usage``: the error of the gene's TPM times
        the mean usage in training, a prediction that needs no factors. ``usage_r2``: share of the
        squared deviation of usage from that mean which is predicted, over isoforms whose gene has
        at least 1 TPM in the sample; at or below 0 the factors say nothing. ``usage_pearson``:
        correlation of measured and predicted deviations, around 0. ``n_samples``. For the
        ``"psi"`` decoder all of it is of PSI.

        With `per`, a DataFrame with these columns (``n_values`` and ``n_usage_values``, the numbers
        of values compared, for ``n_samples``), indexed by gene or sample: over the gene's isoforms
        in all samples, or the sample's isoforms. What is undefined is missing, such as ``usage_r2``
        of a gene that is not expressed.

        Raises
        ------
        ValueError
            If there are no held-out samples, or no measured isoforms.
        """
        if per is not None:
            check_choice("per", per, ("gene", "sample"))
        self._check_trained()
        cells, _ = self._observations_to_evaluate(mdata, indices)
        if per is None:
            return overall(self._compared(mdata, cells))
        if per == "gene":
            return gene_scores(self._compared(mdata, cells), self.isoform_genes)
        names = self._data(mdata).obs_names[cells]
        return sample_scores(self._compared(mdata, cells)).set_axis(names)

    def _compared(self, mdata: MuData | None, cells: np.ndarray[Any, Any]) -> Iterator[Compared]:
        """Measured and predicted isoforms, block by block."""
        mean_usage = self.module.mean_usage.cpu().numpy()
        for genes, measured in self._blocks(mdata, cells):
            with torch.inference_mode():
                scaled = self.module.scaled(self.module.factor_levels(genes))
                usage = self._usage(scaled, genes).cpu().numpy()
                predicted = self.module.outputs(scaled, genes).cpu().numpy()
                gene_tpm = self.module.decoder.expand(self.module.hosts(genes)).cpu().numpy()
            if self._isoforms["values"] == "psi":
                baseline = np.broadcast_to(mean_usage, measured.shape)
                deviations = (measured - mean_usage, usage - mean_usage)
                yield Compared(measured, usage, baseline, *deviations)
                continue
            share = np.where(gene_tpm >= EXPRESSED, measured / np.maximum(gene_tpm, 1e-9), np.nan)
            yield Compared(
                np.log2(1 + measured),
                predicted,
                np.log2(1 + mean_usage * gene_tpm),
                share - mean_usage,
                usage - mean_usage,
            )
