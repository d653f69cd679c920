"""Configuration of the documentation.

Three things are generated before every build, so that they cannot fall behind: the tables of the
API pages, from each namespace's ``__all__``, the table of slots, from ``tgem._core.keys``, and the
tables of the benchmarks, from their results. All go to ``docs/generated``, which is not under
version control.
"""

from __future__ import annotations

import inspect
import shutil
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar

from sphinx.ext.napoleon import NumpyDocstring
from sphinx_autodoc_typehints import format_annotation

import tgem

if TYPE_CHECKING:
    from sphinx.config import Config

sys.path.insert(0, str(Path(__file__).parent))
import slot_table
from benchmark_tables import TABLES

NAMESPACES = ("model", "pp", "tl", "pl", "datasets", "enrich", "net", "nn", "attr")
GENERATED = Path(__file__).parent / "generated"


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
    return _write_api_table(namespace, [f"tgem.{namespace}.{name}" for name in names])


def _write_api_table(page: str, names: list[str]) -> str:
    lines = [".. autosummary::", "   :toctree: ../generated/objects", "   :nosignatures:", ""]
    lines += [f"   {name}" for name in names]
    path = GENERATED / f"{page}.rst"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"generated/{path.name}"


shutil.rmtree(GENERATED, ignore_errors=True)
GENERATED.mkdir()
(GENERATED / "slots.md").write_text(slot_table.write(), encoding="utf-8")
for name, write in TABLES.items():
    (GENERATED / f"benchmark_{name}.md").write_text(write(), encoding="utf-8")
autosummary_generate = [
    *(_write_namespace_table(namespace) for namespace in NAMESPACES),
    _write_api_table("report", ["tgem.report"]),
]
autosummary_context = {"members_of": _members_of_classes()}


def _returns_as_prose(self: NumpyDocstring, _section: str) -> list[str]:
    """Take the text of a Returns section as it is: types come from the signature."""
    lines = self._dedent(self._consume_to_next_section())
    if lines[:1] == [":"]:  # sphinx_autodoc_typehints marks prose so
        del lines[0]
    return [":returns:", *self._indent(lines, 3), ""]


NumpyDocstring._parse_returns_section = _returns_as_prose
