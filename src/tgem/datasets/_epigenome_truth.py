"""What drives expression in the simulated epigenome, and in which genes of which cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem.datasets._epigenome_signals import ACTIVATING, REPRESSIVE, between_genes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Array = np.ndarray[Any, Any]

#: Factors with an effect besides one for each cell type: two everywhere, and the gated one.
N_COMMON_FACTORS = 3

_SPECIFIC = 0.2  # share of genes whose regulation is specific to one cell type
_NOISE = 0.5  # standard deviation of what no signal explains
# Effects on the score, per standard deviation of the driver.
_MARKS = {ACTIVATING: 0.55, REPRESSIVE: -0.45}
_METHYLATION = (-0.4, -0.2)  # in turns over the cell types
_COMMON = (0.21, -0.21)
_OWN = 0.22
_GATED = 0.28
_GATE = "promoter unmethylated"


def specific_genes(n_genes: int, n_types: int) -> tuple[Array, Array]:
    """Cell type (-1 for none) and mark of each gene's specificity, before genes are shuffled."""
    code = np.full(n_genes, -1)
    mark = np.full(n_genes, "", dtype=object)
    if n_types > 1:
        chosen = np.arange(round(_SPECIFIC * n_genes))
        code[chosen] = chosen % n_types
        mark[chosen] = np.where(chosen // n_types % 2 == 0, ACTIVATING, REPRESSIVE)
    return code, mark


def peak_heights(
    rng: np.random.Generator, openness: Array, code: Array, mark: Array
) -> dict[str, Array]:
    """Heights of the causal marks' peaks, cell types x genes; here genes become specific."""
    n_types = len(openness)
    heights = {}
    here = np.arange(n_types)[:, None] == code
    for name, loading, (inside, outside) in (
        (ACTIVATING, 0.6, (1.5, -1.3)),
        (REPRESSIVE, -0.3, (-1.7, 1.5)),
    ):
        own = np.sqrt(1 - loading**2) * between_genes(rng, openness.shape)
        height = loading * openness + own
        planted = np.where(here, inside, outside) + 0.3 * height
        heights[name] = np.where(mark == name, planted, height)
    return heights


def effects(
    rng: np.random.Generator, cell_types: Sequence[str], factors: Sequence[str]
) -> pd.DataFrame:
    """Every effect on expression: modality, name, cell type, effect and its condition."""
    rows: list[tuple[str, str, str, float, str]] = []
    drawn = rng.choice(len(factors), N_COMMON_FACTORS + len(cell_types), replace=False)
    names = [factors[number] for number in drawn]
    for turn, cell_type in enumerate(cell_types):
        rows += [("histone", mark, cell_type, effect, "") for mark, effect in _MARKS.items()]
        rows.append(("methylation", "methylation", cell_type, _METHYLATION[turn % 2], ""))
        rows += [
            ("tf", name, cell_type, effect, "")
            for name, effect in zip(names[: len(_COMMON)], _COMMON, strict=True)
        ]
        rows.append(("tf", names[len(_COMMON)], cell_type, _GATED, _GATE))
        rows.append(("tf", names[N_COMMON_FACTORS + turn], cell_type, _OWN, ""))
    return pd.DataFrame(rows, columns=["modality", "name", "cell_type", "effect", "condition"])


def expression(
    rng: np.random.Generator,
    table: pd.DataFrame,
    drivers: Mapping[str, Array],
    cell_types: Sequence[str],
) -> tuple[Array, Array]:
    """Expected and measured expression on a log scale, cell types x genes."""
    unmethylated = drivers["unmethylated"]
    score = np.zeros(unmethylated.shape)
    for turn, cell_type in enumerate(cell_types):
        for row in table[table["cell_type"] == cell_type].itertuples():
            gate = unmethylated[turn] if row.condition == _GATE else 1.0
            score[turn] += row.effect * gate * drivers[row.name][turn]
    noise = _NOISE * rng.normal(size=score.shape)
    # On the scale of log2(1 + RPKM), which has no values below 0.
    return 4 + 2 * score, np.maximum(4 + 2 * (score + noise), 0)
