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


@app.command()
def report(
    data: Annotated[Path, typer.Argument(help="h5ad file with what the tools wrote.")],
    out: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("report.html"),
    labels_key: Annotated[str | None, typer.Option(help="Column with the given labels.")] = None,
    key_added: Annotated[str | None, typer.Option(help="Prefix of the results.")] = None,
) -> None:
    """Write one page of all results in a file: open it in a browser."""
    import matplotlib as mpl  # noqa: PLC0415 - seconds of imports that --help does not need
    from anndata import read_h5ad  # noqa: PLC0415

    from tgem._report import report as write  # noqa: PLC0415

    mpl.use("agg")
    try:
        path = write(read_h5ad(data), out, labels_key=labels_key, key_added=key_added)
    except (OSError, KeyError, ValueError) as error:
        typer.echo(error.args[-1] if error.args else error, err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Written to {path}")


@app.command(name="version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("tgem"))
