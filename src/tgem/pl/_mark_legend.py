"""The legend of round marks that mean different things."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.lines import Line2D

from tgem.pl._figure import SMALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


class Mark(NamedTuple):
    """What a mark means, and its colours."""

    label: str
    face: str
    edge: str


def name_marks(axes: Sequence[Axes], marks: Sequence[Mark], *, alone: bool) -> None:
    """Name marks, in the axes if they are alone in the figure, else above all panels."""
    if not marks:
        return
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=5,
            label=mark.label,
            markerfacecolor=mark.face,
            markeredgecolor=mark.edge,
        )
        for mark in marks
    ]
    if alone:
        axes[0].legend(handles=handles, fontsize=SMALL, frameon=False, loc="lower right")
        return
    axes[0].figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles),
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.0,
    )
