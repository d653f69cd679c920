"""What the model expects of isoforms when a factor is turned down or up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tgem.model.deepsf._module import DeepSFModule

CHANGES = ("expression_change", "usage_change")


def mean_changes(
    module: DeepSFModule, blocks: Iterable[torch.Tensor], factor: int, fold: float
) -> np.ndarray[Any, Any]:
    """Mean change over samples of log2(1 + TPM) and of usage, ``(2, n_isoforms)``.

    Only the factor's own input changes; gene expression and context stay as they are.
    """
    total: Any = 0.0
    n_samples = 0
    with torch.inference_mode():
        for genes in blocks:
            levels = module.factor_levels(genes)
            changed = levels.clone()
            changed[:, factor] = torch.log2(1 + fold * (torch.exp2(levels[:, factor]) - 1))
            before, after = (_readings(module, each, genes) for each in (levels, changed))
            total = total + (after - before).sum(dim=1).double().cpu().numpy()
            n_samples += len(genes)
    result: np.ndarray[Any, Any] = total / n_samples
    return result


def _readings(module: DeepSFModule, levels: torch.Tensor, genes: torch.Tensor) -> torch.Tensor:
    """Outputs and usage at given factors, ``(2, n_obs, n_isoforms)``."""
    hosts = module.hosts(genes)
    logits = module.logits(module.scaled(levels), genes)
    decoder = module.decoder
    return torch.stack([decoder.respond(logits, hosts), decoder.usage(logits, hosts)])


def collect_changes(
    members: Sequence[np.ndarray[Any, Any]], isoforms: pd.Index, genes: pd.Index
) -> pd.DataFrame:
    """Mean over the members of an ensemble, and their standard deviation."""
    stacked = np.stack(members)
    spread = stacked.std(axis=0, ddof=1) if len(members) > 1 else np.full(stacked.shape[1:], np.nan)
    columns: dict[str, Any] = {"gene": np.asarray(genes)}
    for position, name in enumerate(CHANGES):
        columns[name] = stacked[:, position].mean(axis=0).astype(np.float32)
        columns[f"{name}_spread"] = spread[position].astype(np.float32)
    return pd.DataFrame(columns, index=pd.Index(isoforms, name="isoform"))
