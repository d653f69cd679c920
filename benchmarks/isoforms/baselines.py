"""Predictions of isoforms without a network: constant usage, ridge regression, elastic net.

A linear model predicts one of two things from the splicing factors: the usage of each isoform, less
its mean in training, or log2(1 + TPM), less what the mean usage and the gene predict. Its penalty
is chosen by leaving out one group of training samples after the other, on every fourth gene, by the
share of usage explained, or by the squared error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from isoforms.linear import LINEAR, Scale
from tgem.model.deepsf._scores import Compared, overall

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mudata import MuData

Array = np.ndarray[Any, Any]
Target = Literal["usage", "log2 TPM"]

EXPRESSED = 1.0  # TPM of a gene from which on DeepSF compares usage
SMALLEST_PSI = 0.005
METRICS = ("mse", "mse_mean_usage", "pearson", "usage_r2")


class Samples(NamedTuple):
    """What is read of some samples.

    Attributes
    ----------
    factors
        log2(1 + TPM) of the splicing factors, ``(n_obs, n_factors)``.
    isoforms
        TPM, or PSI with missing values, ``(n_obs, n_isoforms)``.
    hosts
        TPM of the gene of each isoform; ``None`` for PSI.
    genes
        Number of the gene of each isoform.
    groups
        Line, patient or fold of each sample.
    """

    factors: Array
    isoforms: Array
    hosts: Array | None
    genes: Array
    groups: Array

    def rows(self, chosen: Array) -> Samples:
        hosts = None if self.hosts is None else self.hosts[chosen]
        own = (self.factors[chosen], self.isoforms[chosen], hosts)
        return Samples(*own, self.genes, self.groups[chosen])

    def every_fourth_gene(self) -> Samples:
        kept = self.genes % 4 == 0
        hosts = None if self.hosts is None else self.hosts[:, kept]
        genes = np.unique(self.genes[kept], return_inverse=True)[1]
        return Samples(self.factors, self.isoforms[:, kept], hosts, genes, self.groups)


def samples_of(mdata: MuData, groups: Array, *, factor_key: str = "splicing_factor") -> Samples:
    """The isoforms that DeepSF predicts, those that are not the only one of their gene."""
    gene, isoform = mdata["gene"], mdata["isoform"]
    host = gene.var_names.get_indexer(isoform.var["gene_id"])
    kept = (host >= 0) & isoform.var["gene_id"].duplicated(keep=False).to_numpy()
    tpm = np.asarray(gene.X, dtype=float)
    factors = np.log2(1 + tpm[:, gene.var[factor_key].to_numpy(bool)])
    codes = np.unique(host[kept], return_inverse=True)[1]
    isoforms = np.asarray(isoform.X, dtype=float)[:, kept]
    return Samples(factors, isoforms, tpm[:, host[kept]], codes, groups)


def sums_over_genes(values: Array, genes: Array) -> Array:
    """Sum of each gene's isoforms, given to each of them."""
    order = np.argsort(genes, kind="stable")
    starts = np.flatnonzero(np.diff(genes[order], prepend=-1))
    found: Array = np.add.reduceat(values[..., order], starts, axis=-1)[..., genes]
    return found


def mean_usage(training: Samples) -> Array:
    """Mean TPM of each isoform over that of its gene, or mean PSI."""
    if training.hosts is None:
        return np.nanmean(training.isoforms, axis=0)
    means = training.isoforms.mean(axis=0)
    totals = sums_over_genes(means, training.genes)
    equal = 1 / np.bincount(training.genes)[training.genes]
    return np.where(totals > 0, means / np.where(totals > 0, totals, 1), equal)


def compared(unseen: Samples, usage: Array, log: Array, *, mean: Array) -> dict[str, float]:
    """DeepSF's own scores of predicted usage and log2(1 + TPM)."""
    if unseen.hosts is None:
        flat = np.broadcast_to(mean, unseen.isoforms.shape)
        block = Compared(unseen.isoforms, usage, flat, unseen.isoforms - mean, usage - mean)
    else:
        share = _usage_of(unseen)
        base = np.log2(1 + mean * unseen.hosts)
        block = Compared(np.log2(1 + unseen.isoforms), log, base, share - mean, usage - mean)
    found = overall([block])
    return {name: float(found[name]) for name in METRICS}


def _usage_of(samples: Samples) -> Array:
    hosts = samples.hosts
    return np.where(hosts >= EXPRESSED, samples.isoforms / np.maximum(hosts, 1e-9), np.nan)


def _deviations(samples: Samples, mean: Array, target: Target) -> Array:
    """What a linear model learns; 0 where it is not known."""
    if samples.hosts is None:
        bounded = np.clip(samples.isoforms, SMALLEST_PSI, 1 - SMALLEST_PSI)
        return np.log(bounded / (1 - bounded))
    if target == "usage":
        return _usage_of(samples) - mean
    return np.log2(1 + samples.isoforms) - np.log2(1 + mean * samples.hosts)


def _centred(values: Array) -> tuple[Array, Array]:
    """Deviations from the mean of what is known, and that mean."""
    known = ~np.isnan(values)
    centre = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - centre, 0), centre


def _scored(unseen: Samples, deviations: Array, target: Target, *, mean: Array) -> dict[str, float]:
    """Scores of predicted deviations, brought to usage and to log2(1 + TPM)."""
    if unseen.hosts is None:
        psi = 1 / (1 + np.exp(-deviations))
        return compared(unseen, psi, psi, mean=mean)
    if target == "usage":
        share = np.clip(mean + deviations, 0, None)
        totals = sums_over_genes(share, unseen.genes)
        usage = np.where(totals > 0, share / np.where(totals > 0, totals, 1), mean)
        return compared(unseen, usage, np.log2(1 + usage * unseen.hosts), mean=mean)
    log = np.maximum(np.log2(1 + mean * unseen.hosts) + deviations, 0)
    tpm = np.exp2(log) - 1
    totals = sums_over_genes(tpm, unseen.genes)
    usage = np.where(totals > 0, tpm / np.where(totals > 0, totals, 1), mean)
    return compared(unseen, usage, log, mean=mean)


def constant_usage(usage: Array, unseen: Samples, *, mean: Array) -> dict[str, float]:
    """The same usage in all samples."""
    flat = np.broadcast_to(usage, unseen.isoforms.shape)
    log = flat if unseen.hosts is None else np.log2(1 + usage * unseen.hosts)
    return compared(unseen, flat, log, mean=mean)


def constant(
    training: Samples, unseen: Sequence[Samples], target: Target
) -> list[dict[str, float]]:
    """The same deviation in all samples: the mean of that of logarithms."""
    mean = mean_usage(training)
    centre = _centred(_deviations(training, mean, target))[1]
    return [
        _scored(each, np.broadcast_to(centre, each.isoforms.shape), target, mean=mean)
        for each in unseen
    ]


def _of_penalties(
    training: Samples, unseen: Sequence[Samples], model: str, target: Target
) -> Iterator[list[dict[str, float]]]:
    """Scores on unseen samples, for each penalty in turn."""
    mean = mean_usage(training)
    scale = Scale(training.factors)
    learnt, centre = _centred(_deviations(training, mean, target))
    inputs = [scale(each.factors) for each in unseen]
    for weights in LINEAR[model][0](scale(training.factors), learnt):
        yield [
            _scored(each, centre + values @ weights, target, mean=mean)
            for each, values in zip(unseen, inputs, strict=True)
        ]


def linear(
    training: Samples,
    unseen: Sequence[Samples],
    model: str,
    *,
    target: Target,
    groups: Array,
    most: int,
) -> list[dict[str, Any]]:
    """Choose the penalty within the training samples, train on all of them, predict the unseen."""
    few = training.every_fourth_gene()
    inner = []
    for group in np.unique(groups)[:most]:
        held = groups == group
        rows = _of_penalties(few.rows(~held), [few.rows(held)], model, target)
        inner.append([found for (found,) in rows])
    name, sign = ("usage_r2", -1) if target == "usage" else ("mse", 1)
    losses = [sign * np.mean([rows[at][name] for rows in inner]) for at in range(len(inner[0]))]
    best = int(np.argmin(losses))
    found = list(_of_penalties(training, unseen, model, target))[best]
    return [row | {"setting": f"penalty {LINEAR[model][1][best]:g}"} for row in found]


BASELINES: dict[str, tuple[str, Target]] = {
    "mean usage": ("constant", "usage"),
    "mean of logarithms": ("constant", "log2 TPM"),
    "ridge, usage": ("ridge", "usage"),
    "ridge, log2 TPM": ("ridge", "log2 TPM"),
    "elastic net, usage": ("elastic net", "usage"),
    "elastic net, log2 TPM": ("elastic net", "log2 TPM"),
}


def baseline(
    name: str,
    training: Samples,
    unseen: Sequence[Samples],
    *,
    groups: Array | None = None,
    most: int = 9,
) -> list[dict[str, Any]]:
    """Scores of one baseline on each of some unseen samples.

    Its penalty is chosen by leaving out each of the first `most` groups of the training samples.
    """
    model, target = BASELINES[name]
    if name == "mean usage":
        mean = mean_usage(training)
        return [constant_usage(mean, each, mean=mean) for each in unseen]
    if model == "constant":
        return constant(training, unseen, target)
    own = training.groups if groups is None else groups
    return linear(training, unseen, model, target=target, groups=own, most=most)
