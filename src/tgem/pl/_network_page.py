"""A network as one HTML page that needs nothing else, or as a part of another page."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 4  # of a weight: more than a screen shows


def write_page(edges: pd.DataFrame, path: str | Path, *, classes: list[str], caption: str) -> None:
    """Write the page; `edges` come with the strongest first."""
    target = Path(path)
    if not target.parent.is_dir():
        msg = (
            "Expected `interactive` to be in an existing folder, but there is no "
            f"{str(target.parent)!r}."
        )
        raise FileNotFoundError(msg)
    view = network_view(edges, classes=classes, caption=caption)
    page = _filled("_network_page.html", style=network_style(), view=view)
    target.write_text(page, encoding="utf-8")


def network_view(edges: pd.DataFrame, *, classes: list[str], caption: str) -> str:
    """Return controls, drawing and script; a page holds at most one.

    The page brings :func:`network_style` and defines the colours ``--paper``, ``--ink``,
    ``--soft``, ``--line``, ``--gene``, ``--positive``, ``--negative`` and ``--found``.
    """
    # The text of a name must not end the script element, nor begin a comment in it.
    data = json.dumps(_content(edges, classes), separators=(",", ":"), allow_nan=False)
    data = data.replace("<", "\\u003c")
    script = _text("_network_page.js")
    return _filled("_network_view.html", caption=html.escape(caption), data=data, script=script)


def network_style() -> str:
    """Return the style sheet of :func:`network_view`."""
    return _text("_network_page.css")


def _text(name: str) -> str:
    return files("tgem.pl").joinpath(name).read_text(encoding="utf-8")


def _filled(template: str, **parts: str) -> str:
    """Fill in the parts in one pass, so that a name with braces in it stays a name."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text(template))


def _content(edges: pd.DataFrame, classes: list[str]) -> dict[str, Any]:
    """Names once, edges as columns of their numbers."""
    genes = sorted(set(edges["source"]) | set(edges["target"]))
    numbers = {gene: at for at, gene in enumerate(genes)}
    layers: list[Any] = []
    if "layer" in edges:
        layers = sorted(
            edges["layer"].unique().tolist(), key=lambda layer: (str(type(layer)), layer)
        )
    places = {layer: at for at, layer in enumerate(layers)}
    return {
        "classes": classes,
        "layers": [str(layer) for layer in layers],
        "genes": genes,
        "class": [classes.index(label) for label in edges["class"]],
        "layer": [places[layer] for layer in edges["layer"].tolist()] if layers else [],
        "source": [numbers[gene] for gene in edges["source"]],
        "target": [numbers[gene] for gene in edges["target"]],
        "weight": [float(f"{weight:.{_DIGITS}g}") for weight in edges["weight"]],
    }
