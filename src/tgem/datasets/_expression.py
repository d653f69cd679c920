"""Simulated expression whose deciding genes are known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.special import ndtri

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_DISPERSION = 2.0  # variance = mean + mean**2 / 2: overdispersed as in droplet data
_GENE_SPREAD = 1.0  # standard deviation of the genes' log mean
_DEPTH_SPREAD = 0.35  # standard deviation of the cells' log depth
_PROGRAM_LOADING = 0.8  # standard deviation of a program's log activity between cells
_DONOR_SPREAD = 0.1
_DECOY_SPREAD = 1.0  # standard deviation of a decoy's log mean between cells


@dataclass(frozen=True)
class _Settings:
    n_obs: int
    n_genes: int
    n_classes: int
    n_causal: int
    effect: float
    n_programs: int
    n_decoys: int
    n_donors: int
    mean_count: float
    seed: int


def synthetic_expression(
    n_obs: int = 600,
    n_genes: int = 200,
    *,
    n_classes: int = 4,
    n_causal: int = 8,
    effect: float = 1.5,
    n_programs: int = 4,
    n_decoys: int = 8,
    n_donors: int = 4,
    mean_count: float = 0.5,
    seed: int = 0,
) -> AnnData:
    """Simulate cells of several classes whose deciding genes are known.

    Counts are negative binomial, with a depth that varies between cells; most are zero. There
    are three kinds of genes, in random positions:

    - *causal*: each class raises its own `n_causal` genes by ``exp(effect)``. Causal genes of
      all classes have the same base levels, so that the class does not change a cell's total
      and cannot leak into other genes through normalisation;
    - *decoys*: highly expressed and the most variable genes, unrelated to the class. A method
      that ranks genes by expression or variance instead of by evidence picks them;
    - *background*: all others. Most belong to one of `n_programs` programs, which vary from
      cell to cell alike in all classes and correlate their genes.

    Donors shift all genes a little and hold all classes alike.

    Parameters
    ----------
    n_obs
        Number of cells, split as evenly as possible over the classes.
    n_genes
        Number of genes; at least ``n_classes * n_causal + n_decoys``.
    n_classes
        Number of classes, at least 2.
    n_causal
        Causal genes of each class.
    effect
        Natural logarithm of the fold change of a causal gene in its class; 0 plants nothing.
    n_programs
        Number of gene programs, 0 for independent background genes.
    n_decoys
        Number of decoys.
    n_donors
        Number of donors.
    mean_count
        Mean count of a gene in a cell, before causal genes are raised. About 70 % zeros at
        0.5, 80 % at 0.3.
    seed
        Seed of the random numbers; the same seed gives the same data.

    Returns
    -------
    AnnData, cells x genes:

    - ``.X``: CSR, float32, log1p of counts per 10,000;
    - ``.layers["counts"]``: CSR, float32, whole numbers;
    - ``.obs["cell_type"]``, ``.obs["donor"]``: categorical;
    - ``.var["causal"]``: bool; ``.var["causal_class"]``: the class it marks, ``""`` for the
      others; ``.var["decoy"]``: bool; ``.var["program"]``: number of its program, -1 for none;
    - ``.uns["synthetic_expression"]``: the arguments.

    Raises
    ------
    ValueError
        If a size is not a whole number in its range, or the genes do not suffice.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=90, n_genes=60, n_classes=3)
    >>> adata.shape
    (90, 60)
    >>> adata.obs["cell_type"].value_counts().to_dict()
    {'type_1': 30, 'type_2': 30, 'type_3': 30}
    >>> adata.var.groupby("causal_class").size().to_dict()
    {'': 36, 'type_1': 8, 'type_2': 8, 'type_3': 8}
    """
    settings = _Settings(
        n_obs=n_obs,
        n_genes=n_genes,
        n_classes=n_classes,
        n_causal=n_causal,
        effect=effect,
        n_programs=n_programs,
        n_decoys=n_decoys,
        n_donors=n_donors,
        mean_count=mean_count,
        seed=seed,
    )
    _check(settings)
    rng = np.random.default_rng(seed)
    obs = _cell_table(settings, rng)
    var = _gene_table(settings, rng)
    counts = _counts(settings, obs, var, rng)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)  # a cell may be empty
    return AnnData(
        X=sparse.csr_matrix(np.log1p(counts * (1e4 / totals)), dtype=np.float32),
        obs=obs,
        var=var,
        layers={"counts": sparse.csr_matrix(counts, dtype=np.float32)},
        uns={"synthetic_expression": asdict(settings)},
    )


def _check(settings: _Settings) -> None:
    least = {"n_classes": 2, "n_programs": 0, "n_decoys": 0, "seed": 0}
    for name, value in asdict(settings).items():
        if name in ("effect", "mean_count"):
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


def _names(stem: str, count: int, width: int = 1) -> list[str]:
    """Numbered names whose alphabetical order is the numerical one."""
    width = max(width, len(str(count)))
    return [f"{stem}{number:0{width}d}" for number in range(1, count + 1)]


def _cell_table(settings: _Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Class and donor of each cell, independent of each other."""
    factors = {
        "cell_type": _names("type_", settings.n_classes),
        "donor": _names("donor_", settings.n_donors),
    }
    columns = {}
    for name, categories in factors.items():
        codes = rng.permutation(np.arange(settings.n_obs) % len(categories))
        columns[name] = pd.Categorical.from_codes(codes.tolist(), categories=categories)
    return pd.DataFrame(columns, index=_names("cell_", settings.n_obs, width=4))


def _gene_table(settings: _Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Roles of the genes, in random positions."""
    n_causal_all = settings.n_classes * settings.n_causal
    classes = _names("type_", settings.n_classes)
    role = np.full(settings.n_genes, "", dtype=object)
    role[:n_causal_all] = np.repeat(classes, settings.n_causal)
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
            "causal_class": role[order],
            "decoy": decoy[order],
            "program": program[order],
        },
        index=_names("GENE", settings.n_genes, width=4),
    )


def _base_levels(settings: _Settings, var: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Log mean of each gene, up to a constant."""
    base = rng.normal(scale=_GENE_SPREAD, size=settings.n_genes)
    # From the 40th to the 80th percentile: neither silent nor already conspicuous.
    levels = _GENE_SPREAD * ndtri(np.linspace(0.4, 0.8, settings.n_causal))
    for label in _names("type_", settings.n_classes):
        base[var["causal_class"] == label] = rng.permutation(levels)
    base[var["decoy"]] = _GENE_SPREAD * ndtri(rng.uniform(0.93, 0.99, size=settings.n_decoys))
    return base


def _counts(
    settings: _Settings, obs: pd.DataFrame, var: pd.DataFrame, rng: np.random.Generator
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
    labels = obs["cell_type"].to_numpy(dtype=object)
    raised = labels[:, None] == var["causal_class"].to_numpy()[None, :]
    rate = np.exp(log_rate)
    # The scale comes from the unraised rates, so that `effect` changes the causal genes alone.
    rate *= settings.mean_count / rate.mean()
    rate[raised] *= np.exp(settings.effect)
    rate *= rng.lognormal(-(_DEPTH_SPREAD**2) / 2, _DEPTH_SPREAD, size=(settings.n_obs, 1))
    return rng.poisson(rate * rng.gamma(_DISPERSION, 1 / _DISPERSION, size=shape))
