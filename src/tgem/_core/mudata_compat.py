"""MuData without its note on what a later version does to the columns of modalities."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import Any, TypeVar

import mudata
from anndata import AnnData
from mudata import MuData

Data = TypeVar("Data", bound=AnnData | MuData)


def columns_stay() -> AbstractContextManager[Any]:
    """Keep the columns of modalities where they are; mudata 0.4 does so by itself."""
    major, minor = (int(part) for part in version("mudata").split(".")[:2])
    if (major, minor) >= (0, 4):
        return nullcontext()
    options: AbstractContextManager[Any] = mudata.set_options(pull_on_update=False)
    return options


def copied(data: Data) -> Data:
    """Copy an AnnData or a MuData."""
    with columns_stay():
        copy: Data = data.copy()
    return copy
