"""The cell's context: pretrained on any cohort, matched by name, read out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem.data import match_names
from tgem.model.deepsf._evaluated import EvaluatedModel
from tgem.model.deepsf._pretraining import cohort_tpm, pretrained

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from tgem.model._base._registered import Cells
    from tgem.model.deepsf._context import GeneContext


class ContextualModel(EvaluatedModel):
    """A model of isoforms that may read the cell's context."""

    @classmethod
    def pretrain_context(
        cls,
        data: AnnData | MuData,
        layer: str | None = None,
        *,
        modality: str = "gene",
        context_key: str | None = "protein_coding",
        n_features: int = 512,
        max_epochs: int = 500,
        lr: float = 1e-3,
        validation_size: float = 0.2,
        seed: int = 0,
    ) -> GeneContext:
        """Train the autoencoder of gene expression on any cohort.

        Three layers of sigmoid units, the first two batch normalised, read the protein-coding
        genes' log2(1 + TPM), brought to 0 to 1 by the cohort's range; Adam with a weight decay of
        1e-6 as published :cite:p:`deepsf`, fewer epochs and a larger learning rate.

        Parameters
        ----------
        data
            Samples x genes in TPM: an AnnData, or a MuData with the modality `modality`. It needs
            no set-up, no isoforms, and may hold other samples and genes than those of the model.
        layer
            Layer with the values; ``None`` for ``.X``.
        modality
            Modality of a MuData that holds the genes.
        context_key
            Boolean column of ``.var`` that marks the genes to read; ``None`` for all genes.
        n_features
            Units of each layer.
        max_epochs
            Passes over the samples.
        lr
            Learning rate.
        validation_size
            Share of the samples held out to measure the explained variance.
        seed
            Decides initial weights, held-out samples and the order of the samples.

        Returns
        -------
        The context, with `save` and `load`, for ``DeepSF(mdata, context=...)``.

        Raises
        ------
        ValueError
            If the values are not TPM, or no gene is marked.
        """
        tpm, genes = cohort_tpm(data, layer, modality=modality, context_key=context_key)
        return pretrained(
            tpm,
            genes,
            n_features=n_features,
            max_epochs=max_epochs,
            lr=lr,
            validation_size=validation_size,
            seed=seed,
        )

    def get_context(
        self, mdata: MuData | None = None, indices: Cells = None
    ) -> np.ndarray[Any, Any]:
        """Return the features that describe each sample's context.

        Parameters
        ----------
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.

        Returns
        -------
        Array of float32, ``(n_obs, n_features)``: the units of the autoencoder's middle layer.

        Raises
        ------
        ValueError
            If the model has no context.
        """
        if not self.has_context:
            msg = (
                "This model has no context. Pretrain one with `DeepSF.pretrain_context(adata)` "
                "and construct the model with `context=...`."
            )
            raise ValueError(msg)
        with torch.inference_mode():
            parts = [
                self.module.encoded_context(genes) for genes, _ in self._blocks(mdata, indices)
            ]
        return torch.cat([part for part in parts if part is not None]).cpu().numpy()

    @property
    def has_context(self) -> bool:
        """Whether the model reads the cell's context."""
        return self.module.context is not None

    def _context_columns(self, context: GeneContext) -> list[int]:
        """Position of the context's genes among the model's; says which are missing."""
        matched = match_names(
            pd.Index(context.genes), self.gene_names, "the gene modality", kind="genes"
        )
        missing = np.asarray(context.genes, dtype=object)[matched.columns < 0]
        if len(missing) > (1 - self.min_gene_share) * len(context.genes):
            msg = (
                f"Expected the genes of the context in the gene modality, found "
                f"{len(context.genes) - len(missing)} of {len(context.genes)}: "
                f"{listed(missing, 3)} are absent. Bring both to the same identifiers."
            )
            raise ValueError(msg)
        if len(missing):
            msg = (
                f"{len(missing)} of the context's {len(context.genes)} genes are not in the gene "
                f"modality; they are held at their mean in pretraining: {listed(missing)}."
            )
            warn(msg, GeneAlignmentWarning)
        columns: list[int] = matched.columns.tolist()
        return columns
