"""Which genes each class looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core import keys
from tgem.tl._expected_model import check_model
from tgem.tl._gene_rows import names_in_data, rows_of_data, warn_of_rows
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model import TGEM


def class_attention(
    adata: AnnData,
    model: TGEM,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Write which genes each class looks at, as the network has learned it.

    These are weights of the network, the same for all cells. What a gene contributes in a cell is
    the weight times the gene's level and more: :func:`tgem.tl.attribution` says that.

    Parameters
    ----------
    adata
        Any data with some of the model's genes.
    model
        A trained :class:`~tgem.model.TGEM`.
    key_added
        Prefix of the slots, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.varm["tgem_class_attention"]``
        DataFrame, genes x classes: the class's query for the level of the gene, as
        :meth:`tgem.model.TGEM.get_class_attention` returns it; missing for genes that the model
        does not know.

    Raises
    ------
    RuntimeError
        If the model is not trained.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.class_attention(adata, model)
    >>> adata.varm["tgem_class_attention"].shape
    (60, 4)
    """
    check_model(model, "TGEM")
    written = target_of(adata, copy=copy)
    table = model.get_class_attention()
    table = table.set_axis(keys.column_names(list(table.columns)), axis="columns")
    names = names_in_data(written, model)
    slot = keys.CLASS_ATTENTION
    of_class = f".varm[{slot.key(key_added)!r}]"
    warn_of_rows(written, model, of_class, instead="model.get_class_attention()")
    slot.write(written, rows_of_data(table, written, names), key_added)
    classes = [str(label) for label in model.classes]
    record(
        written,
        keys.CLASS_ATTENTION,
        key_added,
        {"model": type(model).__name__, "classes": classes},
    )
    return written if copy else None
