"""A network as one HTML page that needs nothing else."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_TEMPLATE = "_network_page.html"
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
    page = files("tgem.pl").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    # The text of a name must not end the script element, nor begin a comment in it.
    data = json.dumps(_content(edges, classes), separators=(",", ":"), allow_nan=False)
    data = data.replace("<", "\\u003c")
    page = page.replace("{{caption}}", html.escape(caption)).replace("{{data}}", data)
    target.write_text(page, encoding="utf-8")


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
