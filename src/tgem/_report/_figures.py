"""Figures as SVG inside the page: sharp at any size, with text to search and select."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba

from tgem._report._html import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

# The reader's own fonts draw the text; Verdana is as wide as matplotlib's own.
_FONTS = "'DejaVu Sans', Verdana, Arial, sans-serif"
_STYLE: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tgem", "svg.image_inline": True}
_WITHOUT = {"Date": None, "Creator": None, "Format": None, "Type": None}
_PIXELS = 130  # per inch, of scatter plots
_LEAST = 620  # points; narrower windows scroll a wide figure


def figure(draw: Callable[..., Any], *arguments: Any, label: str, **settings: Any) -> str:
    """Return what `draw` puts on paper, whatever the user's style; `label` describes it.

    The dark theme turns its lightness around, but for a figure on no ground: there only text is
    turned, and the colours of cells stay those that the user knows from other figures.
    """
    with plt.style.context(["default", _STYLE]):
        before = set(plt.get_fignums())
        try:
            drawn = draw(*arguments, **settings)
            first = drawn[0] if isinstance(drawn, list) else drawn
            ground = to_rgba(first.figure.figure.get_facecolor())
            text = _svg(first.figure.figure)
        finally:
            for opened in set(plt.get_fignums()) - before:
                plt.close(opened)
    width = re.search(r'width="([\d.]+)pt"', text)
    least = min(float(width[1]), _LEAST) if width else _LEAST
    text = text.replace(
        "<svg ",
        f'<svg role="img" aria-label="{escaped(label)}" style="min-width:{least:.0f}pt" ',
        1,
    )
    return (
        f'<div class="{"figure" if ground[3] else "figure clear"}" tabindex="0" role="group" '
        f'aria-label="{escaped(label)}">{text}</div>'
    )


def _svg(drawn: Figure) -> str:
    """SVG of a figure without what only a file of its own needs."""
    target = StringIO()
    drawn.savefig(target, format="svg", bbox_inches="tight", metadata=_WITHOUT, dpi=_PIXELS)
    text = target.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # would hold for the page
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    # Names of groups would repeat from figure to figure; those of clips and marks are hashes.
    text = re.sub(r' id="[a-zA-Z0-9]+(\.[a-z]+)?_\d+"', "", text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"'DejaVu Sans', 'Bitstream Vera Sans'[^\";]*", _FONTS, text)
    return re.sub(r"\n\s*", "\n", text)
