"""Predictions of isoforms from splicing factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import cell_indices, check_choice
from tgem.model._base._regression import RegressionModel
from tgem.model.deepsf._module import GENES_KEY, ISOFORMS_KEY, DeepSFModule
from tgem.model.deepsf._start import start_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData

    from tgem.data import FieldDataset
    from tgem.model._base._registered import Cells

SAMPLES_AT_ONCE = 64


class IsoformModel(RegressionModel):
    """A network from genes to isoforms: names, predictions, scores."""

    _features = GENES_KEY
    _observed: ClassVar[str] = "samples"
    module: DeepSFModule

    # -- names ----------------------------------------------------------------------------

    @property
    def _isoforms(self) -> dict[str, Any]:
        return field_states(self.registry_)[ISOFORMS_KEY]

    @property
    def isoform_names(self) -> pd.Index:
        """Isoforms that the model predicts, in its order."""
        return pd.Index(self._isoforms["column_names"], dtype=object)

    @property
    def isoform_genes(self) -> pd.Index:
        """Gene of each isoform of :attr:`isoform_names`; missing for an event without one."""
        positions = np.asarray(self._isoforms["genes"])
        names = self.gene_names.to_numpy(dtype=object)[np.maximum(positions, 0)]
        return pd.Index(np.where(positions >= 0, names, None), dtype=object)

    @property
    def factor_names(self) -> pd.Index:
        """Splicing factors, in the model's order."""
        return self.gene_names[field_states(self.registry_)[GENES_KEY]["factors"]]

    @property
    def modalities(self) -> dict[str, str]:
        """Names of the modalities of genes and of isoforms, as in training."""
        return dict(self.registry_[SETUP_ARGS]["modalities"])

    @property
    def layout(self) -> dict[str, str | None]:
        """Where the training data hold what is read: modalities, layers, column of genes."""
        given = self.registry_[SETUP_ARGS]
        names = {f"{kind}_modality": name for kind, name in self.modalities.items()}
        return names | {key: given[key] for key in ("gene_layer", "isoform_layer", "gene_id_key")}

    def positions(self, mdata: MuData, kind: Literal["gene", "isoform"]) -> np.ndarray[Any, Any]:
        """Find the model's genes or isoforms in a data set.

        Parameters
        ----------
        mdata
            Any data set.
        kind
            ``"gene"`` or ``"isoform"``.

        Returns
        -------
        Position in the modality of each of :attr:`gene_names` or :attr:`isoform_names`; -1 for
        those that are absent.
        """
        check_choice("kind", kind, ("gene", "isoform"))
        key = GENES_KEY if kind == "gene" else ISOFORMS_KEY
        field = next(field for field in self._fields if field.registry_key == key)
        columns: np.ndarray[Any, Any] = field.match(
            field_states(self.registry_)[key], self._data(mdata)
        ).columns
        return columns

    @property
    def _n_targets(self) -> int:
        return len(self._isoforms["column_names"])

    # -- data -----------------------------------------------------------------------------

    def _prepare_module(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
        self.module.n_training_samples.fill_(len(cells))
        start_module(self.module, dataset, cells)

    def _dataset(self, adata: MuData | None) -> FieldDataset:
        dataset = super()._dataset(adata)
        if adata is not None and adata is not self.adata:
            self._report_missing_genes(adata)
        return dataset

    def _report_missing_genes(self, mdata: MuData) -> None:
        """Warn about genes without which isoforms cannot be predicted."""
        if self._isoforms["values"] == "psi":
            return
        lost = ~(self.positions(mdata, "gene") >= 0)[np.asarray(self._isoforms["genes"])]
        if lost.any():
            genes = self.isoform_genes[lost].unique()
            modality = self.modalities["gene"]
            msg = (
                f"{len(genes)} genes of the model are not in mdata[{modality!r}]: their "
                f"{int(lost.sum())} isoforms of {len(lost)} are predicted as missing (NaN). "
                f"Absent: {listed(genes)}."
            )
            warn(msg, GeneAlignmentWarning)

    def _blocks(
        self, mdata: MuData | None, indices: Cells, batch_size: int | None = None
    ) -> Iterator[tuple[torch.Tensor, np.ndarray[Any, Any]]]:
        """Gene TPM of a block of samples on the model's device, and the isoforms' values."""
        self._check_trained()
        dataset = self._dataset(mdata)
        cells = cell_indices(indices, len(dataset))
        size = SAMPLES_AT_ONCE if batch_size is None else batch_size
        self.module.eval()
        for first in range(0, len(cells), size):
            batch = dataset[cells[first : first + size]]
            yield torch.from_numpy(batch[GENES_KEY]).to(self.module.device), batch[ISOFORMS_KEY]

    # -- predictions ----------------------------------------------------------------------

    def predict(
        self,
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        log: bool = False,
        batch_size: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Predict every isoform's expression from splicing factors, genes and context.

        New data need the gene modality only. Factors and genes are matched by name.

        Parameters
        ----------
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.
        log
            Whether to return log2(1 + TPM), the scale of the loss, instead of TPM (for the
            ``"psi"`` decoder the logit of PSI instead of PSI).
        batch_size
            Samples per forward pass.

        Returns
        -------
        Array of float32, ``(n_obs, n_isoforms)``, isoforms in the order of :attr:`isoform_names`;
        NaN for isoforms whose gene is not in the data.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the values are not TPM, or too few of the factors are in the data.
        """
        outputs = self._outputs(mdata, indices, batch_size)
        if log:
            return outputs
        return self.module.decoder.natural(torch.from_numpy(outputs)).numpy()

    def get_usage(
        self,
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        batch_size: int | None = None,
    ) -> np.ndarray[Any, Any]:
        """Predict the share of each isoform in its gene.

        Parameters
        ----------
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.
        batch_size
            Samples per forward pass.

        Returns
        -------
        Array of float32, ``(n_obs, n_isoforms)``. The ``"usage"`` decoder's sum to 1 within each
        gene, and so do those of ``"additive"``, its predicted TPM over their sum; of ``"sigmoid"``
        it is the predicted share of the gene's TPM, and PSI for ``"psi"``.
        """
        with torch.inference_mode():
            usage = [
                self._usage(self.module.scaled(self.module.factor_levels(genes)), genes)
                for genes, _ in self._blocks(mdata, indices, batch_size)
            ]
        empty = np.empty((0, self._n_targets), dtype=np.float32)
        return np.concatenate([*(block.cpu().numpy() for block in usage), empty])

    def _usage(self, scaled: torch.Tensor, genes: torch.Tensor) -> torch.Tensor:
        """Predicted usage at given factors, ``(n_obs, n_isoforms)``."""
        decoder = self.module.decoder
        logits = self.module.logits(scaled, genes)
        return decoder.usage(logits, self.module.hosts(genes))
