"""What all plots share: colours, figures, and how a figure is shown and saved."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart in all common forms of colour blindness.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
)
GREY, LIGHT_GREY = "#767676", "#E6E6E6"
SMALL, MEDIUM = 8, 9  # points

#: From nothing (white) to much, through the palette's blues; lightness falls steadily.
BLUES = LinearSegmentedColormap.from_list("blues", ["#FFFFFF", SKY, BLUE, "#002F4A"]).with_extremes(
    bad=LIGHT_GREY
)

#: Centred at nothing (white): against through vermilion, for through blue, as in the bars.
DIVERGING = LinearSegmentedColormap.from_list(
    "vermilion_blue", ["#8A3A00", VERMILION, "#F5CBA7", "#FFFFFF", "#A9D4EC", BLUE, "#003F66"]
).with_extremes(bad=LIGHT_GREY)


def single(ax: Axes | None, width: float, height: float) -> Axes:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    if ax is not None:
        return ax
    _, new = plt.subplots(figsize=(width, height), layout="constrained")
    return new


def panels(
    n_panels: int,
    n_columns: int,
    width: float,
    height: float,
    *,
    ax: Axes | None = None,
    choose_with: str = "`classes`",
) -> list[Axes]:
    """Lay out panels of `width` x `height` inches, and leave no empty frames.

    One panel alone may go into the caller's `ax`; `choose_with` names what leaves one.
    """
    if ax is not None:
        if n_panels > 1:
            msg = (
                f"Expected one panel to draw into `ax`, but there are {n_panels}. Choose one with "
                f"{choose_with}, or leave `ax` out for a figure of several panels."
            )
            raise ValueError(msg)
        return [ax]
    n_rows = -(-n_panels // n_columns)
    figure, grid = plt.subplots(
        n_rows,
        n_columns,
        figsize=(width * n_columns, height * n_rows),
        layout="constrained",
        squeeze=False,
    )
    axes = list(grid.flat)
    for unused in axes[n_panels:]:
        figure.delaxes(unused)
    return axes[:n_panels]


def clean(ax: Axes) -> None:
    """Remove the frame's top and right sides and keep the ticks small."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)


def literal(name: object) -> str:
    """Return a name of the user's so that matplotlib draws its dollars, and reads no mathematics.

    For all text from the data: names of classes, genes and gene sets. Of titles that are
    :func:`wrapped` this is done there.
    """
    return str(name).replace("$", r"\$")


def n_cells_text(number: int) -> str:
    """Write how many cells there are."""
    return f"{number:,} {'cell' if number == 1 else 'cells'}"


def left_out_text(number: int) -> str:
    """Say how many classes are not drawn because no cell is of them."""
    return f"{number:,} {'class' if number == 1 else 'classes'} without cells left out"


def wrapped(label: str, width: int) -> str:
    """Break a long label into lines, also behind the slashes and underscores of names.

    The lines are :func:`literal`.
    """
    lines = [""]
    for piece in re.split(r"(?<=[ /_])", label):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        *whole, rest = textwrap.wrap(piece, width, drop_whitespace=False) or [""]
        lines[-1:] = [*whole, rest] if whole else [lines[-1] + rest]
    return "\n".join(literal(line.rstrip()) for line in lines)


def finish(ax: Axes, *, drawn_here: bool, show: bool | None, save: str | Path | None) -> bool:
    """Save and show the figure of `ax`; say whether its axes are to be returned."""
    figure: Figure = ax.figure.figure
    if save is not None:
        _check_is_path(save)
        folder = Path(save).parent
        if not folder.is_dir():
            msg = f"Expected `save` to be in an existing folder, but there is no {str(folder)!r}."
            raise FileNotFoundError(msg)
        figure.savefig(save, dpi=150, bbox_inches="tight")
    # Notebooks and scripts without a window show, or drop, figures by themselves.
    canvas: Any = figure.canvas
    has_window = canvas.required_interactive_framework is not None
    if show or (show is None and drawn_here and has_window):
        plt.show()
    return not show


def _check_is_path(save: object) -> None:
    """Refuse what scanpy adds to a name of its own: here a file has the name that it is given."""
    if isinstance(save, os.PathLike):
        return
    if not isinstance(save, str):
        msg = (
            f"Expected `save` to be the path of a file, such as 'figure.pdf', got {save!r}. Name "
            "the file: there is no default name."
        )
        raise TypeError(msg)
    if re.fullmatch(r"[._][^/\\]*", save):
        msg = (
            f"Expected `save` to be the path of a file, got {save!r}, which looks like an ending "
            f"of scanpy's. Name the file: save='figure{save}', or './{save}' if that is its name."
        )
        raise ValueError(msg)
