"""Simulated epigenome of genes in several cell types whose causes of expression are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core.mudata_compat import columns_stay
from tgem._core.validate import check_choice
from tgem.datasets import _epigenome_signals as signals
from tgem.datasets import _epigenome_truth as truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tgem.datasets._epigenome_signals import Array, Signal

_MODALITIES = ("histone", "methylation", "tf")


def synthetic_epigenome(
    n_genes: int = 600,
    cell_types: Sequence[str] = ("A", "B"),
    *,
    n_marks: int = 7,
    n_bins: int = 40,
    max_cpg: int = 60,
    n_factors: int = 100,
    n_factor_features: int = 3,
    missing: Mapping[str, float] | None = None,
    seed: int = 0,
) -> MuData:
    """Simulate histone marks, methylation and transcription factors that drive expression.

    Observations are genes in cell types. A gene's signals resemble each other in all cell types,
    and most signals lean a little on the openness of its chromatin. Expression is a sum of

    - *an activating mark*: H3K4me3 in the bins of the promoter, around the middle bin;
    - *a repressive mark*: H3K27me3 in the bins of the gene's body, behind the promoter;
    - *methylation*: the mean over the CpGs closer than 0.15 to the start of transcription
      represses, twice as strongly in the first, third, ... cell type as in the others;
    - *factors*: an activator and a repressor in all cell types, one activator in each cell
      type alone, and one activator that works only where the promoter is unmethylated (mean of
      the same CpGs below 0.4), an interaction of two modalities;
    - *noise*, which no signal explains.

    Everything else is there to mislead: other marks have peaks that follow openness, all bins have
    uneven background reads, most CpGs lie elsewhere, all other factors bind more in open
    chromatin, and a factor's motif resembles its binding without any effect of its own.

    One gene in five is specific to a cell type: there alone its promoter gains H3K4me3, or its
    body loses H3K27me3, in turns.

    Parameters
    ----------
    n_genes
        Number of genes, at least 10.
    cell_types
        Names of the cell types, without ``"|"``. With one alone no gene is specific.
    n_marks
        Number of histone marks, at least 2; those beyond seven have background only.
    n_bins
        Number of bins around the start of transcription, at least 3.
    max_cpg
        Largest number of CpGs of a gene, at least 1. About one gene in fifty has none.
    n_factors
        Number of transcription factors, at least three more than there are cell types.
    n_factor_features
        Features of each factor, at least 1: binding, motif, expression (the factor's own, equal
        for all genes of a cell type), then noise.
    missing
        Share of the genes that lack a modality, such as ``{"tf": 0.5}``. Such a gene has no row
        in that modality, in any cell type; none loses all modalities.
    seed
        Seed of the random numbers; the same seed gives the same data. `missing` changes nothing
        in the rows that stay.

    Returns
    -------
    MuData, genes x cell types, named ``"GENE0001|A"``:

    - ``["histone"].X``: float32 read counts, marks x bins; ``.var``: ``mark``, ``bin`` (from 0),
      ``position`` of the bin's centre between -1 and 1, ``causal``;
    - ``["methylation"].X``: float32, CpGs x (methylation between 0 and 1, position between -1 and
      1), NaN behind the gene's last CpG; ``.var``: ``slot``, ``feature``; ``.obs["n_cpg"]``;
      ``.layers["causal"]``: bool, the CpGs that count;
    - ``["tf"].X``: float32, factors x features; ``.var``: ``factor``, ``feature``, ``causal``;
    - ``.obs`` of all of them and of the whole: ``gene_id``, ``cell_type``, ``chrom``
      (categorical), ``expression`` (log scale), ``high`` (1 above the cell type's median, else 0);
    - ``.obs`` of the whole also: ``expected_expression`` (without noise: no model can do better),
      ``specific_to`` (the cell type, ``""`` for most) and ``specific_by`` (the mark);
    - ``.uns["truth"]``: ``effects``, a table of ``modality``, ``name``, ``cell_type``, ``effect``
      and ``condition``; ``cpg_region``; ``unmethylated_below``;
    - ``.uns["synthetic_epigenome"]``: the arguments.

    Raises
    ------
    ValueError
        If a size is not a whole number in its range, cell types repeat, or `missing` names an
        unknown modality or no share.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(100, ("liver", "brain"), n_factors=20)
    >>> {name: modality.shape for name, modality in mdata.mod.items()}
    {'histone': (200, 280), 'methylation': (200, 120), 'tf': (200, 60)}
    >>> mdata.obs.loc["GENE0001|liver", ["gene_id", "cell_type"]].tolist()
    ['GENE0001', 'liver']
    >>> bins = mdata["histone"].var
    >>> bins[bins["causal"]].groupby("mark")["bin"].agg(["min", "max"]).values.tolist()
    [[25, 36], [18, 22]]
    """
    arguments: dict[str, Any] = {
        "n_genes": n_genes,
        "cell_types": _checked_cell_types(cell_types),
        "n_marks": n_marks,
        "n_bins": n_bins,
        "max_cpg": max_cpg,
        "n_factors": n_factors,
        "n_factor_features": n_factor_features,
        "missing": dict(missing or {}),
        "seed": seed,
    }
    _check(arguments)
    chosen = arguments["cell_types"]
    rng = np.random.default_rng(seed)
    code, mark = truth.specific_genes(n_genes, len(chosen))
    order = rng.permutation(n_genes)
    code, mark = code[order], mark[order]
    openness = signals.between_genes(rng, (len(chosen), n_genes))
    heights = truth.peak_heights(rng, openness, code, mark)
    histone = signals.histone(rng, openness, heights, n_marks=n_marks, n_bins=n_bins)
    methylation = signals.methylation(rng, openness, max_cpg=max_cpg)
    tf = signals.factors(rng, openness, n_factors=n_factors, n_features=n_factor_features)
    effects = truth.effects(rng, chosen, tf.var["factor"].unique())
    tf.var["causal"] = tf.var["factor"].isin(effects["name"]) & (tf.var["feature"] == "binding")
    drivers = histone.drivers | methylation.drivers | tf.drivers
    expected, measured = truth.expression(rng, effects, drivers, chosen)
    obs = _observations(rng, measured, chosen)
    mdata = _assembled(obs, {"histone": histone, "methylation": methylation, "tf": tf}, arguments)
    specific_to = np.array([*chosen, ""], dtype=object)[code]
    mdata.obs = obs.assign(
        expected_expression=expected.ravel(),
        specific_to=np.tile(specific_to, len(chosen)),
        specific_by=np.tile(mark, len(chosen)),
    )
    mdata.uns["truth"] = {
        "effects": effects,
        "cpg_region": np.array([-signals.CPG_REGION, signals.CPG_REGION]),
        "unmethylated_below": signals.UNMETHYLATED_BELOW,
    }
    mdata.uns["synthetic_epigenome"] = arguments | {"cell_types": np.array(chosen, dtype=object)}
    return mdata


def _checked_cell_types(cell_types: Sequence[str]) -> list[str]:
    names = [cell_types] if isinstance(cell_types, str) else list(cell_types)
    wrong = [name for name in names if not isinstance(name, str) or not name or "|" in name]
    if wrong or not names or len(set(names)) < len(names):
        msg = (
            "Expected `cell_types` to be different names without '|', at least one, such as "
            f'("liver", "brain"), got {cell_types!r}.'
        )
        raise ValueError(msg)
    return names


def _check(arguments: dict[str, Any]) -> None:
    least = {
        "n_genes": 10,
        "n_marks": 2,
        "n_bins": 3,
        "max_cpg": 1,
        "n_factors": truth.N_COMMON_FACTORS + len(arguments["cell_types"]),
        "n_factor_features": 1,
        "seed": 0,
    }
    for name, smallest in least.items():
        value = arguments[name]
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            msg = f"Expected `{name}` to be a whole number, got {value!r}."
            raise ValueError(msg)
        if value < smallest:
            msg = f"Expected `{name}` to be at least {smallest}, got {value}."
            raise ValueError(msg)
    for name, share in arguments["missing"].items():
        check_choice("missing", name, _MODALITIES)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            msg = f"Expected `missing[{name!r}]` to be at least 0 and below 1, got {share!r}."
            raise ValueError(msg)


def _observations(
    rng: np.random.Generator, expression: Array, cell_types: Sequence[str]
) -> pd.DataFrame:
    """Table of the genes of the first cell type, then of the second, and so on."""
    n_types, n_genes = expression.shape
    width = max(4, len(str(n_genes)))
    genes = [f"GENE{number:0{width}d}" for number in range(1, n_genes + 1)]
    chromosomes = [f"chr{number}" for number in range(1, 23)]
    drawn = pd.Categorical.from_codes(rng.integers(22, size=n_genes).tolist(), chromosomes)
    high = expression > np.median(expression, axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "gene_id": genes * n_types,
            "cell_type": pd.Categorical(np.repeat(cell_types, n_genes), categories=cell_types),
            "chrom": pd.Categorical.from_codes(np.tile(drawn.codes, n_types), chromosomes),
            "expression": expression.ravel(),
            "high": high.ravel().astype(np.int64),
        },
        index=[f"{gene}|{cell_type}" for cell_type in cell_types for gene in genes],
    )


def _assembled(obs: pd.DataFrame, drawn: Mapping[str, Signal], arguments: dict[str, Any]) -> MuData:
    """One AnnData for each modality, without the genes that lack it."""
    n_types = len(arguments["cell_types"])
    present = _present(arguments, len(obs) // n_types)
    modalities = {}
    for name, signal in drawn.items():
        modality = AnnData(signal.values.reshape(len(obs), -1), obs=obs.copy(), var=signal.var)
        if signal.n_cpg is not None and signal.causal is not None:
            modality.obs["n_cpg"] = np.tile(signal.n_cpg, n_types)
            modality.layers["causal"] = np.tile(signal.causal, (n_types, 1))
        modalities[name] = modality[np.tile(present[name], n_types)].copy()
    with columns_stay():
        # A gene that one modality lacks would come last.
        return MuData(modalities)[obs.index].copy()


def _present(arguments: dict[str, Any], n_genes: int) -> dict[str, Array]:
    """Say for each modality which genes have it."""
    # A generator of its own, so that `missing` changes none of the values.
    rng = np.random.default_rng([arguments["seed"], 1])
    present = {name: np.ones(n_genes, dtype=bool) for name in _MODALITIES}
    for name, share in arguments["missing"].items():
        present[name][rng.permutation(n_genes)[: round(share * n_genes)]] = False
    fullest = max(_MODALITIES, key=lambda name: present[name].sum())
    present[fullest] |= ~np.any(list(present.values()), axis=0)
    return present
