"""Which factor raises or lowers the predicted expression of which gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.derived import write_network
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_data
from tgem.tl._expected_model import NETWORK, check_model
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from tgem.model import EpiAttention


def regulatory_network(
    mdata: AnnData | MuData,
    model: EpiAttention,
    *,
    n_edges: int = 1000,
    method: str = "integrated_gradients",
    n_steps: int = 50,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Write the strongest edges from transcription factors to genes, for each cell type.

    An edge's weight is the attribution of the gene's output to the factor, its features added up.
    Each gene is compared with itself without any factor: their features at 0, but for their own
    expression (a feature called ``expression``). So the targets of a factor are among the genes
    that it is at, by its edge, binding site or signal. A weight says what the factor does to the
    model's prediction; it does not show that the factor regulates the gene. :func:`tgem.tl.hubs`
    counts the edges of each factor.

    Parameters
    ----------
    mdata
        Genes, or genes in cell types, each gene once in each: MuData, or AnnData if the model was
        set up with one.
    model
        A trained :class:`~tgem.model.EpiAttention` with the modality ``tf``.
    n_edges
        Number of edges to keep in each cell type, the strongest by absolute weight.
    method, n_steps
        As in :func:`tgem.tl.regulatory_attribution`. Integrated Gradients of all genes take
        `n_steps` passes; ``"input_x_gradient"`` takes one.
    key_added
        Prefix of the slots, ``"epi"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.uns["epi_network"]``
        long DataFrame: ``class`` (cell type, ``"all"`` for a model without), ``source`` (factor),
        ``target`` (gene), ``weight`` (positive where the factor raises the output), the strongest
        edge of each class first. Genes that no factor is at have no edges;
    ``.uns["epi_network_params"]``
        method, number of edges asked for, tgem's version.

    If another network was there, what was computed from it is removed: hubs, communities,
    significance of edges, and gene sets of targets.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    ValueError
        If the model has no factors, or only their expression, the data do not fit it, or a gene
        occurs twice in a cell type; `mdata` is then unchanged.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=40, n_factors=12)
    >>> tgem.model.EpiAttention.setup_mudata(
    ...     mdata, expression_key="expression", cell_type_key="cell_type"
    ... )
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> tgem.tl.regulatory_network(mdata, model, n_edges=30, n_steps=5)
    >>> mdata.uns["epi_network"]["class"].value_counts().to_dict()
    {'A': 30, 'B': 30}
    >>> tgem.tl.hubs(mdata)
    >>> int(mdata.uns["epi_hubs"]["degree"].sum())
    60
    """
    check_model(model, "EpiAttention", question=NETWORK)
    check_data(mdata, AnnData | MuData)
    network = model.get_factor_network(mdata, n_edges=n_edges, method=method, n_steps=n_steps)
    target = copied(mdata) if copy else mdata
    write_network(target, keys.REGULATORY_NETWORK, network, key_added)
    params = {
        "model": type(model).__name__,
        "sources": "factors",
        "method": method,
        "baseline": "without factors",
        "n_steps": int(n_steps),
        "n_edges": int(n_edges),
    }
    record(target, keys.REGULATORY_NETWORK, key_added, params)
    return target if copy else None
