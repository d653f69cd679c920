"""The table of slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core.keys import SLOTS

if TYPE_CHECKING:
    from tgem._core.keys import Slot


def write() -> str:
    """Every slot under the key that it has by default, its content, and what writes it."""
    rows = ["| Slot | Content | Written by |", "| --- | --- | --- |", *map(_row, SLOTS)]
    return "\n".join(rows) + "\n"


def _row(slot: Slot) -> str:
    where = f'`.{slot.container}["{slot.key()}"]`'
    content = slot.content.replace("|", r"\|")
    return f"| {where} | {content} | {{py:func}}`{slot.written_by}` |"
