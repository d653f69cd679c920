"""What the data of a set-up hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core.errors import listed
from tgem.data import GRIDS
from tgem.model.epiattention._inputs import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData


def known_modalities(mdata: MuData, modalities: Mapping[str, str] | None) -> dict[str, str]:
    """Which modality holds what, in our order."""
    found = {name: name for name in MODALITIES if name in mdata.mod}
    chosen = found if modalities is None else dict(modalities)
    if not chosen or not set(chosen) <= set(MODALITIES):
        msg = (
            f"Expected `modalities` to name some of {listed(MODALITIES)}, such as "
            f"{{'histone': {next(iter(mdata.mod), 'histone')!r}}}, got {chosen!r}. "
            f"mdata.mod holds {listed(mdata.mod)}."
        )
        raise ValueError(msg)
    return {name: chosen[name] for name in MODALITIES if name in chosen}


def recognised(adata: AnnData) -> str:
    """Tell what an AnnData holds by the columns of ``.var``."""
    for name, kind in GRIDS.items():
        if kind.columns in adata.var and any(key in adata.var for key in kind.rows):
            return name
    wanted = [f"{kind.rows[0]!r} and {kind.columns!r} ({name})" for name, kind in GRIDS.items()]
    msg = (
        f"Expected columns in adata.var that name the measurements: {'; or '.join(wanted)}. "
        f"Found {listed(adata.var.columns, 12)}."
    )
    raise KeyError(msg)
