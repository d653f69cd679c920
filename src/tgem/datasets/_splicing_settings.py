"""Arguments of the simulation of splicing, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SplicingSettings:
    """Arguments of :func:`tgem.datasets.synthetic_splicing`."""

    n_obs: int
    n_factors: int
    n_isoforms: int
    n_programs: int
    edges_per_isoform: float
    effect: float
    mean_count: float
    confounded: bool
    seed: int


def check_settings(settings: SplicingSettings) -> None:
    """Raise for sizes with which nothing can be simulated."""
    least = {"n_obs": 4, "n_factors": 1, "n_isoforms": 1, "n_programs": 0, "seed": 0}
    for name, smallest in least.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < smallest:
            msg = f"Expected `{name}` to be a whole number of at least {smallest}, got {value!r}."
            raise ValueError(msg)
    for name in ("edges_per_isoform", "effect", "mean_count"):
        value = getattr(settings, name)
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not is_number or not np.isfinite(value) or value < 0:
            msg = f"Expected `{name}` to be a finite number of at least 0, got {value!r}."
            raise ValueError(msg)
    if settings.mean_count == 0:
        msg = "Expected `mean_count` to be above 0, got 0."
        raise ValueError(msg)
    if settings.n_isoforms < settings.n_factors + 2:
        msg = (
            f"Expected isoforms beside the {settings.n_factors} of the factors, at least 2, got "
            f"n_isoforms={settings.n_isoforms}."
        )
        raise ValueError(msg)
