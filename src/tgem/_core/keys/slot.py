"""A slot: one place in AnnData or MuData that tgem writes, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

PREFIX = "tgem"
EPI_PREFIX = "epi"
SPLICING_PREFIX = "deepsf"


@dataclass(frozen=True)
class Slot:
    """Where one result lives: container, key pattern, content, and the tool that writes it."""

    container: str
    pattern: str
    content: str
    written_by: str
    prefix: str = PREFIX  # where a call names none
    derived_from: tuple[str, ...] = ()  # patterns of the slots it may be computed from

    def key(self, prefix: str | None = None) -> str:
        """Key inside the container; raises for a prefix that no file can hold."""
        if prefix is not None and (not prefix or "/" in prefix):
            msg = (
                f"Expected `key_added` to be a name without a slash, got {prefix!r}. Leave it out "
                f"for {self.prefix!r}."
            )
            raise ValueError(msg)
        return self.pattern.format(prefix=prefix or self.prefix)

    def params_key(self, prefix: str | None = None) -> str:
        """Key in ``.uns`` of the call's provenance: method, settings, seed, versions."""
        return f"{self.key(prefix)}_params"

    def read(self, adata: AnnData, prefix: str | None = None) -> Any:
        """Return the slot's content, or say which call writes it."""
        container, key = getattr(adata, self.container), self.key(prefix)
        if key not in container:
            added = "" if prefix in (None, self.prefix) else f", key_added={prefix!r}"
            msg = (
                f"Expected adata.{self.container}[{key!r}] but it is not there. "
                f"Write it with `{self.written_by}(adata, ...{added})` first."
            )
            raise KeyError(msg)
        return container[key]

    def write(self, adata: AnnData, value: Any, prefix: str | None = None) -> None:
        """Store `value` in the slot."""
        getattr(adata, self.container)[self.key(prefix)] = value

    def remove(self, adata: AnnData, prefix: str | None = None) -> None:
        """Remove what an earlier call wrote, if any."""
        key, container = self.key(prefix), getattr(adata, self.container)
        if key not in container:
            return
        if self.container in ("obs", "var"):
            setattr(adata, self.container, container.drop(columns=key))
        else:
            del container[key]


def column_names(names: Iterable[object]) -> list[str]:
    """Names that survive as DataFrame columns in h5ad and zarr.

    Both stores write one dataset per column and refuse a slash in its name, yet labels such
    as ``CD4+/CD25 T Reg`` are common: the slash becomes a bar. The exact labels stay in the
    slot's ``_params`` entry.
    """
    columns: list[str] = []
    for name in names:
        column = str(name).replace("/", "|")
        while column in columns:
            column += "|"
        columns.append(column)
    return columns
