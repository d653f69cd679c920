"""Where the network of the epigenome looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core import keys
from tgem.tl._expected_model import ATTENTION, check_model
from tgem.tl._provenance import record
from tgem.tl._regulated_genes import Genes, as_text, genes_to_write, said_once

if TYPE_CHECKING:
    from tgem.model import EpiAttention


def regulatory_attention(
    mdata: Genes,
    model: EpiAttention,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> Genes | None:
    """Write where the network looked: at which bins, CpGs, factors and latent entries.

    Attention says where the network looked, not what decided:
    see :func:`tgem.tl.regulatory_importance`.

    Parameters
    ----------
    mdata, model, key_added, copy
        As in :func:`tgem.tl.predict_expression`.

    Returns
    -------
    ``None``, or the changed copy. Writes, for the modalities of the model,

    ``.obsm["epi_histone_attention"]``, ``["epi_methylation_attention"]``, ``["epi_tf_attention"]``
        float32, genes x bins, CpG slots and factors; each row adds up to 1, or is 0 where the gene
        lacks the modality, and missing where it lacks all; the columns' names are in
        ``.uns["epi_histone_attention"]["names"]``;
    ``.obsm["epi_fusion_attention"]``
        the same over the joint vector, mean over the attentions of the fusion; ``"names"`` holds
        the modality of each entry.

    Raises
    ------
    RuntimeError, ValueError
        As :func:`tgem.tl.predict_expression`.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.regulatory_attention(mdata, model)
    >>> mdata.obsm["epi_tf_attention"].shape
    (80, 12)
    """
    check_model(model, "EpiAttention", question=ATTENTION)
    target = genes_to_write(mdata, copy=copy)
    names: dict[Any, Any] = {"fusion": np.repeat(model.modalities, model.module.fusion.sizes)}
    for modality in model.modalities:
        rows, columns = model.feature_names(modality)
        names[modality] = columns if modality == "histone" else rows
    found: dict[Any, np.ndarray[Any, Any]] = {}
    for name in names:
        with said_once(already=bool(found)):
            found[name] = model.get_attention(mdata, modality=name)
    for name, weights in found.items():
        slot = keys.REGULATORY_ATTENTION[name]
        slot.write(target, weights, key_added)
        # new data may have another number of CpG slots than the training data
        labels = range(weights.shape[1]) if name == "methylation" else names[name]
        target.uns[slot.key(key_added)] = {"names": as_text(labels)}
        record(target, slot, key_added, {"model": type(model).__name__})
    return target if copy else None
