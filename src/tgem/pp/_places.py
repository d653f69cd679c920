"""Windows around the starts of transcription, and the observations that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GenomeWarning, listed, warn
from tgem._tracks import Regions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Array = np.ndarray[Any, Any]

LEAST_SHARE = 0.5  # of the genes on chromosomes that a file holds
SEPARATOR = "|"


def check_window(window: tuple[int, int]) -> tuple[int, int]:
    """Whole numbers of bases, the first below the second."""
    numbers = list(window)
    if (
        len(numbers) != 2
        or any(isinstance(n, bool) or not isinstance(n, int | np.integer) for n in numbers)
        or numbers[0] >= numbers[1]
    ):
        msg = (
            "Expected `window` to be two whole numbers of bases, from the first base to the one "
            "behind the last, counted from the start of transcription, such as (-2000, 2000), got "
            f"{window!r}."
        )
        raise ValueError(msg)
    return int(numbers[0]), int(numbers[1])


def regions_around(table: pd.DataFrame, window: tuple[int, int]) -> Regions:
    """Window of each gene. That of the minus strand mirrors that of the plus strand."""
    tss = table["tss"].to_numpy(dtype=np.int64)
    on_plus = (table["strand"] == "+").to_numpy()
    starts = np.where(on_plus, tss + window[0], tss + 1 - window[1])
    chromosomes = table["chrom"].to_numpy(dtype=object)
    return Regions(chromosomes, starts, window[1] - window[0])


def cell_type_names(names: Iterable[object], called: str) -> list[str]:
    """Names of cell types; raises for those that names of observations cannot hold."""
    found = [str(name) for name in names]
    wrong = [name for name in found if SEPARATOR in name or not name or found.count(name) > 1]
    if not found or wrong:
        msg = (
            f"Expected `{called}` to name cell types without {SEPARATOR!r}, each once, at least "
            f"one, got {listed(wrong)}."
        )
        raise ValueError(msg)
    return found


def observations(table: pd.DataFrame, samples: Sequence[str]) -> pd.DataFrame:
    """Genes, or genes in cell types: those of the first one, then of the second, and so on."""
    genes = table.index.to_numpy(dtype=object)
    repeats = max(len(samples), 1)
    obs = pd.DataFrame({"gene_id": np.tile(genes, repeats)})
    if samples:
        types = np.repeat(samples, len(genes))
        obs["cell_type"] = pd.Categorical(types, categories=list(samples))
        obs.index = pd.Index([f"{g}{SEPARATOR}{t}" for g, t in zip(obs["gene_id"], types)])  # noqa: B905
    else:
        obs.index = pd.Index(genes)
    for name in table.columns:
        column = np.tile(table[name].to_numpy(), repeats)
        obs[name] = pd.Categorical(column) if name in ("chrom", "strand") else column
    return obs


def check_most_present(file: object, absent: Array, chromosomes: Array) -> None:
    """Raise if a file lacks the chromosomes of most genes."""
    if absent.mean() <= 1 - LEAST_SHARE:
        return
    msg = (
        f"{file}: expected the chromosomes of most genes, found those of {(~absent).sum()} of "
        f"{absent.size}. It lacks {listed(sorted(set(chromosomes[absent])))}. Is it of another "
        "genome, or are its chromosomes named otherwise (`chr1` and `1` are understood)? If it "
        "holds some chromosomes only, keep their genes: "
        "`genes = tgem.pp.transcription_start_sites(...)`, then "
        "`genes[genes['chrom'].isin([...])]`."
    )
    raise ValueError(msg)


def report_absent(absent: Mapping[str, Array], chromosomes: Array) -> None:
    """Warn of genes on chromosomes that a file lacks; `absent` says for each file which."""
    lacking = {file: genes for file, genes in absent.items() if genes.any()}
    if not lacking:
        return
    file, genes = next(iter(lacking.items()))
    names, counts = np.unique(chromosomes[genes].astype(str), return_counts=True)
    shown = [f"{n} ({c} genes)" for n, c in zip(names, counts, strict=True)]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    others = f"; {len(lacking) - 1} other files lack some, too" if len(lacking) > 1 else ""
    msg = (
        f"{file} lacks chromosomes: {', '.join(shown[:5])}{more}{others}. These genes are NaN in "
        "the cell type, which models take as not measured."
    )
    warn(msg, GenomeWarning)
