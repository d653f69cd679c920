"""What the network learns of the training samples before its first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem.model.deepsf._decoder import TrainingSummary
from tgem.model.deepsf._module import GENES_KEY, ISOFORMS_KEY
from tgem.model.deepsf._psi_decoder import PsiDecoder

if TYPE_CHECKING:
    from tgem.data import FieldDataset
    from tgem.model.deepsf._module import DeepSFModule

SAMPLES_AT_ONCE = 64


class _Moments:
    """Running sums of values and their squares; missing values are left out."""

    def __init__(self) -> None:
        self.total: Any = 0.0
        self.squares: Any = 0.0
        self.count: Any = 0

    def add(self, values: np.ndarray[Any, Any]) -> None:
        known = ~np.isnan(values)
        values = np.where(known, values, 0).astype(np.float64)
        self.total = self.total + values.sum(axis=0)
        self.squares = self.squares + (values**2).sum(axis=0)
        self.count = self.count + known.sum(axis=0)

    @property
    def mean(self) -> Any:
        return self.total / np.maximum(self.count, 1)

    @property
    def deviation(self) -> Any:
        """Standard deviation; exactly 0 for what hardly varies."""
        variance = self.squares / np.maximum(self.count, 1) - self.mean**2
        return np.where(variance > 1e-8, np.sqrt(np.maximum(variance, 0)), 0)


def start_module(module: DeepSFModule, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
    """Fix scales by the training samples, and let the decoder begin at their means."""
    factor_levels, factors, features = [], _Moments(), _Moments()
    isoforms, levels, host_levels, logits = _Moments(), _Moments(), _Moments(), _Moments()
    is_psi = isinstance(module.decoder, PsiDecoder)
    host_index = module.host_index.clamp(min=0).numpy()
    for first in range(0, len(cells), SAMPLES_AT_ONCE):
        rows = cells[first : first + SAMPLES_AT_ONCE]
        genes, targets = dataset.read(GENES_KEY, rows), dataset.read(ISOFORMS_KEY, rows)
        factor_levels.append(np.log2(1 + genes[:, module.factor_index.numpy()]))
        factors.add(factor_levels[-1])
        features.add(_encoded_context(module, genes))
        host_levels.add(np.log2(1 + genes[:, host_index]))
        isoforms.add(targets)
        if is_psi:
            smallest = PsiDecoder.smallest_share
            bounded = np.clip(targets, smallest, 1 - smallest)
            logits.add(np.log(bounded / (1 - bounded)))
        else:
            levels.add(np.log2(1 + targets))
    module.factor_mean.copy_(_tensor(factors.mean))
    deviation = _tensor(factors.deviation)
    module.factor_scale.copy_(torch.where(deviation > 0, deviation, torch.inf))
    module.factor_median.copy_(_tensor(np.nanmedian(np.concatenate(factor_levels), axis=0)))
    module.context_mean.copy_(_tensor(features.mean))
    spread = _tensor(features.deviation)
    module.context_scale.copy_(torch.where(spread > 0, spread, torch.inf))
    summary = TrainingSummary(log_gene_mean=_tensor(host_levels.mean))
    summary["log_gene_deviation"] = _tensor(host_levels.deviation)
    if is_psi:
        summary["logit_mean"] = _tensor(logits.mean)
        summary["logit_deviation"] = _tensor(logits.deviation)
        module.mean_usage.copy_(_tensor(isoforms.mean))
    else:
        summary["log_isoform_mean"] = _tensor(levels.mean)
        summary["usage"] = _tensor(_mean_usage(isoforms.mean, module))
        module.mean_usage.copy_(summary["usage"])
        from_mean = _deviation_from_mean_usage(module, dataset, cells)
        summary["usage_deviation"] = _tensor(from_mean)
    module.decoder.start(summary)


def _encoded_context(module: DeepSFModule, genes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Features of the context, ``(n_obs, n_features)``; none without a context."""
    if module.context is None:
        return np.empty((len(genes), 0))
    module.context.eval()
    with torch.no_grad():
        features: Any = module.encoded_context(torch.from_numpy(genes).float())
    return features.numpy()


def _deviation_from_mean_usage(
    module: DeepSFModule, dataset: FieldDataset, cells: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Root mean square error of log2(1 + TPM) if usage were the mean usage in every sample."""
    host_of_isoform = module.host_index.numpy()[module.decoder.isoform_gene.numpy()]
    usage = module.mean_usage.numpy()
    errors = _Moments()
    for first in range(0, len(cells), SAMPLES_AT_ONCE):
        rows = cells[first : first + SAMPLES_AT_ONCE]
        expected = usage * dataset.read(GENES_KEY, rows)[:, host_of_isoform]
        errors.add((np.log2(1 + dataset.read(ISOFORMS_KEY, rows)) - np.log2(1 + expected)) ** 2)
    deviation: np.ndarray[Any, Any] = np.sqrt(errors.mean)
    return deviation


def _mean_usage(mean_tpm: np.ndarray[Any, Any], module: DeepSFModule) -> np.ndarray[Any, Any]:
    """Share of each isoform in the mean TPM of its gene; equal shares where nothing is expressed.

    The mean TPM weighs a sample by the gene's expression in it, as its usage is then better known.
    """
    gene = module.decoder.isoform_gene.numpy()
    totals = np.bincount(gene, weights=mean_tpm, minlength=module.decoder.n_genes)
    sizes = np.bincount(gene, minlength=module.decoder.n_genes)
    silent = totals[gene] <= 0
    share: np.ndarray[Any, Any] = np.where(
        silent, 1 / sizes[gene], mean_tpm / np.where(silent, 1, totals[gene])
    )
    return share


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
