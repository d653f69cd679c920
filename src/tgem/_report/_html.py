"""Pieces of the page; every text from the data is escaped here."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_MOST_ROWS_WITHOUT_FILTER = 12
_LONGEST_LIST = 40
_LONG_TEXT = 40  # letters of a cell that needs a wide column


@dataclass(frozen=True)
class Section:
    """One part of the page; `present` is false where only a hint stands for it."""

    anchor: str
    title: str
    body: str
    present: bool = True


def escaped(text: object) -> str:
    """Text of the data, safe inside elements and attributes."""
    return html.escape(str(text), quote=True)


def missing(anchor: str, title: str, calls: str) -> Section:
    """Return the line that names the calls, between backticks, which would add a section."""
    return Section(anchor, title, hint(f"Not in these data: call {calls}."), present=False)


def hint(text: str) -> str:
    """Quiet line with code between backticks."""
    pieces = escaped(text).split("`")
    marked = [f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces)]
    return f'<p class="hint">{"".join(marked)}</p>'


def paragraph(text: str) -> str:
    """Sentence of the page."""
    return f"<p>{escaped(text)}</p>"


def notice(text: str, *, kind: Literal["warning", "note"], because: str = "") -> str:
    """Sentence that must not be overlooked, and its reasons in plain letters."""
    return f'<p class="notice {kind}"><strong>{escaped(text)}</strong> {escaped(because)}</p>'


def cards(values: dict[str, Any]) -> str:
    """Return the few numbers of a section, large."""
    items = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(_large(value))}</dd></div>"
        for name, value in values.items()
    )
    return f'<dl class="cards">{items}</dl>'


def _large(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return number(float(value))
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def shown(value: Any) -> str:
    """Setting as it can be typed in again."""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return shown(value.item())
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("records")
    if isinstance(value, dict):
        return "; ".join(f"{name}: {shown(value[name])}" for name in value) or "none"
    if isinstance(value, list | tuple | np.ndarray):
        items = [shown(each) for each in value]
        text = ", ".join(items[:_LONGEST_LIST])
        more = len(items) - _LONGEST_LIST
        return (f"{text} and {more:,} more" if more > 0 else text) or "none"
    return str(value)


def number(value: float) -> str:
    """Three significant digits, and a dash for what is missing."""
    if math.isnan(value):
        return "\N{EN DASH}"
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text if "e" in text else text.replace("-", "\N{MINUS SIGN}")


def table(
    frame: pd.DataFrame, *, label: str, marked: Iterable[bool] | None = None, note: str = ""
) -> str:
    """Table whose columns sort on a click, with a box that filters the rows of a long one.

    `marked` rows stand out; `note` is said below.
    """
    kinds = ["number" if _is_numeric(frame[name]) else "text" for name in frame.columns]
    head = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{escaped(name)}</button></th>'
        for name, kind in zip(frame.columns, kinds, strict=True)
    )
    strong = [False] * len(frame) if marked is None else [bool(each) for each in marked]
    columns = [frame[name].tolist() for name in frame.columns]
    rows = "".join(
        f"<tr{' class=marked' if bold else ''}>{_cells(values, kinds)}</tr>"
        for bold, *values in zip(strong, *columns, strict=True)
    )
    box = ""
    if len(frame) > _MOST_ROWS_WITHOUT_FILTER:
        box = (
            '<label class="filter">rows with <input type="search" placeholder="class, gene, '
            '…"></label><output class="count"></output>'
        )
    below = f'<p class="hint">{escaped(note)}</p>' if note else ""
    return (
        f'<div class="table">{box}<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escaped(label)}"><table><caption>{escaped(label)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{below}</div>"
    )


def _is_numeric(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "iuf"


def _cells(values: Sequence[Any], kinds: list[str]) -> str:
    return "".join(
        _text(str(value)) if kind == "text" else _numeric(value)
        for value, kind in zip(values, kinds, strict=True)
    )


def _text(text: str) -> str:
    """Cell that may break where long names of gene sets and classes have their joints."""
    kind = ' class="long"' if len(text) > _LONG_TEXT else ""
    breakable = re.sub(r"([_/|])(?=\w)", r"\1<wbr>", escaped(text))
    return f"<td{kind}>{breakable}</td>"


def _numeric(value: float) -> str:
    """Whole numbers in full; the page sorts by the value, not by the text."""
    text = f"{value:,}" if isinstance(value, int) else number(value)
    if 0.1 <= abs(value) < 1:  # points of a column below each other
        text = text.ljust(len(f"{value:#.3g}"), "0")
    plain = f"{value:.6g}".replace("inf", "Infinity")  # as the page's script writes it
    sort = "" if text == plain else f' data-value="{plain}"'
    return f'<td class="number"{sort}>{text}</td>'
