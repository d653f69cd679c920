"""What the areas and the added information say, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tgem.net._evaluated_pairs import ALL, MATCHED, SCORE, WITHIN_FACTOR, WITHIN_GENE

if TYPE_CHECKING:
    import pandas as pd

TOO_LITTLE = "too little evidence"
TOO_FEW = "too few permutations"
CHANCE = "no better than chance"
EXPLAINED = "explained by its baselines"
NOT_APART = "does not tell factors apart"
ADDS = "adds to its baselines"

_FEWEST_PAIRS, _FEWEST_GENES = 10, 5
_LEVEL = 0.05
_ADVICE = {
    TOO_LITTLE: "Nothing can be said about the score.",
    CHANCE: "Do not read the score as regulation.",
    EXPLAINED: "Do not read the score as regulation: what it knows, its baselines know.",
    NOT_APART: (
        "It says which genes are regulated, not by which factor: do not read its edges as "
        "regulation."
    ),
    ADDS: "It agrees with this evidence beyond its baselines; how far, the numbers say.",
}


def reading(
    table: pd.DataFrame, added: pd.DataFrame, *, n_positive: int, n_genes: int, n_permutations: int
) -> str:
    """One of six readings.

    Parameters
    ----------
    table
        Areas of the score and its baselines.
    added
        What the score adds to the baselines on genes left out.
    n_positive
        Number of pairs with evidence.
    n_genes
        Number of genes with evidence.
    n_permutations
        Number of times that evidence was dealt anew.
    """
    if n_positive < _FEWEST_PAIRS or n_genes < _FEWEST_GENES:
        return TOO_LITTLE
    p_values = _p_values(table)
    if n_permutations < _fewest_permutations(len(p_values)):
        return TOO_FEW
    rows = table[table["measure"] == SCORE].set_index("level")
    if not (p_values * len(p_values) <= _LEVEL).any():
        return CHANCE
    gain = added.set_index("metric").loc["log_likelihood"]
    if not gain["gain_lower"] > 0:
        return EXPLAINED
    return ADDS if _tells_apart(rows) else NOT_APART


def _p_values(table: pd.DataFrame) -> pd.Series[float]:
    """P-values of the score at the levels that the verdict looks at first."""
    rows = table[table["measure"] == SCORE].set_index("level")
    return rows.loc[[ALL, WITHIN_GENE, WITHIN_FACTOR], "p_value"].dropna()


def _fewest_permutations(n_levels: int) -> int:
    """Fewest with which the least p-value, 1 / (n + 1), is small enough for so many levels."""
    return math.ceil(round(n_levels / _LEVEL, 6)) - 1


def _tells_apart(rows: pd.DataFrame) -> bool:
    """Whether factors of the same gene are ordered, beyond how often each is found.

    With one factor there is nothing to tell apart within a gene: it has to order genes alike.
    """
    if rows.loc[WITHIN_GENE, "n_comparisons"] > 0:
        row = rows.loc[WITHIN_GENE]
        return bool(row["auc"] > 0.5 and row["p_value_margins"] <= _LEVEL)
    row = rows.loc[MATCHED if MATCHED in rows.index else WITHIN_FACTOR]
    return bool(row["auc_lower"] > 0.5 and row["p_value"] <= _LEVEL)


def verdict(table: pd.DataFrame, added: pd.DataFrame, found: str, n_permutations: int) -> str:
    """The reading with the numbers behind it."""
    rows = table.set_index(["measure", "level"])
    parts = [f"{found.capitalize()}."]
    if found != TOO_LITTLE:
        others = [name for name in table["measure"].unique() if name != SCORE]
        names = {ALL: "over all pairs", WITHIN_GENE: "within a gene"}
        names[WITHIN_FACTOR] = "within a factor"
        sentences = [
            _compared(rows, level, text, others)
            for level, text in names.items()
            if rows.loc[(SCORE, level), "n_comparisons"] > 0
        ]
        if (SCORE, MATCHED) in rows.index and rows.loc[(SCORE, MATCHED), "n_comparisons"] > 0:
            text = "among genes alike, of the same factor,"
            sentences.append(f"{text} {_area(rows.loc[(SCORE, MATCHED)])}")
        parts.append(f"AUC {'; '.join(sentences)}.")
        gain = added.set_index("metric").loc["auc"]
        parts.append(
            "On genes left out, adding the score to its baselines changes their AUC from "
            f"{gain['baselines']:.3f} to {gain['with_score']:.3f} ({gain['gain_lower']:+.3f} to "
            f"{gain['gain_upper']:+.3f})."
        )
    if found == TOO_FEW:
        n_levels = len(_p_values(table))
        advice = (
            f"{n_permutations} permutations cannot tell the score from chance: no p-value is below "
            f"1 / {n_permutations + 1}, and of {n_levels} areas one must reach {_LEVEL} / "
            f"{n_levels}. Use `n_permutations` of at least {_fewest_permutations(n_levels)}."
        )
        return " ".join([*parts, advice])
    return " ".join([*parts, _ADVICE[found]])


def _compared(rows: pd.DataFrame, level: str, text: str, others: list[str]) -> str:
    """Area of the score at a level, and of the baseline that comes closest or beyond."""
    sentence = f"{text} {_area(rows.loc[(SCORE, level)])}"
    if others:
        best = max(others, key=lambda name: rows.loc[(name, level), "auc"])
        sentence += f" ({best} alone {rows.loc[(best, level), 'auc']:.2f})"
    return sentence


def _area(row: pd.Series[float]) -> str:
    text = f"{row['auc']:.2f}"
    if np.isfinite(row["auc_lower"]):
        text += f" [{row['auc_lower']:.2f}, {row['auc_upper']:.2f}]"
    return text
