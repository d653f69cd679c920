"""How every result was made."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._report._html import Section, hint, paragraph, shown, table

if TYPE_CHECKING:
    from anndata import AnnData

_PACKAGES = ("tgem", "anndata", "matplotlib", "pandas", "numpy")
_SUFFIX = "_params"


def provenance(adata: AnnData, prefix: str) -> Section:
    """Every setting that the tools recorded, and the versions that made this page."""
    rows = [
        {"result": key.removesuffix(_SUFFIX), "setting": str(name), "value": shown(value)}
        for key, params in recorded(adata, prefix)
        for name, value in sorted(params.items(), key=lambda item: str(item[0]))
    ]
    body = (
        table(pd.DataFrame(rows), label="Settings of each result, from .uns")
        if rows
        else hint("No settings are recorded in these data.")
    )
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return Section("provenance", "Provenance", body + paragraph(f"Page made with {versions}."))


def recorded(adata: AnnData, prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Provenance entries of the prefix, by name."""
    return [
        (key, dict(adata.uns[key]))
        for key in sorted(map(str, adata.uns))
        if key.startswith(f"{prefix}_")
        and key.endswith(_SUFFIX)
        and hasattr(adata.uns[key], "items")
    ]
