"""Simulated isoforms whose regulation by splicing factors is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgem.datasets._splicing_counts import (
    gene_levels,
    gene_of_isoforms,
    isoform_usage,
    library_counts,
    planted_edges,
    responses_to_factors,
)
from tgem.datasets._splicing_settings import SplicingSettings, check_settings
from tgem.datasets._splicing_tables import assemble

if TYPE_CHECKING:
    from mudata import MuData


_USAGE_SPREAD = 1.5  # standard deviation of the isoforms' log usage within a gene
_LENGTH_SPREAD = 0.6  # standard deviation of the log length of isoforms


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
    settings = SplicingSettings(
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
    check_settings(settings)
    rng = np.random.default_rng(seed)
    gene_of = gene_of_isoforms(settings, rng)
    condition = rng.permutation(np.arange(n_obs) % 2)
    levels = gene_levels(settings, int(gene_of.max()) + 1, condition, rng)
    log_usage = rng.normal(scale=_USAGE_SPREAD, size=n_isoforms)
    edges = planted_edges(settings, gene_of, log_usage, rng)
    usage = isoform_usage(
        settings, gene_of, log_usage + responses_to_factors(settings, levels, edges), rng
    )
    abundance = np.exp(levels)[:, gene_of] * usage
    length = np.round(1500 * rng.lognormal(sigma=_LENGTH_SPREAD, size=n_isoforms)).clip(min=200)
    counts = library_counts(settings, abundance * length, rng)
    return assemble(settings, gene_of, edges, counts=counts, length=length, condition=condition)
