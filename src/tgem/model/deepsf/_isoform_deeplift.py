"""DeepLIFT of all isoforms at once, from a reference of the factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from tgem._core.errors import listed
from tgem._core.validate import cell_indices, check_choice
from tgem.attr import deeplift_summary, hidden_multipliers, output_slopes

if TYPE_CHECKING:
    from tgem.model.deepsf._module import DeepSFModule

# Entries of the samples x isoforms tables that are held at once.
TABLE_ENTRIES = 20_000_000
SAMPLES_AT_ONCE = 32


def reference_levels(
    module: DeepSFModule, levels: torch.Tensor, reference: Any, column: Any
) -> torch.Tensor:
    """log2(1 + TPM) of the factors at the reference, ``(n_factors,)``.

    Parameters
    ----------
    module
        The network, for its training median.
    levels
        Levels of the factors in all samples, for a reference group.
    reference
        ``"median"``, ``"zero"``, ``{column: value}``, positions or a mask of samples.
    column
        Function from the name of a column to its values.
    """
    if isinstance(reference, str):
        check_choice("reference", reference, ("median", "zero"))
        return module.factor_median if reference == "median" else torch.zeros_like(levels[0])
    if isinstance(reference, Mapping):
        reference = _group(reference, column)
    samples = cell_indices(reference, len(levels))
    if not samples.size:
        msg = "Expected samples in `reference`, got none of them."
        raise ValueError(msg)
    return levels[torch.from_numpy(samples)].mean(0)


def _group(reference: Mapping[str, Any], column: Any) -> np.ndarray[Any, Any]:
    """Whether each sample is of the reference group; raise if none is."""
    if not reference:
        msg = "Expected `reference` to name a column and a value, got an empty dictionary."
        raise ValueError(msg)
    masks = []
    for key, value in reference.items():
        values = column(key)
        masks.append(values.astype(str).to_numpy() == str(value))
        if not masks[-1].any():
            known = values.dropna().astype(str).unique()
            msg = (
                f"Expected samples with {value!r} in mdata.obs[{key!r}] as `reference`, found "
                f"none. Values there: {listed(known, 12) or 'none'}."
            )
            raise ValueError(msg)
    group: np.ndarray[Any, Any] = np.logical_and.reduce(masks)
    if not group.any():
        wanted = [f"{value!r} in mdata.obs[{key!r}]" for key, value in reference.items()]
        msg = (
            f"Expected samples with {' and '.join(wanted)} as `reference`, found none that have "
            "all of these."
        )
        raise ValueError(msg)
    return group


class Scores(NamedTuple):
    """Effect, mean and t-statistic, ``(n_factors, n_isoforms)``, and the residual."""

    effect: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]
    t_statistic: np.ndarray[Any, Any] | None
    residual: float


def deeplift_of_all_isoforms(
    module: DeepSFModule, genes: torch.Tensor, levels: torch.Tensor
) -> Scores:
    """DeepLIFT scores of all isoforms, block by block.

    Gene expression and context are held at the sample's values.

    Parameters
    ----------
    module
        The network, in evaluation mode.
    genes
        TPM of all genes in the samples.
    levels
        log2(1 + TPM) of the factors at the reference, ``(n_factors,)``.
    """
    decoder, n = module.decoder, len(genes)
    inputs, baselines = module.scaled(module.factor_levels(genes)), module.scaled(levels)
    hosts = torch.nan_to_num(module.hosts(genes), nan=0.0)
    offset = decoder.offset(hosts, module.context_features(genes)).expand(n, -1)
    weight = decoder.attributed_weight()
    n_isoforms = len(weight)
    effects, means, statistics, residuals = [], [], [], [0.0]
    width = max(TABLE_ENTRIES // max(n, len(levels)), 1)
    for first in range(0, n_isoforms, width):
        block = slice(first, first + width)
        arguments: tuple[torch.Tensor, ...] = ()
        if decoder.response_reads_genes:
            arguments = (hosts.index_select(1, decoder.isoform_gene[block]),)
        summary = deeplift_summary(
            module.encoder,
            weight[block],
            inputs=inputs,
            baselines=baselines,
            offset=offset[:, block],
            response=decoder.response,
            response_arguments=arguments,
            variance=n > 1,
        )
        effect = _mean_multipliers(
            module, inputs, baselines, block=block, offset=offset[:, block], genes=arguments
        )
        effects.append(effect.cpu().numpy())
        means.append(summary.mean.cpu().numpy())
        residuals.append(summary.residual)
        if n > 1:
            statistics.append(summary.t_statistic.cpu().numpy())
    return Scores(
        np.concatenate(effects, axis=1),
        np.concatenate(means, axis=1),
        np.concatenate(statistics, axis=1) if statistics else None,
        max(residuals),
    )


def _mean_multipliers(
    module: DeepSFModule,
    inputs: torch.Tensor,
    baselines: torch.Tensor,
    *,
    block: slice,
    offset: torch.Tensor,
    genes: tuple[torch.Tensor, ...],
) -> torch.Tensor:
    """Mean over samples of the multipliers of a block of isoforms, ``(n_factors, n_block)``."""
    decoder = module.decoder
    weight = decoder.attributed_weight()[block].detach()
    total = weight.new_zeros(inputs.shape[1], len(weight))
    for first in range(0, len(inputs), SAMPLES_AT_ONCE):
        rows = slice(first, first + SAMPLES_AT_ONCE)
        multipliers, hidden, at_baseline = hidden_multipliers(
            module.encoder, inputs[rows], baselines.expand_as(inputs)[rows]
        )
        if not decoder.response_bends:
            total += multipliers.sum(0) @ weight.T
            continue
        slopes = output_slopes(
            lambda logits, rows=rows: decoder.response(logits, *(each[rows] for each in genes)),
            hidden @ weight.T + offset[rows],
            at_baseline @ weight.T + offset[rows],
        )
        for of_sample, slope in zip(multipliers, slopes, strict=True):
            total += of_sample @ (weight * slope[:, None]).T
    return total / len(inputs)
