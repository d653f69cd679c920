"""The command line: ``tgem`` or ``python -m tgem``."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Interpretable deep models of gene regulation for AnnData.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the typed cells, the metrics and the figures.")
    ] = Path("results/demo"),
    seed: Annotated[int, typer.Option(help="Seed of split, weights and training.")] = 0,
) -> None:
    """Type 700 real blood cells with T-GEM, and show which genes decided."""
    from tgem._demo import run  # noqa: PLC0415 - seconds of imports that --help does not need

    run(out, seed=seed)


@app.command(name="version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("tgem"))
