"""Configuration of the documentation.

Two things are generated before every build, so that they cannot fall behind the code: the tables
of the API pages, from each namespace's ``__all__``, and the table of slots, from
``tgem._core.keys``. Both go to ``docs/generated``, which is not under version control.
"""

from __future__ import annotations

import inspect
import json
import shutil
import warnings
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from sphinx.ext.napoleon import NumpyDocstring
from sphinx_autodoc_typehints import format_annotation

import tgem
from tgem._core.keys import PREFIX, SLOTS, Slot

if TYPE_CHECKING:
    from sphinx.config import Config

NAMESPACES = ("model", "pp", "tl", "pl", "datasets", "enrich", "nn", "attr")
GENERATED = Path(__file__).parent / "generated"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def _constraints(annotation: object, config: Config) -> str | None:
    """Show a type variable as the types that it stands for."""
    if isinstance(annotation, TypeVar) and annotation.__constraints__:
        return " | ".join(format_annotation(each, config) for each in annotation.__constraints__)
    return None


project = "tgem"
author = "The tgem developers"
copyright = "2026, the tgem developers"  # noqa: A001
version = release = tgem.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_autodoc_typehints",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "generated/*.rst", "generated/*.md"]
templates_path = ["_templates"]
default_role = "code"
nitpicky = False

html_theme = "sphinx_book_theme"
html_title = "tgem"
html_show_sourcelink = False

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

napoleon_google_docstring = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # sphinx_autodoc_typehints writes them
typehints_defaults = "comma"
typehints_formatter = _constraints
# sphinx_autodoc_typehints calls what Sphinx 10 will remove; the pages are not affected.
warnings.filterwarnings("ignore", message=".*set_application.*")
suppress_warnings = [
    "config.cache",  # a function in the configuration is not cached; nothing is lost
    "sphinx_autodoc_typehints.forward_reference",
    "sphinx_autodoc_typehints.guarded_import",
]


def _members(found: type) -> list[str]:
    """Public methods of a class that tgem defines, not those of scvi-tools, torch or tuple."""
    owners = [owner for owner in found.__mro__ if owner.__module__.startswith("tgem.")]
    members = {name: value for owner in reversed(owners) for name, value in vars(owner).items()}
    kinds = FunctionType | classmethod | staticmethod | property
    return [
        name
        for name, value in members.items()
        if not name.startswith("_") and isinstance(value, kinds)
    ]


def _members_of_classes() -> dict[str, list[str]]:
    return {
        f"tgem.{namespace}.{name}": _members(value)
        for namespace in NAMESPACES
        for name, value in vars(import_module(f"tgem.{namespace}")).items()
        if inspect.isclass(value)
    }


def _write_namespace_table(namespace: str) -> str:
    """Write the table of a namespace's public names; return the file that holds it."""
    names = sorted(import_module(f"tgem.{namespace}").__all__)
    lines = [".. autosummary::", "   :toctree: ../generated/objects", "   :nosignatures:", ""]
    lines += [f"   tgem.{namespace}.{name}" for name in names]
    path = GENERATED / f"{namespace}.rst"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"generated/{path.name}"


def _slot_row(slot: Slot) -> str:
    where = f'`.{slot.container}["{slot.key(PREFIX)}"]`'
    content = slot.content.replace("|", r"\|")
    return f"| {where} | {content} | {{py:func}}`{slot.written_by}` |"


def _write_slot_table() -> None:
    rows = ["| Slot | Content | Written by |", "| --- | --- | --- |", *map(_slot_row, SLOTS)]
    (GENERATED / "slots.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _time(found: dict[str, Any]) -> str:
    return found.get("skipped") or f"{found['wall_s'] * 1e3:,.1f} ms"


def _attention_benchmark() -> str:
    """Tables of time, exponents, sharp attention, the whole network and errors."""
    result = json.loads((RESULTS / "attention_cpu.json").read_text(encoding="utf-8"))
    rows = []
    for row in result["layer"]:
        dense, ours = row["published"], row["linear"]
        both = "skipped" not in dense
        times = f"{dense['wall_s'] / ours['wall_s']:.0f} x" if both else ""
        memory = f"{ours['peak_bytes'] / 1e6:,.0f} MB"
        if both:
            memory = f"{dense['peak_bytes'] / 1e6:,.0f} MB against {memory}"
        rows.append(
            [f"{row['n_genes']:,}", _time(dense), _time(row["exact"]), _time(ours), times, memory]
        )
    header = [
        "Genes",
        "published",
        "exact",
        "linear",
        "faster",
        "peak memory, published and linear",
    ]
    exponents = ", ".join(
        f"{found['exponent']['wall_s']:.2f} at {name}" for name, found in result["scaling"].items()
    )
    sharp, network = result["sharp"], result["network"]
    worst = {
        form: max(max(row[form].values()) for row in result["errors"])
        for form in ("published", "linear")
    }
    return (
        f"{_machine(result)}\n\n{_table(header, rows)}\n"
        f"- Exponent of the linear form's time in the number of genes: {exponents}.\n"
        f"- Sharp attention (mean row entropy half of the largest, {sharp['n_genes']:,} genes): "
        f"{sharp['ratio']['wall_s']:.0f} times faster.\n"
        f"- Three layers of the paper preset, {network['n_genes']:,} genes: "
        f"{network['ratio']['wall_s']:.0f} times faster.\n"
        "- Largest error of output and gradients against double precision, initial weights and "
        f"weights 10 and 100 times as large: {worst['published']:.0e} published in single "
        f"precision, {worst['linear']:.0e} linear.\n"
    )


def _attribution_benchmark() -> str:
    """Table of seconds per cell, and the residual of completeness."""
    result = json.loads((RESULTS / "attribution.json").read_text(encoding="utf-8"))
    names = {"captum": "captum", "captum_stepwise": "captum, one step at a time", "tgem": "tgem"}
    sides = result["integrated_gradients"]
    ours = sides["tgem"]["process_s"]
    rows = [
        [name, f"{sides[side]['process_s']:.3g} s", f"{sides[side]['process_s'] / ours:.0f} x"]
        for side, name in names.items()
    ]
    residuals = ", ".join(
        f"{row['median']:.0e} (largest {row['largest']:.0e}) with {row['n_steps']} steps"
        for row in result["completeness"]
    )
    return (
        f"{_machine(result)} {result['n_genes']:,} genes, {result['n_steps']} steps.\n\n"
        f"{_table(['', 'CPU time per cell', 'relative to tgem'], rows)}\n"
        "Residual of completeness relative to the change of the output, on the paper preset, "
        f"median over cells: {residuals}.\n"
    )


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"Measured on {machine['device_name']} ({machine['threads']} threads) with torch "
        f"{machine['torch']}."
    )


shutil.rmtree(GENERATED, ignore_errors=True)
GENERATED.mkdir()
_write_slot_table()
for name, write in {
    "attention": _attention_benchmark,
    "attribution": _attribution_benchmark,
}.items():
    (GENERATED / f"benchmark_{name}.md").write_text(write(), encoding="utf-8")
autosummary_generate = [_write_namespace_table(namespace) for namespace in NAMESPACES]
autosummary_context = {"members_of": _members_of_classes()}


def _returns_as_prose(self: NumpyDocstring, _section: str) -> list[str]:
    """Take the text of a Returns section as it is: types come from the signature."""
    lines = self._dedent(self._consume_to_next_section())
    if lines[:1] == [":"]:  # sphinx_autodoc_typehints marks prose so
        del lines[0]
    return [":returns:", *self._indent(lines, 3), ""]


NumpyDocstring._parse_returns_section = _returns_as_prose
