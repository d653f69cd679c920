"""Where the genes of a network are drawn, and where their names have room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_SEED = 0
_GAP = 0.7  # between components, in lengths of an edge
_SMALLEST_SCALE = 0.5  # of the genes' places, to make room for names


def place_genes(edges: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Place linked genes near each other; components lie side by side, the largest first."""
    graph = nx.Graph()
    graph.add_edges_from(sorted(zip(edges["source"], edges["target"], strict=True)))
    parts = sorted(nx.connected_components(graph), key=lambda genes: (-len(genes), min(genes)))
    boxes = [_component(graph, sorted(genes)) for genes in parts]
    area = sum(float(np.prod(size + _GAP)) for _, size in boxes)
    widest = max((float(size[0]) for _, size in boxes), default=0.0)
    row_width = max(math.sqrt(area) * 1.25, widest)
    places: dict[str, np.ndarray[Any, Any]] = {}
    left = top = row_height = 0.0
    for positions, size in boxes:
        if left and left + size[0] > row_width:
            left, top, row_height = 0.0, top - row_height - _GAP, 0.0
        corner = np.array([left, top - size[1]])
        places |= {gene: corner + position for gene, position in positions.items()}
        left += float(size[0]) + _GAP
        row_height = max(row_height, float(size[1]))
    return places


def _component(
    graph: nx.Graph, genes: list[str]
) -> tuple[dict[str, np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """Positions of one component from its lower left corner, and its size."""
    if len(genes) == 1:
        return {genes[0]: np.zeros(2)}, np.zeros(2)
    if len(genes) == 2:
        return dict(zip(genes, np.array([[0.0, 0.0], [0.8, 0.0]]), strict=True)), np.array([0.8, 0])
    part = graph.subgraph(genes)
    inner = nx.Graph()
    inner.add_nodes_from(genes)
    inner.add_edges_from(sorted(tuple(sorted(pair)) for pair in part.edges))
    # More room between genes than the default gives, and equal edges: a heavy edge is drawn
    # wider, not shorter, or the hubs would sit on each other.
    spread = 1.8 / math.sqrt(len(genes))
    found = nx.spring_layout(inner, k=spread, iterations=300, seed=_SEED)
    points = np.array([found[gene] for gene in genes])
    points -= points.min(axis=0)
    extent = points.max(axis=0)
    points *= 1.1 * math.sqrt(len(genes)) / max(float(extent.max()), 1e-9)
    return dict(zip(genes, points, strict=True)), points.max(axis=0)


def place_names(
    ax: Axes, texts: list[Annotation], points: np.ndarray[Any, Any], *, radii: list[float]
) -> None:
    """Move each name to the side of its gene where it meets the fewest names and genes.

    The names come with the most important first; later ones give way. A name that would lie on
    another name wherever it stands is left out. Where names reach beyond the axes, the genes move
    towards the middle. The figure must have been drawn once, so that the axes are where they stay.
    """
    _place(ax, texts, points, radii, leave_axes=True)
    if _make_room(ax, texts):
        _place(ax, texts, points, radii, leave_axes=False)


def _make_room(ax: Axes, texts: list[Annotation]) -> bool:
    """Widen the axes' limits until the names fit beside their genes; say whether that was needed.

    Names keep their size and their distance from the gene, whose place is all that moves.
    """
    frame = ax.get_window_extent(_renderer(ax))
    scale = 1.0
    for text in texts:
        if not text.get_visible():
            continue
        box = text.get_window_extent(_renderer(ax))
        anchor = ax.transData.transform(text.xy)
        for axis, (least, most) in enumerate([(box.x0, box.x1), (box.y0, box.y1)]):
            half, middle = frame.size[axis] / 2, (frame.min[axis] + frame.max[axis]) / 2
            place = anchor[axis] - middle
            # The side of the axes that the gene is on, and how far the name reaches beyond it.
            reach = most - anchor[axis] if place > 0 else anchor[axis] - least
            if place and abs(place) + reach > half:
                scale = min(scale, (half - reach) / abs(place))
    if scale == 1.0:
        return False
    scale = max(scale, _SMALLEST_SCALE)
    for low_high, set_limits in ((ax.get_xlim(), ax.set_xlim), (ax.get_ylim(), ax.set_ylim)):
        middle, half = sum(low_high) / 2, (low_high[1] - low_high[0]) / 2 / scale
        set_limits(middle - half, middle + half)
    return True


def _renderer(ax: Axes) -> Any:
    canvas: Any = ax.figure.figure.canvas
    return canvas.get_renderer() if hasattr(canvas, "get_renderer") else None


def _place(
    ax: Axes,
    texts: list[Annotation],
    points: np.ndarray[Any, Any],
    radii: list[float],
    *,
    leave_axes: bool,
) -> None:
    """Give each name the best of the places around its gene, if any is left."""
    figure = ax.figure.figure
    renderer = _renderer(ax)
    pixels = ax.transData.transform(points)
    frame = ax.get_window_extent(renderer)
    per_point = figure.dpi / 72
    taken: list[tuple[float, float, float, float]] = []
    for text, radius in zip(texts, radii, strict=True):
        text.set_visible(True)  # or it has no size
        box = text.get_window_extent(renderer)
        anchor = ax.transData.transform(text.xy)
        best: tuple[float, tuple[float, float], tuple[float, float, float, float]] | None = None
        for x, y in _offsets(radius, box.width / per_point, box.height / per_point):
            left, bottom = anchor[0] + x * per_point, anchor[1] + y * per_point
            place = (left, bottom, left + box.width, bottom + box.height)
            if any(_meet(place, other) for other in taken):
                continue
            covered = np.sum(
                (pixels[:, 0] > place[0]) & (pixels[:, 0] < place[2])
                & (pixels[:, 1] > place[1]) & (pixels[:, 1] < place[3])
            )  # fmt: skip
            outside = max(frame.x0 - place[0], 0) + max(place[2] - frame.x1, 0)
            outside += max(frame.y0 - place[1], 0) + max(place[3] - frame.y1, 0)
            if outside > 1 and not leave_axes:
                continue
            cost = float(covered) + outside / 10 + math.hypot(x, y) / 1000
            if best is None or cost < best[0]:
                best = cost, (x, y), place
        if best is None:
            text.set_visible(False)
            continue
        text.set_position(best[1])
        taken.append(best[2])


def _offsets(radius: float, width: float, height: float) -> list[tuple[float, float]]:
    """Lower left corners of a name around its gene, in points: right, left, above, below."""
    sides = []
    for gap in (radius + 1.5, radius + 8):
        diagonal = gap * 0.7
        sides += [
            (gap, -height / 2),
            (-gap - width, -height / 2),
            (-width / 2, gap),
            (-width / 2, -gap - height),
            (diagonal, diagonal),
            (-diagonal - width, diagonal),
            (diagonal, -diagonal - height),
            (-diagonal - width, -diagonal - height),
        ]
    return sides


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
