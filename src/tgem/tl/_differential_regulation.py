"""Which factor acts differently on which gene in two groups of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import remove_derived
from tgem._core.errors import listed
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_count, check_data
from tgem.tl._expected_model import check_model
from tgem.tl._held_out_skill import (
    held_out_skill,
    marked,
    reliability_params,
    warn_of_unreliable,
)
from tgem.tl._label_permutations import label_contrasts
from tgem.tl._provenance import record
from tgem.tl._regulation_permutations import regulation_differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.model import DeepSF

Array = np.ndarray[Any, Any]


def differential_regulation(
    mdata: MuData,
    model: DeepSF,
    groups: Sequence[str],
    *,
    groupby: str,
    block_key: str | None = None,
    n_permutations: int = 1000,
    n_edges: int = 10_000,
    seed: int = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> MuData | None:
    """Say which splicing factor acts differently on which gene in two groups of samples.

    Each isoform of each sample is attributed to the factors by DeepLIFT, against the median of the
    training samples. The mean attribution in the reference is taken from that in the group, and
    the root mean square over a gene's isoforms is compared with its values after permuting the
    samples' labels, within blocks such as donors if there are any. Where there are few samples all
    permutations are taken, so that the p-value is exact, and cannot be small: six pairs of samples
    allow none below 2 / 64.

    It is the model that is asked: a factor whose expression differs between the groups, and whose
    effect on a gene the model has learnt, acts differently on the gene. For a decoder without
    hidden layers, such as the default one, the p-value is that of the factor's level up to
    clipping, and the same for all its genes.

    Parameters
    ----------
    mdata
        Genes and isoforms in TPM; matched by name.
    model
        A trained :class:`~tgem.model.DeepSF`.
    groups
        The group and the reference: the difference is the first less the second.
    groupby
        Column of the samples that holds the groups.
    block_key
        Column of the samples that holds blocks, such as donors with samples of both groups. The
        difference is then the mean of those within blocks.
    n_permutations
        Largest number of permutations.
    n_edges
        Number of pairs of factor and gene to keep, those with the smallest p-values and largest
        differences; false discovery rates are over all.
    seed
        Seed of the permutations.
    key_added
        Prefix of the slot, ``"deepsf"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``mdata.uns["deepsf_differential_regulation"]``
        long DataFrame: ``contrast``, ``source`` (factor), ``gene``, ``difference`` (root mean
        square over the isoforms), ``isoform`` (the one that differs most),
        ``isoform_difference`` (its difference, signed), ``p_value``, ``fdr`` (Benjamini and
        Hochberg), ``r_squared`` and ``reliable`` as in :func:`tgem.tl.regulation`;
    ``mdata.uns["deepsf_differential_regulation_params"]``
        groups, numbers of samples, blocks, permutations and tests, reliability, ``genes`` (those
        that were tested), version.

    :func:`tgem.tl.enrich_targets` with ``of="differential_regulation"`` asks which gene sets the
    genes of each factor belong to. What it wrote for an earlier comparison is removed.

    Warns
    -----
    RegulationWarning
        If fewer than half of the pairs are of genes that the model predicts on held-out samples.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    KeyError
        If there is no such column.
    ValueError
        If `groups` are not two values of the column, no block holds both, or the data do not fit
        the model; `mdata` is then unchanged.

    References
    ----------
    The question of :cite:t:`deeprbp2024`, by a permutation test.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=100, n_factors=8, n_isoforms=80)
    >>> tgem.model.DeepSF.setup_mudata(mdata)
    >>> model = tgem.model.DeepSF(mdata)
    >>> model.train(enable_progress_bar=False)
    >>> tgem.tl.differential_regulation(
    ...     mdata, model, ["treated", "control"], groupby="condition", n_edges=20
    ... )
    >>> mdata.uns["deepsf_differential_regulation"]["contrast"].unique().tolist()
    ['treated - control']
    """
    check_model(model, "DeepSF")
    check_data(mdata, MuData)
    check_count("n_permutations", n_permutations)
    check_count("n_edges", n_edges)
    names = [groups] if isinstance(groups, str) else [str(name) for name in groups]
    in_group, cells = _samples(mdata, names, groupby)
    blocks = np.zeros(len(cells), dtype=int)
    if block_key is not None:
        values = _column(mdata, block_key).iloc[cells]
        if values.isna().any():
            msg = (
                f"Expected a block of every sample in {block_key!r}, missing for "
                f"{int(values.isna().sum())} of {len(cells)}."
            )
            raise ValueError(msg)
        blocks = pd.factorize(values.astype(str))[0]
    contrasts = label_contrasts(in_group, blocks, n_permutations=n_permutations, seed=seed)
    table = regulation_differences(model, mdata, cells, contrasts)
    table = table.sort_values(["p_value", "difference"], ascending=[True, False], kind="stable")
    skill = held_out_skill(mdata, model, None)
    kept = marked(table.head(n_edges).reset_index(drop=True), skill)
    kept.insert(0, "contrast", f"{names[0]} - {names[1]}")
    target = copied(mdata) if copy else mdata
    remove_derived(target, keys.DIFFERENTIAL_REGULATION, key_added)
    keys.DIFFERENTIAL_REGULATION.write(target, kept, key_added)
    params = {
        "groups": np.array(names, dtype=object),
        "groupby": groupby,
        "block_key": block_key,
        "n_samples": np.array([int(in_group.sum()), int((~in_group).sum())]),
        "n_blocks": contrasts.n_blocks,
        "n_permutations": len(contrasts.permuted),
        "exact": contrasts.exact,
        "n_tests": len(table),
        "genes": table["gene"].unique().astype(object),
        "seed": int(seed),
        **reliability_params(kept, skill),
    }
    record(target, keys.DIFFERENTIAL_REGULATION, key_added, params)
    warn_of_unreliable(params)
    return target if copy else None


def _column(mdata: MuData, key: str) -> pd.Series[Any]:
    """A column of the samples, from the MuData's own table or that of a modality."""
    tables = [mdata.obs, *(table.obs for table in mdata.mod.values())]
    for table in tables:
        if key in table:
            found: pd.Series[Any] = table[key].reindex(mdata.obs_names)
            return found
    known = dict.fromkeys(str(name) for table in tables for name in table)
    msg = f"Expected {key!r} in mdata.obs. Available: {listed(known, 12) or 'none'}."
    raise KeyError(msg)


def _samples(mdata: MuData, names: Sequence[str], groupby: str) -> tuple[Array, Array]:
    """Whether each sample is of the group, and positions, of the samples of both groups."""
    if len(set(names)) != 2 or len(names) != 2:
        msg = f"Expected two different groups, the second as reference, got {listed(names)}."
        raise ValueError(msg)
    values = _column(mdata, groupby)
    labels = values.astype(str).where(values.notna(), None).to_numpy(dtype=object)
    absent = [name for name in names if name not in set(labels)]
    if absent:
        known = sorted({label for label in labels if label is not None})
        msg = (
            f"Expected `groups` among the values of {groupby!r}, found none of {listed(absent)}. "
            f"Known: {listed(known, 20)}."
        )
        raise ValueError(msg)
    cells = np.flatnonzero(np.isin(labels, names))
    return labels[cells] == names[0], cells
