"""Training curves, kept with the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_data
from tgem.tl._provenance import record

if TYPE_CHECKING:
    from tgem.data import Data
    from tgem.model._base import SupervisedModel


def history(
    adata: Data,
    model: SupervisedModel,
    *,
    key_added: str | None = None,
    copy: bool = False,
) -> Data | None:
    """Write a model's training curves, for :func:`tgem.pl.history`.

    Parameters
    ----------
    adata
        AnnData or MuData to write into.
    model
        A trained model.
    key_added
        Prefix of the slot, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes ``.uns["tgem_history"]``: DataFrame, epochs x metrics.

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
    >>> tgem.tl.history(adata, model)
    >>> len(adata.uns["tgem_history"])
    5
    """
    check_data(adata, AnnData | MuData)
    target = copied(adata) if copy else adata
    if not model.is_trained:
        msg = f"This {type(model).__name__} is not trained. Call `model.train()` first."
        raise RuntimeError(msg)
    keys.HISTORY.write(target, model.history, key_added)
    record(target, keys.HISTORY, key_added, {"model": type(model).__name__})
    return target if copy else None
