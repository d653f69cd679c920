"""Simulated expression whose deciding genes are known."""

from __future__ import annotations

import numpy as np
from anndata import AnnData
from scipy import sparse

from tgem.datasets._expression_counts import simulated_counts
from tgem.datasets._expression_settings import Settings, check_settings
from tgem.datasets._expression_tables import cell_table, gene_table, planted_truth


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
    interaction_only: bool = False,
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

    With `interaction_only`, no gene is raised in any class. Each class has a circuit instead: a
    third of its causal genes are *regulators*, switched on or off together, and the others are
    their *targets*. In cells of the class the targets are up where the regulators are on and
    down where they are off; in all other cells it is the other way round. So every gene has the
    same distribution in every class, and only products of genes tell the classes apart: a
    classifier that is linear in the genes stays at chance.

    Parameters
    ----------
    n_obs
        Number of cells, split as evenly as possible over the classes.
    n_genes
        Number of genes; at least ``n_classes * n_causal + n_decoys``.
    n_classes
        Number of classes, at least 2.
    n_causal
        Causal genes of each class; at least 2 with `interaction_only`.
    effect
        Natural logarithm of the fold change of a causal gene in its class; 0 plants nothing.
        With `interaction_only`, causal genes go up or down by this much in every cell.
    n_programs
        Number of gene programs, 0 for independent background genes.
    n_decoys
        Number of decoys.
    n_donors
        Number of donors.
    mean_count
        Mean count of a gene in a cell, before causal genes are raised. About 70 % zeros at
        0.5, 80 % at 0.3.
    interaction_only
        Whether classes differ only through products of genes. Finding these takes more cells
        than finding markers: with `n_causal` 12, thousands.
    seed
        Seed of the random numbers; the same seed gives the same data.

    Returns
    -------
    AnnData, cells x genes:

    - ``.X``: CSR, float32, log1p of counts per 10,000;
    - ``.layers["counts"]``: CSR, float32, whole numbers;
    - ``.obs["cell_type"]``, ``.obs["donor"]``: categorical;
    - ``.var["causal"]``: bool; ``.var["causal_class"]``: the class it marks, ``""`` for the
      others; ``.var["role"]``: ``"marker"``, ``"regulator"``, ``"target"`` or ``""``;
      ``.var["decoy"]``: bool; ``.var["program"]``: number of its program, -1 for none;
    - ``.uns["synthetic_expression"]``: the arguments;
    - ``.uns["synthetic_pairs"]``, with `interaction_only`: DataFrame with the columns ``class``,
      ``regulator`` and ``target``, a row for each planted pair.

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
    settings = Settings(
        n_obs=n_obs,
        n_genes=n_genes,
        n_classes=n_classes,
        n_causal=n_causal,
        effect=effect,
        n_programs=n_programs,
        n_decoys=n_decoys,
        n_donors=n_donors,
        mean_count=mean_count,
        interaction_only=interaction_only,
        seed=seed,
    )
    check_settings(settings)
    rng = np.random.default_rng(seed)
    obs = cell_table(settings, rng)
    var = gene_table(settings, rng)
    counts = simulated_counts(settings, obs, var, rng)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)  # a cell may be empty
    return AnnData(
        X=sparse.csr_matrix(np.log1p(counts * (1e4 / totals)), dtype=np.float32),
        obs=obs,
        var=var,
        layers={"counts": sparse.csr_matrix(counts, dtype=np.float32)},
        uns=planted_truth(settings, var),
    )
