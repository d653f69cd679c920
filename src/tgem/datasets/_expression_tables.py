"""Cells and genes of the simulated expression, and what is planted in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tgem.datasets._expression_settings import Settings

MARKER, REGULATOR, TARGET = "marker", "regulator", "target"


def numbered(stem: str, count: int, width: int = 1) -> list[str]:
    """Numbered names whose alphabetical order is the numerical one."""
    width = max(width, len(str(count)))
    return [f"{stem}{number:0{width}d}" for number in range(1, count + 1)]


def cell_table(settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Class and donor of each cell, independent of each other."""
    factors = {
        "cell_type": numbered("type_", settings.n_classes),
        "donor": numbered("donor_", settings.n_donors),
    }
    columns = {}
    for name, categories in factors.items():
        codes = rng.permutation(np.arange(settings.n_obs) % len(categories))
        columns[name] = pd.Categorical.from_codes(codes.tolist(), categories=categories)
    return pd.DataFrame(columns, index=numbered("cell_", settings.n_obs, width=4))


def gene_table(settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Roles of the genes, in random positions."""
    n_causal_all = settings.n_classes * settings.n_causal
    classes = numbered("type_", settings.n_classes)
    causal_class = np.full(settings.n_genes, "", dtype=object)
    causal_class[:n_causal_all] = np.repeat(classes, settings.n_causal)
    role = np.full(settings.n_genes, "", dtype=object)
    role[:n_causal_all] = np.tile(causal_roles(settings), settings.n_classes)
    decoy = np.zeros(settings.n_genes, dtype=bool)
    decoy[n_causal_all : n_causal_all + settings.n_decoys] = True
    # Causal genes take no part: a background gene that correlates with one would help to
    # read it, and so would not be null.
    program = np.full(settings.n_genes, -1)
    background = np.arange(n_causal_all + settings.n_decoys, settings.n_genes)
    if settings.n_programs:
        # One part in n_programs + 1 stays outside all programs.
        program[background] = rng.integers(-1, settings.n_programs, size=background.size)
    order = rng.permutation(settings.n_genes)
    return pd.DataFrame(
        {
            "causal": (role != "")[order],
            "causal_class": causal_class[order],
            "role": role[order],
            "decoy": decoy[order],
            "program": program[order],
        },
        index=numbered("GENE", settings.n_genes, width=4),
    )


def causal_roles(settings: Settings) -> list[str]:
    """What each causal gene of a class does: markers, or a third regulators of the others."""
    if not settings.interaction_only:
        return [MARKER] * settings.n_causal
    n_regulators = max(settings.n_causal // 3, 1)
    return [REGULATOR] * n_regulators + [TARGET] * (settings.n_causal - n_regulators)


def planted_truth(settings: Settings, var: pd.DataFrame) -> dict[str, Any]:
    """Arguments, and the pairs of genes whose product tells classes apart."""
    truth: dict[str, Any] = {"synthetic_expression": asdict(settings)}
    if settings.interaction_only:
        pairs = [
            (label, regulator, target)
            for label, genes in var[var["causal"]].groupby("causal_class")
            for regulator in genes.index[genes["role"] == REGULATOR]
            for target in genes.index[genes["role"] == TARGET]
        ]
        columns = ["class", REGULATOR, TARGET]
        truth["synthetic_pairs"] = pd.DataFrame(
            pairs, columns=columns, index=[str(i) for i in range(len(pairs))]
        )
    return truth
