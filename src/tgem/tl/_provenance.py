"""What each tool records beside its result."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tgem._core.validate import check_data

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem._core.keys import Slot


def target_of(adata: AnnData, *, copy: bool) -> AnnData:
    """Return the object to write into: `adata` itself or a copy."""
    check_data(adata)
    return adata.copy() if copy else adata


def record(adata: AnnData, slot: Slot, prefix: str | None, params: dict[str, Any]) -> None:
    """Store a call's parameters under ``.uns[<key>_params]``, with tgem's version."""
    entries = {name: value for name, value in params.items() if value is not None}
    adata.uns[slot.params_key(prefix)] = entries | {"tgem_version": version("tgem")}
