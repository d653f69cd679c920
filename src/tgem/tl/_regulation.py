"""Which splicing factor regulates which isoform and gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import remove_derived, write_network
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_count, check_data
from tgem.tl._expected_model import ATTRIBUTION, check_model
from tgem.tl._held_out_skill import (
    held_out_skill,
    marked,
    reliability_params,
    warn_of_unreliable,
)
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

    from tgem.model import DeepSF
    from tgem.model.deepsf import Regulation


def regulation(
    mdata: MuData,
    model: DeepSF,
    *,
    reference: Any = "median",
    n_edges: int = 10_000,
    held_out: Sequence[int] | np.ndarray[Any, Any] | None = None,
    reliable_only: bool = False,
    key_added: str | None = None,
    copy: bool = False,
) -> MuData | None:
    """Say which splicing factor regulates which isoform, by DeepLIFT of all isoforms at once.

    Parameters
    ----------
    mdata
        Genes and isoforms in TPM; matched by name.
    model
        A trained :class:`~tgem.model.DeepSF`.
    reference
        What a sample is compared with: ``"median"`` of the training samples, ``"zero"`` (all
        factors knocked out), or a group of samples, such as ``{"condition": "naive"}``.
    n_edges
        Number of edges of the network, the strongest by effect.
    held_out
        Positions in `mdata` of samples that the model has not seen, or a mask, to assess it on; by
        default the test samples of its training data or, without any, the validation samples.
    reliable_only
        Whether the network keeps only edges of genes that the model predicts on held-out samples.
    key_added
        Prefix of the slots, ``"deepsf"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``mdata["isoform"].varm["deepsf_attribution"]``
        isoforms x factors, float32: mean effect over the samples, per standard deviation of the
        factor (DeepLIFT's multiplier); missing for isoforms set aside. The factors' names are in
        ``mdata["isoform"].uns["deepsf_attribution"]["factors"]``;
    ``mdata["isoform"].varm["deepsf_attribution_score"]``, ``..._t``
        the same shape: mean DeepLIFT score (effect times distance from the reference), and that
        mean over its standard error, absent with a single sample;
    ``mdata["gene"].varm["deepsf_attribution"]``, ``mdata["gene"].varm["deepsf_attribution_max"]``
        genes x factors, float32: root mean square over the gene's isoforms, and the largest
        absolute effect. The largest grows with the number of isoforms even where no factor does
        anything, so that it favours genes with many; the root mean square does not;
    ``mdata.uns["deepsf_network"]``
        long DataFrame: ``source`` (factor), ``target`` (isoform), ``weight``, ``gene``,
        ``t_statistic``, ``r_squared`` (of the gene: share of the squared deviation of its isoforms'
        usage from the mean in training that the model predicts on held-out samples) and
        ``reliable`` (whether that is above 0, of the gene and of all genes together; false where
        it was not assessed);
    ``mdata.uns["deepsf_skill"]``
        genes x scores on held-out samples, as ``model.evaluate(per="gene")`` gives them; absent if
        there are none;
    ``mdata.uns["deepsf_network_params"]``
        reference, number of samples, completeness residual, what reliability was assessed on and
        numbers of reliable edges and genes, ``genes`` (those that could have been targets, the
        background of :func:`tgem.tl.enrich_targets`), version.

    What was computed from earlier effects is removed, an evaluation of regulation, and, if another
    network was there, what was computed from that: hubs, communities, significance of edges, and
    gene sets of targets.

    Warns
    -----
    RegulationWarning
        If there are no held-out samples, or fewer than half of the edges are reliable.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the data do not fit the model, for an unknown reference, for `held_out` samples that the
        model was trained on, or if only reliable edges are asked for and there are no held-out
        samples; `mdata` is then unchanged.

    References
    ----------
    :cite:t:`shrikumar2017`, :cite:t:`deepsf`, :cite:t:`deeprbp2024`.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=100, n_factors=8, n_isoforms=80)
    >>> tgem.model.DeepSF.setup_mudata(mdata)
    >>> model = tgem.model.DeepSF(mdata)
    >>> model.train(enable_progress_bar=False)
    >>> tgem.tl.regulation(mdata, model, n_edges=20)
    >>> mdata["isoform"].varm["deepsf_attribution"].shape
    (80, 8)
    >>> mdata.uns["deepsf_network"]["reliable"].sum() > 10
    np.True_
    """
    check_model(model, "DeepSF", question=ATTRIBUTION)
    check_data(mdata, MuData)
    check_count("n_edges", n_edges)
    found = model.get_regulation(mdata, reference=reference)
    columns = model.positions(mdata, "isoform")
    skill = held_out_skill(mdata, model, held_out)
    if reliable_only and skill.by_gene is None:
        msg = (
            "Expected held-out samples for `reliable_only=True`, found none: the model was trained "
            "on all samples, or its training data are not here. Name samples as `held_out`."
        )
        raise ValueError(msg)
    edges = found.edges(n_edges, genes=skill.reliable_genes if reliable_only else None)
    network = marked(edges, skill)
    by_gene = {
        keys.REGULATION: found.by_gene("rms"),
        keys.REGULATION_LARGEST: found.by_gene("max"),
    }
    genes_at = dict(zip(model.gene_names, model.positions(mdata, "gene"), strict=True))
    target = copied(mdata) if copy else mdata
    remove_derived(target, keys.REGULATION, key_added)
    isoforms = target[model.modalities["isoform"]]
    genes = target[model.modalities["gene"]]
    names = {"factors": np.asarray(found.factors, dtype=object)}
    for table in (isoforms, genes):
        table.uns[keys.REGULATION.key(key_added)] = dict(names)
    _write_scores(isoforms, found, columns, key_added)
    for slot, scores in by_gene.items():
        slot.write(genes, _gene_rows(scores, genes_at, genes.n_vars), key_added)
    write_network(target, keys.REGULATION_NETWORK, network, key_added)
    target.uns.pop(keys.REGULATION_SKILL.key(key_added), None)  # of another model
    if skill.by_gene is not None:
        keys.REGULATION_SKILL.write(target, skill.by_gene, key_added)
    params = {
        "model": type(model).__name__,
        "decoder": model.decoder,
        "reference": str(reference),
        "n_samples": found.n_samples,
        "largest_residual": found.residual,
        "reliable_only": bool(reliable_only),
        "genes": _candidates(found, skill.reliable_genes if reliable_only else None),
        **reliability_params(network, skill),
        **model.layout,
    }
    record(target, keys.REGULATION_NETWORK, key_added, params)
    warn_of_unreliable(params)
    return target if copy else None


def _write_scores(
    isoforms: AnnData, found: Regulation, columns: np.ndarray[Any, Any], key_added: str | None
) -> None:
    """Write effects, scores and t-statistics of the isoforms; a single sample has no last ones."""
    keys.REGULATION_STATISTIC.remove(isoforms, key_added)
    for slot, scores in (
        (keys.REGULATION, found.effect),
        (keys.REGULATION_SCORE, found.mean),
        (keys.REGULATION_STATISTIC, found.t_statistic),
    ):
        if scores is not None:
            slot.write(isoforms, _rows(scores, columns, isoforms.n_vars), key_added)


def _candidates(found: Regulation, reliable: set[str] | None) -> np.ndarray[Any, Any]:
    """Genes whose isoforms an edge could have led to."""
    genes = found.genes[~np.isnan(found.effect).any(axis=0)].dropna().unique()
    kept = genes if reliable is None else genes[genes.isin(reliable)]
    return np.asarray(kept, dtype=object)


def _rows(
    scores: np.ndarray[Any, Any], columns: np.ndarray[Any, Any], n_rows: int
) -> np.ndarray[Any, Any]:
    """Transpose into the order of the data; missing where the model knows nothing."""
    values = np.full((n_rows, len(scores)), np.nan, dtype=np.float32)
    values[columns[columns >= 0]] = scores.T[columns >= 0]
    return values


def _gene_rows(
    scores: pd.DataFrame, positions: dict[str, int], n_rows: int
) -> np.ndarray[Any, Any]:
    columns = np.array([positions[gene] for gene in scores.columns], dtype=int)
    return _rows(scores.to_numpy(), columns, n_rows)
