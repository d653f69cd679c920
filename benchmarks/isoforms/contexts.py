"""Contexts pretrained on the training lines themselves, on another cell type, and on tumours."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import anndata as ad
import mudata
import numpy as np
import torch
from scipy import sparse

from tgem.model import DeepSF

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from tgem.model.deepsf import GeneContext

CONTEXTS = {
    "training lines": "the training lines of the same experiment",
    "lymphoblasts": "six lymphoblastoid lines (GEUVADIS)",
    "tumours": "eleven TCGA cohorts, tumour and normal",
}
SIZES = {"n_features": 128}  # fewer than published: the cohorts are smaller
LOWEST_LEVEL = -2.0  # of log2 in the tumours; two of the cohorts go lower


class Cohorts:
    """Pretrained contexts; those that do not depend on the held-out line are trained once.

    Parameters
    ----------
    shared
        Folder of the data.
    quick
        Few steps.
    """

    def __init__(self, shared: Path, *, quick: bool) -> None:
        self._shared, self._quick = shared, quick
        self._kept: dict[str, GeneContext] = {}

    def pretrained(self, name: str, training: AnnData) -> GeneContext:
        """A context of the cohort `name`; `training` holds the genes of the training lines."""
        if self._quick:
            return DeepSF.pretrain_context(training, n_features=8, max_epochs=2)
        if name == "training lines":
            return DeepSF.pretrain_context(training, **SIZES, max_epochs=200)
        if name not in self._kept:
            if name == "lymphoblasts":
                found = DeepSF.pretrain_context(self._lymphoblasts, **SIZES, max_epochs=200)
            else:
                cohort = self._tumours_as(training)
                found = DeepSF.pretrain_context(cohort, context_key=None, **SIZES, max_epochs=50)
            self._kept[name] = found
        return self._kept[name]

    @cached_property
    def _lymphoblasts(self) -> AnnData:
        return mudata.read_h5mu(self._shared / "isoform" / "geuvadis.h5mu")["gene"]

    def _tumours_as(self, training: AnnData) -> AnnData:
        """Tumours under the identifiers of `training`, each sample with the same total there.

        Their values are logarithms of other units than TPM: only ratios within a sample are kept.
        """
        tumours = ad.read_h5ad(self._shared / "expression" / "tcga_metagsca_11cancers.h5ad")
        symbols = training.var["gene_symbol"].astype(str)
        names = symbols[~symbols.duplicated(keep=False)]
        names = names[names.isin(tumours.var_names)]
        tumours = tumours[:, names.to_numpy()].copy()
        values = 2.0 ** np.maximum(_dense(tumours.X), LOWEST_LEVEL) - 2.0**LOWEST_LEVEL
        total = np.median(_dense(training[:, names.index].X).sum(axis=1))
        values *= total / values.sum(axis=1, keepdims=True)
        tumours.var_names = names.index
        tumours.X = values.astype(np.float32)
        return tumours

    def explained(self, context: GeneContext, unseen: AnnData) -> float:
        """Share of the variance of unseen samples that the context's reconstruction explains.

        Their squared distance is taken from the mean of the cohort.
        """
        network = context.network
        at = unseen.var_names.get_indexer(context.genes)
        genes = torch.from_numpy(_dense(unseen.X)[:, at].astype(np.float32))
        with torch.inference_mode():
            # a gene of the cohort that is not measured here stays at its mean, and is not counted
            known = torch.from_numpy(at >= 0)
            levels = torch.where(known, torch.log2(1 + genes), network.gene_mean)
            scaled = network.scaled(levels)
            error = (network(scaled) - scaled)[:, known].square().sum()
            spread = (scaled - network.scaled(network.gene_mean)).square().sum()
        return float(1 - error / spread)


def _dense(values: object) -> np.ndarray:
    return values.toarray() if sparse.issparse(values) else np.asarray(values)
