"""Deep models of gene regulation that explain themselves, for AnnData and MuData.

Namespaces load on first touch, so ``import tgem`` costs milliseconds:

``tgem.model``
    The models: :class:`tgem.model.TGEM`.
``tgem.pp``, ``tgem.tl``, ``tgem.pl``
    Preparation, tools that write results into AnnData, and plots that read them.
``tgem.report``
    One HTML page of everything that the tools wrote.
``tgem.datasets``
    Simulators with planted truth and small curated gene sets.
``tgem.enrich``
    Gene sets and over-representation, without AnnData.
``tgem.net``
    Hubs, null models, stability and export of networks, without AnnData.
``tgem.nn``, ``tgem.attr``
    The attention and the attribution methods, for torch users.
"""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tgem import attr, datasets, enrich, model, net, nn, pl, pp, tl
    from tgem._report import report

__all__ = ["attr", "datasets", "enrich", "model", "net", "nn", "pl", "pp", "report", "tl"]
__version__ = version("tgem")

logging.getLogger("tgem").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "report":
        return import_module("tgem._report").report
    if name in __all__:
        return import_module(f"tgem.{name}")
    msg = f"module 'tgem' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
