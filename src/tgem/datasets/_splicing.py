"""Simulated isoforms whose regulation by splicing factors is known."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Spreads follow bulk RNA-seq of one cell type in several conditions.
_LEVEL_SPREAD = 1.6  # standard deviation of the genes' log mean
_FACTOR_LEVEL = 1.5  # splicing factors lie above the average gene, in units of the log mean
_OWN_SPREAD = 0.35  # variation of a gene's log expression between samples, beside the programs
_PROGRAM_LOADING = 0.35  # standard deviation of the loadings on each program
_USAGE_SPREAD = 1.5  # standard deviation of the isoforms' log usage within a gene
_LEAST_USAGE = 0.02  # mean usage from which on an isoform can be regulated
_USAGE_NOISE = 0.3  # variation of log usage between samples that no factor explains
_LENGTH_SPREAD = 0.6  # standard deviation of the log length of isoforms
_DEPTH_SPREAD = 0.3  # standard deviation of the samples' log depth
_DISPERSION = 0.02  # variance of counts = mean + 0.02 mean**2 beside what is simulated above
_MEAN_TPM = 7.0  # a million shared among some 140,000 isoforms
_SATURATION = 2.0  # standard deviations of a factor at which its effect levels off


@dataclass(frozen=True)
class _Settings:
    n_obs: int
    n_factors: int
    n_isoforms: int
    n_programs: int
    edges_per_isoform: float
    effect: float
    mean_count: float
    confounded: bool
    seed: int


def synthetic_splicing(
    n_obs: int = 500,
    n_factors: int = 50,
    n_isoforms: int = 2000,
    *,
    n_programs: int = 4,
    edges_per_isoform: float = 0.5,
    effect: float = 0.6,
    mean_count: float = 100.0,
    confounded: bool = True,
    seed: int = 0,
) -> MuData:
    r"""Simulate genes and isoforms whose regulation by splicing factors is known.

    A factor regulates a gene by switching between two of its isoforms: it raises the log usage
    of one and lowers that of another by the same amount,

    .. math::
        u_j \propto e^{a_j + \sum_f B_{fj}\, s \tanh(z_f / s) + \varepsilon_j} ,

    with :math:`z_f` the factor's standardised log expression and a response that levels off at
    about :math:`s = 2` standard deviations. Three things make regulation hard to find, as in real
    data:

    - *confounding*: programs of the sample drive factors and the genes of isoforms alike, so that
      every isoform correlates with factors that do nothing to it;
    - *number of isoforms*: genes with more isoforms have more regulators, so that a score which
      merely counts isoforms looks good between genes and not within;
    - *depth*: counts are drawn from finite libraries and divided by the isoforms' lengths, so that
      rare isoforms are often zero and their usage uncertain.

    Parameters
    ----------
    n_obs
        Number of samples, half of them of each condition; the condition shifts the programs.
    n_factors
        Number of splicing factors, each a gene with one isoform.
    n_isoforms
        Number of isoforms, those of the factors included.
    n_programs
        Number of programs of gene expression.
    edges_per_isoform
        Expected number of planted edges for each isoform of a regulated gene; regulators of a
        gene are drawn in proportion to its isoforms.
    effect
        Mean change of log usage per standard deviation of a factor; 0 plants nothing.
    mean_count
        Mean count of an isoform in a sample.
    confounded
        Whether the programs of the factors also drive the other genes. Otherwise those have
        programs of their own.
    seed
        Seed of the random numbers; the same seed gives the same data.

    Returns
    -------
    MuData, samples x (genes, isoforms), ready for :meth:`tgem.model.DeepSF.setup_mudata`:

    - ``mdata["gene"].X``, ``mdata["isoform"].X``: TPM, float32; a gene is the sum of its isoforms;
      ``.layers["counts"]`` of both;
    - ``mdata["gene"].var``: ``splicing_factor``, ``protein_coding`` (all True), ``n_isoforms``;
    - ``mdata["isoform"].var``: ``gene_id``, ``length``;
    - ``mdata.obs["condition"]``;
    - ``mdata.uns["synthetic_splicing_truth"]``: long table of the planted edges, ``source``
      (factor), ``target`` (isoform), ``weight`` (change of log usage per standard deviation),
      ``gene``; a pivot of it is the matrix factors x isoforms;
    - ``mdata.uns["synthetic_splicing"]``: the arguments.

    Raises
    ------
    ValueError
        If a size is out of its range, or the isoforms do not suffice.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=8, n_isoforms=100)
    >>> mdata["isoform"].shape
    (40, 100)
    >>> int(mdata["gene"].var["splicing_factor"].sum())
    8
    >>> list(mdata.uns["synthetic_splicing_truth"])
    ['source', 'target', 'weight', 'gene']
    """
    settings = _Settings(
        n_obs=n_obs,
        n_factors=n_factors,
        n_isoforms=n_isoforms,
        n_programs=n_programs,
        edges_per_isoform=edges_per_isoform,
        effect=effect,
        mean_count=mean_count,
        confounded=confounded,
        seed=seed,
    )
    _check(settings)
    rng = np.random.default_rng(seed)
    gene_of = _gene_of_isoforms(settings, rng)
    condition = rng.permutation(np.arange(n_obs) % 2)
    levels = _gene_levels(settings, int(gene_of.max()) + 1, condition, rng)
    log_usage = rng.normal(scale=_USAGE_SPREAD, size=n_isoforms)
    edges = _edges(settings, gene_of, log_usage, rng)
    usage = _usage(settings, gene_of, log_usage + _responses(settings, levels, edges), rng)
    abundance = np.exp(levels)[:, gene_of] * usage
    length = np.round(1500 * rng.lognormal(sigma=_LENGTH_SPREAD, size=n_isoforms)).clip(min=200)
    counts = _counts(settings, abundance * length, rng)
    return _assemble(settings, gene_of, edges, counts=counts, length=length, condition=condition)


def _check(settings: _Settings) -> None:
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


def _gene_of_isoforms(settings: _Settings, rng: np.random.Generator) -> Array:
    """Gene of each isoform; the factors come first and have one isoform each."""
    left = settings.n_isoforms - settings.n_factors
    sizes = []
    while left > 0:
        # most have two to four, a few have many; one in ten has a single isoform
        size = 1 if rng.random() < 0.1 else 2 + int(rng.negative_binomial(1.2, 0.35))
        sizes.append(min(size, left))
        left -= sizes[-1]
    if max(sizes) == 1:
        sizes = [len(sizes)]
    every = [1] * settings.n_factors + sizes
    return np.repeat(np.arange(len(every)), every)


def _gene_levels(
    settings: _Settings, n_genes: int, condition: Array, rng: np.random.Generator
) -> Array:
    """Log expression of each gene in each sample."""
    n_obs, n_factors = settings.n_obs, settings.n_factors
    base = rng.normal(scale=_LEVEL_SPREAD, size=n_genes)
    base[:n_factors] = _FACTOR_LEVEL + 0.4 * base[:n_factors]
    loadings = rng.normal(scale=_PROGRAM_LOADING, size=(settings.n_programs, n_genes))
    programs = rng.normal(size=(n_obs, settings.n_programs))
    others = programs if settings.confounded else rng.normal(size=programs.shape)
    programs, others = programs + condition[:, None], others + condition[:, None]
    levels = base + rng.normal(scale=_OWN_SPREAD, size=(n_obs, n_genes))
    levels[:, :n_factors] += programs @ loadings[:, :n_factors]
    levels[:, n_factors:] += others @ loadings[:, n_factors:]
    return levels


def _edges(
    settings: _Settings, gene_of: Array, log_usage: Array, rng: np.random.Generator
) -> pd.DataFrame:
    """Planted edges as positions: each regulator of a gene raises one isoform, lowers another."""
    usage = np.exp(log_usage)
    usage /= np.bincount(gene_of, weights=usage)[gene_of]
    rows = []
    for gene in range(settings.n_factors, int(gene_of.max()) + 1):
        isoforms = np.flatnonzero((gene_of == gene) & (usage >= _LEAST_USAGE))
        if len(isoforms) < 2:
            continue
        expected = settings.edges_per_isoform * len(isoforms) / 2  # two edges per regulator
        n_regulators = min(int(rng.poisson(expected)), settings.n_factors)
        for factor in rng.choice(settings.n_factors, size=n_regulators, replace=False):
            raised, lowered = rng.choice(isoforms, size=2, replace=False)
            weight = settings.effect * rng.uniform(0.6, 1.4)
            rows += [(factor, raised, weight, gene), (factor, lowered, -weight, gene)]
    table = pd.DataFrame(rows, columns=["source", "target", "weight", "gene"])
    return table[table["weight"] != 0].reset_index(drop=True)


def _responses(settings: _Settings, levels: Array, edges: pd.DataFrame) -> Array:
    """Change of each isoform's log usage by the factors, in each sample."""
    factors = levels[:, : settings.n_factors]
    standardized = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    weights = np.zeros((settings.n_factors, settings.n_isoforms))
    weights[edges["source"].to_numpy(int), edges["target"].to_numpy(int)] = edges["weight"]
    return _SATURATION * np.tanh(standardized / _SATURATION) @ weights


def _usage(
    settings: _Settings, gene_of: Array, log_usage: Array, rng: np.random.Generator
) -> Array:
    """Share of each isoform in its gene, in each sample."""
    noise = rng.normal(scale=_USAGE_NOISE, size=(settings.n_obs, settings.n_isoforms))
    usage = np.exp(log_usage + noise)
    return usage / _by_gene(usage, gene_of)[:, gene_of]


def _by_gene(values: Array, gene_of: Array) -> Array:
    """Sum of the isoforms of each gene; isoforms of a gene are neighbours."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(gene_of, prepend=-1)), axis=1)


def _counts(settings: _Settings, weight: Array, rng: np.random.Generator) -> Array:
    """Counts of finite libraries."""
    total = settings.mean_count * settings.n_isoforms
    depth = total * rng.lognormal(-(_DEPTH_SPREAD**2) / 2, _DEPTH_SPREAD, size=(len(weight), 1))
    rate = depth * weight / weight.sum(axis=1, keepdims=True)
    return rng.poisson(rate * rng.gamma(1 / _DISPERSION, _DISPERSION, size=rate.shape))


def _assemble(
    settings: _Settings,
    gene_of: Array,
    edges: pd.DataFrame,
    *,
    counts: Array,
    length: Array,
    condition: Array,
) -> MuData:
    # the simulated isoforms are a part of the transcriptome and have that part of the million
    tpm = counts / length
    tpm *= _MEAN_TPM * settings.n_isoforms / np.maximum(tpm.sum(axis=1, keepdims=True), 1e-12)
    n_genes = int(gene_of.max()) + 1
    samples = _names("sample", settings.n_obs)
    genes, isoforms = _names("GENE", n_genes), _names("ISO", settings.n_isoforms)
    obs = pd.DataFrame(
        {"condition": pd.Categorical.from_codes(condition, categories=["control", "treated"])},
        index=samples,
    )
    gene_table = pd.DataFrame(
        {
            "splicing_factor": np.arange(n_genes) < settings.n_factors,
            "protein_coding": np.ones(n_genes, dtype=bool),
            "n_isoforms": np.bincount(gene_of),
        },
        index=genes,
    )
    isoform_table = pd.DataFrame(
        {"gene_id": np.asarray(genes)[gene_of], "length": length.astype(int)}, index=isoforms
    )
    tables = {
        "gene": (gene_table, _by_gene(tpm, gene_of), _by_gene(counts, gene_of)),
        "isoform": (isoform_table, tpm, counts),
    }
    modalities = {
        name: AnnData(
            values.astype(np.float32),
            obs=obs.copy(),
            var=var,
            layers={"counts": numbers.astype(np.float32)},
        )
        for name, (var, values, numbers) in tables.items()
    }
    with warnings.catch_warnings():
        # mudata announces a change of its own
        warnings.simplefilter("ignore", FutureWarning)
        mdata = MuData(modalities)
    mdata.obs["condition"] = obs["condition"]
    mdata.uns["synthetic_splicing"] = asdict(settings)
    mdata.uns["synthetic_splicing_truth"] = pd.DataFrame(
        {
            "source": np.asarray(genes, dtype=object)[edges["source"].to_numpy(int)],
            "target": np.asarray(isoforms, dtype=object)[edges["target"].to_numpy(int)],
            "weight": edges["weight"].to_numpy(float),
            "gene": np.asarray(genes, dtype=object)[edges["gene"].to_numpy(int)],
        }
    )
    return mdata


def _names(stem: str, count: int) -> list[str]:
    """Numbered names whose alphabetical order is the numerical one."""
    width = len(str(count))
    return [f"{stem}{number:0{width}d}" for number in range(1, count + 1)]
