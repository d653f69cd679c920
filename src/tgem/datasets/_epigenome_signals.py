"""Signals of the simulated epigenome: each function draws one modality and what it drives.

Arrays start with the axes cell types x genes. A *driver* is what a signal adds to expression
before its effect is applied, in units of about one standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

#: Half the width of the region around the start of transcription whose CpGs count.
CPG_REGION = 0.15
#: Mean methylation of that region below which a gene counts as unmethylated.
UNMETHYLATED_BELOW = 0.4
ACTIVATING, REPRESSIVE = "H3K4me3", "H3K27me3"
TF_FEATURES = ("binding", "motif", "expression")

# Mark, region of its peak, and how far the peak follows the openness of the gene's chromatin.
_MARKS = (
    (ACTIVATING, "promoter", 0.6),
    (REPRESSIVE, "body", -0.3),
    ("H3K27ac", "promoter", 0.6),
    ("H3K9me3", "body", -0.4),
    ("H3K9ac", "promoter", 0.5),
    ("H3K36me3", "body", 0.4),
    ("H3K4me1", "upstream", 0.4),
)
_SHARED = 0.93  # variance of a gene's signals that its cell types have in common
_PEAK = 1.2  # log fold of a peak over background reads
_HEIGHT = 0.8  # standard deviation of a peak's log height between genes
_UNEVEN = 0.5  # standard deviation of the log rate between bins: counts are overdispersed


@dataclass(frozen=True)
class Signal:
    """One modality: values (cell types x genes x columns), its columns, and the drivers in it."""

    values: Array
    var: pd.DataFrame
    drivers: dict[str, Array]
    n_cpg: Array | None = None  # of each gene
    causal: Array | None = None  # genes x columns


def between_genes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal values, cell types x genes x ..., alike in the cell types of a gene."""
    shared = rng.normal(size=(1, *shape[1:]))
    own = rng.normal(size=shape)
    return np.sqrt(_SHARED) * shared + np.sqrt(1 - _SHARED) * own


def regions(n_bins: int) -> dict[str, slice]:
    """Bins of the promoter around the middle bin, of the gene's body behind it, and before it."""
    middle, half = n_bins // 2, max(n_bins // 16, 0)
    start, stop = middle - half, middle + half + 1
    body = min(stop + max(n_bins // 20, 0), n_bins - 1)
    return {
        "promoter": slice(start, stop),
        "body": slice(body, min(body + max(3 * n_bins // 10, 1), n_bins)),
        "upstream": slice(max(start - max(n_bins // 5, 1), 0), start),
    }


def histone(
    rng: np.random.Generator,
    openness: Array,
    heights: dict[str, Array],
    *,
    n_marks: int,
    n_bins: int,
) -> Signal:
    """Read counts of marks in bins; `heights` are the peaks that drive expression."""
    where = regions(n_bins)
    order = rng.permutation(n_marks)
    counts = np.empty((*openness.shape, n_marks, n_bins), dtype=np.float32)
    names, drivers = [""] * n_marks, {}
    for number, column in enumerate(order):
        name, region, loading = (
            _MARKS[number] if number < len(_MARKS) else (f"mark_{number + 1}", "", 0.0)
        )
        own = np.sqrt(1 - loading**2) * between_genes(rng, openness.shape)
        height = heights.get(name, loading * openness + own)
        unevenness = _UNEVEN * rng.normal(size=(*openness.shape, n_bins))
        log_rate = np.log(rng.uniform(1.0, 3.0)) + unevenness
        if region:
            log_rate[..., where[region]] += _PEAK + _HEIGHT * height[..., None]
            uneven = unevenness[..., where[region]].mean(axis=-1)
            drivers[name] = height + uneven / _HEIGHT
        # Sequencing depth differs between the experiments: one for each mark and cell type.
        log_rate += 0.2 * rng.normal(size=(openness.shape[0], 1, 1))
        counts[:, :, column] = rng.poisson(np.exp(log_rate))
        names[column] = name
    var = pd.DataFrame(
        {
            "mark": np.repeat(names, n_bins),
            "bin": np.tile(np.arange(n_bins), n_marks),
            "position": np.tile((np.arange(n_bins) + 0.5) * 2 / n_bins - 1, n_marks),
        }
    )
    var.index = pd.Index(
        [f"{mark}|bin_{bin_}" for mark, bin_ in zip(var["mark"], var["bin"], strict=True)]
    )
    causal = np.zeros((n_marks, n_bins), dtype=bool)
    for mark, region in ((ACTIVATING, "promoter"), (REPRESSIVE, "body")):
        causal[names.index(mark), where[region]] = True
    var["causal"] = causal.ravel()
    planted = {mark: drivers[mark] for mark in (ACTIVATING, REPRESSIVE)}
    return Signal(counts.reshape(*openness.shape, -1), var, planted)


def methylation(rng: np.random.Generator, openness: Array, *, max_cpg: int) -> Signal:
    """Methylation and position of each CpG, padded with NaN."""
    n_types, n_genes = openness.shape
    n_cpg = rng.binomial(max_cpg, rng.beta(1.5, 1.5, size=n_genes))
    n_cpg[rng.random(n_genes) < 0.02] = 0  # a few genes have none
    # CpGs are denser around the start of transcription; they are the same in all cell types.
    dense = rng.random((n_genes, max_cpg)) < 0.4
    position = np.where(
        dense,
        np.clip(rng.normal(scale=0.1, size=dense.shape), -1, 1),
        rng.uniform(-1, 1, size=dense.shape),
    )
    position[np.arange(max_cpg) >= n_cpg[:, None]] = np.nan
    position.sort(axis=1)  # NaN goes last
    near = np.abs(position) < CPG_REGION

    promoter = -0.3 * openness + np.sqrt(1 - 0.3**2) * between_genes(rng, openness.shape)
    sides = between_genes(rng, (n_types, n_genes, 2))  # before and behind the promoter
    elsewhere = 1.2 + np.where(position < 0, sides[..., :1], sides[..., 1:])
    logit = np.where(near, 1.6 * promoter[..., None] - 0.4, elsewhere)
    fraction = expit(logit + 0.7 * rng.normal(size=logit.shape))
    fraction[:, np.isnan(position)] = np.nan

    count = near.sum(axis=1)
    level = np.where(near, fraction, 0).sum(axis=-1) / np.maximum(count, 1)
    driver = np.where(count > 0, (level - 0.42) / 0.27, 0.0)
    unmethylated = (count == 0) | (level < UNMETHYLATED_BELOW)
    values = np.stack([fraction, np.broadcast_to(position, fraction.shape)], axis=-1)
    slots = np.repeat(np.arange(max_cpg), 2)
    features = np.tile(["methylation", "position"], max_cpg)
    index = [f"cpg_{slot}|{feature}" for slot, feature in zip(slots, features, strict=True)]
    var = pd.DataFrame({"slot": slots, "feature": features}, index=pd.Index(index))
    causal = np.stack([near, np.zeros_like(near)], axis=-1).reshape(n_genes, -1)
    return Signal(
        values.reshape(n_types, n_genes, -1).astype(np.float32),
        var,
        {"methylation": driver, "unmethylated": unmethylated},
        n_cpg=n_cpg,
        causal=causal,
    )


def factors(
    rng: np.random.Generator, openness: Array, *, n_factors: int, n_features: int
) -> Signal:
    """Binding, motif and expression of each factor; binding is what drives."""
    n_types, n_genes = openness.shape
    shared = rng.normal(size=(1, n_genes, n_factors))
    own = rng.normal(size=(n_types, n_genes, n_factors))
    affinity = np.sqrt(_SHARED) * shared + np.sqrt(1 - _SHARED) * own
    # More of everything binds where the chromatin is open.
    affinity = 0.25 * openness[..., None] + np.sqrt(1 - 0.25**2) * affinity
    binding = np.logaddexp(0.0, affinity + rng.normal(scale=0.3, size=n_factors))
    motif = 0.6 * shared + 0.8 * rng.normal(size=shared.shape)
    expressed = rng.normal(loc=2.0, size=(n_types, 1, n_factors))
    known = [
        binding,
        np.broadcast_to(motif, binding.shape),
        np.broadcast_to(expressed, binding.shape),
    ][:n_features]
    noise = rng.normal(size=(*binding.shape, n_features - len(known)))
    values = np.concatenate([np.stack(known, axis=-1), noise], axis=-1)
    width = len(str(n_factors))
    names = [f"TF{number:0{max(width, 3)}d}" for number in range(1, n_factors + 1)]
    features = [
        *TF_FEATURES[:n_features],
        *(f"noise_{number}" for number in range(1, n_features - len(known) + 1)),
    ]
    var = pd.DataFrame(
        {"factor": np.repeat(names, n_features), "feature": np.tile(features, n_factors)},
        index=pd.Index([f"{name}|{feature}" for name in names for feature in features]),
    )
    centred = (binding - binding.mean(axis=(0, 1))) / binding.std(axis=(0, 1)).clip(1e-6)
    drivers = {name: centred[..., number] for number, name in enumerate(names)}
    flat = values.reshape(n_types, n_genes, -1).astype(np.float32)
    return Signal(flat, var, drivers)
