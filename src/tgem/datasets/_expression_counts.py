"""Counts of the simulated expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from tgem.datasets._expression_tables import REGULATOR, numbered

if TYPE_CHECKING:
    import pandas as pd

    from tgem.datasets._expression_settings import Settings

    Array = np.ndarray[Any, Any]

_DISPERSION = 2.0  # variance = mean + mean**2 / 2: overdispersed as in droplet data
_GENE_SPREAD = 1.0  # standard deviation of the genes' log mean
_DEPTH_SPREAD = 0.35  # standard deviation of the cells' log depth
_PROGRAM_LOADING = 0.8  # standard deviation of a program's log activity between cells
_DONOR_SPREAD = 0.1
_DECOY_SPREAD = 1.0  # standard deviation of a decoy's log mean between cells


def _base_levels(settings: Settings, var: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Log mean of each gene, up to a constant."""
    base = rng.normal(scale=_GENE_SPREAD, size=settings.n_genes)
    # From the 40th to the 80th percentile: neither silent nor already conspicuous. A gene whose
    # being on or off is to be seen in one cell must be higher.
    low, high = (0.8, 0.95) if settings.interaction_only else (0.4, 0.8)
    levels = _GENE_SPREAD * ndtri(np.linspace(low, high, settings.n_causal))
    for label in numbered("type_", settings.n_classes):
        base[var["causal_class"] == label] = rng.permutation(levels)
    base[var["decoy"]] = _GENE_SPREAD * ndtri(rng.uniform(0.93, 0.99, size=settings.n_decoys))
    return base


def simulated_counts(
    settings: Settings, obs: pd.DataFrame, var: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """Negative-binomial counts, cells x genes, as Poisson draws at gamma-distributed rates."""
    donors = obs["donor"].cat.codes.to_numpy()
    shape = (settings.n_obs, settings.n_genes)
    log_rate = np.tile(_base_levels(settings, var, rng), (settings.n_obs, 1))
    log_rate += rng.normal(scale=_DONOR_SPREAD, size=(settings.n_donors, settings.n_genes))[donors]
    activity = rng.normal(scale=_PROGRAM_LOADING, size=(settings.n_obs, settings.n_programs + 1))
    activity[:, -1] = 0  # genes outside all programs have the number -1
    log_rate += activity[:, var["program"]]
    log_rate[:, var["decoy"]] += rng.normal(
        scale=_DECOY_SPREAD, size=(settings.n_obs, settings.n_decoys)
    )
    rate = np.exp(log_rate)
    # The scale comes from the unraised rates, so that `effect` changes the causal genes alone.
    rate *= settings.mean_count / rate.mean()
    rate *= np.exp(settings.effect * _causal_states(settings, obs, var, rng))
    rate *= rng.lognormal(-(_DEPTH_SPREAD**2) / 2, _DEPTH_SPREAD, size=(settings.n_obs, 1))
    return rng.poisson(rate * rng.gamma(_DISPERSION, 1 / _DISPERSION, size=shape))


def _causal_states(
    settings: Settings, obs: pd.DataFrame, var: pd.DataFrame, rng: np.random.Generator
) -> Array:
    """How often `effect` is added to the log rate of each gene in each cell: -1, 0 or 1."""
    labels = obs["cell_type"].to_numpy(dtype=object)
    own = labels[:, None] == var["causal_class"].to_numpy()[None, :]
    if not settings.interaction_only:
        return own.astype(float)
    states = np.zeros(own.shape)
    for label in numbered("type_", settings.n_classes):
        regulators = rng.choice([-1.0, 1.0], size=settings.n_obs)
        targets = np.where(labels == label, regulators, -regulators)
        circuit = (var["causal_class"] == label).to_numpy()
        is_regulator = (var["role"] == REGULATOR).to_numpy()
        states[:, circuit & is_regulator] = regulators[:, None]
        states[:, circuit & ~is_regulator] = targets[:, None]
    return states
