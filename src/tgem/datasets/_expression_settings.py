"""Arguments of the simulated expression, and what is wrong with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Settings:
    """Arguments of :func:`tgem.datasets.synthetic_expression`."""

    n_obs: int
    n_genes: int
    n_classes: int
    n_causal: int
    effect: float
    n_programs: int
    n_decoys: int
    n_donors: int
    mean_count: float
    interaction_only: bool
    seed: int


def check_settings(settings: Settings) -> None:
    """Raise for numbers that describe no data."""
    least = {"n_classes": 2, "n_programs": 0, "n_decoys": 0, "seed": 0}
    if settings.interaction_only:
        least["n_causal"] = 2  # a regulator and its target
    for name, value in asdict(settings).items():
        if name in ("effect", "mean_count", "interaction_only"):
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            msg = f"Expected `{name}` to be a whole number, got {value!r}."
            raise ValueError(msg)
        if value < least.get(name, 1):
            msg = f"Expected `{name}` to be at least {least.get(name, 1)}, got {value}."
            raise ValueError(msg)
    for name, value, least_value in (
        ("effect", settings.effect, 0.0),
        ("mean_count", settings.mean_count, 1e-6),
    ):
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not is_number or not np.isfinite(value) or value < least_value:
            msg = (
                f"Expected `{name}` to be a finite number of at least {least_value:g}, "
                f"got {value!r}."
            )
            raise ValueError(msg)
    if settings.n_obs < settings.n_classes:
        msg = (
            f"Expected at least one cell for each of the {settings.n_classes} classes, got "
            f"n_obs={settings.n_obs}. Raise `n_obs` or lower `n_classes`."
        )
        raise ValueError(msg)
    needed = settings.n_classes * settings.n_causal + settings.n_decoys
    if settings.n_genes < needed:
        msg = (
            f"Expected room for {settings.n_classes} x {settings.n_causal} causal genes and "
            f"{settings.n_decoys} decoys, {needed} in all, got n_genes={settings.n_genes}. "
            "Raise `n_genes`, or lower `n_causal`, `n_classes` or `n_decoys`."
        )
        raise ValueError(msg)
