"""The data that EpiAttention's tools write into."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from anndata import AnnData
from mudata import MuData

from tgem._core.errors import MeasurementWarning, quiet
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

Genes: TypeAlias = AnnData | MuData


def genes_to_write(mdata: Genes, *, copy: bool) -> Genes:
    """Return the object to write into: `mdata` itself or a copy."""
    check_data(mdata, AnnData | MuData)
    return copied(mdata) if copy else mdata


def said_once(*, already: bool) -> AbstractContextManager[None]:
    """Say of a tool's first question only which genes get no result."""
    return quiet(MeasurementWarning) if already else nullcontext()


def as_text(names: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Names as h5ad and zarr store them."""
    return np.array([str(name) for name in names], dtype=object)
