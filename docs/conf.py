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
    from collections.abc import Callable, Sequence

    from sphinx.config import Config

NAMESPACES = ("model", "pp", "tl", "pl", "datasets", "enrich", "net", "nn", "attr")
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
    return _write_api_table(namespace, [f"tgem.{namespace}.{name}" for name in names])


def _write_api_table(page: str, names: list[str]) -> str:
    lines = [".. autosummary::", "   :toctree: ../generated/objects", "   :nosignatures:", ""]
    lines += [f"   {name}" for name in names]
    path = GENERATED / f"{page}.rst"
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


def _networks_benchmark() -> str:
    """Table of the time of one class's network, and of larger ones with their memory."""
    path = RESULTS / "networks.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/networks.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    names = {
        "published": "published, dense (extrapolated)",
        "tgem_paper": "tgem, paper preset",
        "tgem_default": "tgem, default preset",
    }
    rows = []
    for side, name in names.items():
        found = result["times"][side]
        ratio = found.get("ratio_to_published")
        faster = f"{ratio['process_s']:,.0f} x" if ratio else ""
        rows.append([name, f"{found['process_s']:,.1f} s", f"{found['wall_s']:,.1f} s", faster])
    larger = [
        [
            f"{row['preset']}, {row['n_genes']:,} genes x {row['n_obs']:,} cells",
            f"{row['process_s']:,.0f} s",
            f"{row['wall_s']:,.0f} s",
            f"{row['peak_bytes'] / 1e9:.1f} GB",
        ]
        for row in result["larger"]
    ]
    ours = result["times"]["tgem_paper"]
    return (
        f"{_machine(result)} {result['n_genes']:,} genes x {result['n_obs']} cells. The published "
        f"way is **extrapolated** from {result['published_cells']} cells, explained one at a "
        "time.\n\n"
        f"{_table(['', 'CPU time', 'wall time', 'faster, CPU time'], rows)}\n"
        "Largest difference between the two sides' edge weights in single cells, where the "
        f"strongest is 1: {ours['largest_difference']:.0e}. Larger networks of simulated cells:\n\n"
        f"{_table(['', 'CPU time', 'wall time', 'peak memory of the process'], larger)}\n"
    )


def _deeplift_benchmark() -> str:
    """Table of the time for all isoforms, memory, errors and completeness."""
    result = json.loads((RESULTS / "deeplift.json").read_text(encoding="utf-8"))
    times, differences, sizes = result["times"], result["differences"], result["sizes"]
    names = {
        "captum": "captum, one output after the other",
        "captum_batched": f"captum, {result['batched_outputs']} outputs in one call",
        "captum_in_parts": f"captum, {result['samples_of_a_part']} samples in one call",
        "captum_cut": "captum on a network cut to the one output",
        "tgem": "tgem",
    }
    rows = []
    for side, name in names.items():
        low, high = times[side]["range"]["process_s"]
        ratio = times[side].get("ratio_of_totals")
        rows.append(
            [
                name,
                f"{times[side]['total']['process_s']:,.1f} s ({low:,.1f} to {high:,.1f})",
                f"{times[side]['total']['wall_s']:,.1f} s",
                f"{ratio['process_s']:.0f} x, {ratio['wall_s']:.0f} x" if ratio else "",
            ]
        )
    header = ["", "CPU time", "wall time", "relative to tgem, CPU and wall"]
    peaks = {side: times[side]["memory"]["process_bytes"] / 1e9 for side in ("captum", "tgem")}
    return (
        f"{_machine(result)} {sizes['n_samples']:,} samples, {sizes['n_factors']:,} factors, "
        f"{sizes['n_isoforms']:,} isoforms. captum's times are **extrapolated**: measured on "
        f"{differences['isoforms']} isoforms in {sizes['turns']} turns, median turn times the "
        "number of isoforms; those of tgem are measured.\n\n"
        f"{_table(header, rows)}\n"
        f"- Largest difference from captum on those isoforms, relative to the largest value: "
        f"{differences['mean_of_tgem_from_captum']:.0e} of the mean, "
        f"{differences['sd_of_tgem_from_captum']:.0e} of the standard deviation.\n"
        "- Error of the mean against captum in double precision: "
        f"{differences['error_of_mean']['captum']:.0e} captum in single precision, "
        f"{differences['error_of_mean']['tgem']:.0e} tgem.\n"
        "- Largest residual of completeness relative to the largest change of an output: "
        f"{differences['completeness']:.0e}.\n"
        f"- Peak memory of the process: {peaks['captum']:.1f} GB captum, {peaks['tgem']:.1f} GB "
        "tgem.\n"
    )


def _epiattention_benchmark() -> str:
    """Table of the time of a training step and of its two slow branches."""
    result = json.loads((RESULTS / "epiattention_cpu.json").read_text(encoding="utf-8"))
    sizes = result["sizes"]
    timed = {"whole training step": result["step"], **result["parts"]}
    rows = [
        [
            name,
            *(f"{found[side]['process_s'] * 1e3:,.0f} ms" for side in ("plain", "tgem")),
            *(f"{found['ratio'][clock]:.1f} x" for clock in ("process_s", "wall_s")),
        ]
        for name, found in timed.items()
    ]
    header = ["", "plain, CPU time", "tgem, CPU time", "faster, CPU time", "faster, wall time"]
    return (
        f"{_machine(result)} {sizes['n_obs']} genes in a batch, {sizes['n_marks']} marks x "
        f"{sizes['n_bins']} bins, {sizes['n_cpgs']} CpGs, {sizes['n_factors']:,} factors; median "
        f"of {sizes['repeats']} turns.\n\n"
        f"{_table(header, rows)}\n"
        "- Largest difference of the two networks' outputs before training, with the same "
        f"weights: {result['largest_output_difference']:.0e}.\n"
    )


def _bin_signal_benchmark() -> str:
    """Time and memory of binning tracks around all genes."""
    result = json.loads((RESULTS / "bin_signal.json").read_text(encoding="utf-8"))
    sizes = result["sizes"]
    rows = [
        [
            str(n_jobs),
            *(f"{result[f'n_jobs_{n_jobs}'][clock]:.1f} s" for clock in ("wall_s", "wall_max_s")),
        ]
        for n_jobs in (1, 2)
    ]
    return (
        f"{_machine(result)} {sizes['n_genes']:,} genes, {sizes['n_tracks']} bigWig files of "
        f"{sizes['n_intervals']:,} intervals each, {result['n_bins']} bins; "
        f"{sizes['repeats']} turns.\n\n"
        f"{_table(['processes', 'median', 'longest'], rows)}\n"
        f"- CPU time with one process: {result['n_jobs_1']['process_s']:.1f} s.\n"
        "- Peak memory beyond that at the start: "
        f"{result['peak_megabytes_beyond_start']:.0f} MB.\n"
        f"- Largest difference from {sizes['n_checked']} windows written out base by base: "
        f"{result['largest_difference']:.0e}.\n"
    )


SPLICING_TITLES = {
    "usage": "DeepSF, default",
    "psi": "DeepSF, PSI",
    "additive": "DeepSF, published decoder",
    "sigmoid": "DeepRBP, published decoder",
    "mean usage": "mean usage x gene expression",
    "mean usage of the other samples": "their own mean usage x gene expression",
    "mean of logarithms": "mean of logarithms",
}
SPLICING_COHORTS = {
    "lymphoblasts": "Lymphoblastoid lines after training on all macrophages",
    "cells": "Single cells left out",
    "tumours": "Patients with breast tumours left out, PSI",
}


def _splicing_benchmark() -> str:
    """Tables of methods and contexts on held-out lines, of other cohorts, and of all isoforms."""
    result = json.loads((RESULTS / "splicing.json").read_text(encoding="utf-8"))
    methods = result["decoders"] | result.get("baselines", {})
    first = next(iter(methods.values()))["folds"]
    header = ["", *(row["line"] for row in first), "mean (sd)", "relative to mean usage"]
    rows = [_splicing_row(SPLICING_TITLES.get(name, name), row) for name, row in methods.items()]
    contexts = []
    for name, found in result["contexts"].items():
        explained = [row.get("explained_variance_of_line") for row in found["folds"]]
        shares = "" if None in explained else f"{min(explained):.2f} to {max(explained):.2f}"
        contexts.append([*_splicing_row(name, found), shares])
    every = result["all_isoforms"]
    parts = [
        "```{image} ../benchmarks/results/splicing.png\n"
        ":alt: Errors of each method on each held-out line, and in other cohorts\n"
        "```",
        f"{_machine(result)} Mean squared error of log2(1 + TPM) in the held-out line, "
        f"{result['n_isoforms']:,} isoforms of cancer genes.",
        _table(header, rows),
        _splicing_methods(methods, result["differences"], result["decoders"]["usage"]),
        *(_splicing_curve(found) for found in [result.get("learning_curve")] if found),
        *(_splicing_cohort(name, found) for name, found in result.get("cohorts", {}).items()),
        "**Contexts**: the default decoder with contexts pretrained on other cohorts, and the "
        "variance of the held-out line that the context's autoencoder explains:",
        _table(["context", *header[1:], "explained"], contexts),
        f"**All {every['n_isoforms']:,} isoforms**: error {every['ratio']:.3f} of that of the mean "
        f"usage, mean of {len(every['folds'])} held-out lines; {every['train_s']:.0f} s of "
        f"training for one, {every['peak_bytes'] / 1e9:.1f} GB at the peak.",
    ]
    return "\n\n".join(parts) + "\n"


def _splicing_row(name: str, found: dict[str, Any]) -> list[str]:
    errors = [f"{row['mse']:.4f}" for row in found["folds"]]
    spread = f"{found['mse']:.4f} ({found['mse_sd']:.4f})"
    return [name, *errors, spread, f"{found['ratio']:.3f} ({found['ratio_sd']:.3f})"]


def _splicing_methods(
    methods: dict[str, Any], differences: dict[str, Any], ours: dict[str, Any]
) -> str:
    """R² of deviations of usage, and the default decoder less each method, fold by fold."""
    rows = [
        [SPLICING_TITLES["usage"], f"{ours['usage_r2']:.3f} ({ours['usage_r2_sd']:.3f})", *[""] * 4]
    ]
    for name, row in differences.items():
        explained = methods[name]
        cells = [SPLICING_TITLES.get(name, name)]
        cells.append(f"{explained['usage_r2']:.3f} ({explained['usage_r2_sd']:.3f})")
        for metric, digits in (("usage_r2", 3), ("mse", 4)):
            cells.append(f"{row[metric]:+.{digits}f} ({row[f'{metric}_sd']:.{digits}f})")
            cells.append(f"{row[f'{metric}_better']} of {row['n_folds']}")
        rows.append(cells)
    header = ["", "R² of usage, mean (sd)", "DeepSF less this, R²", "folds better"]
    return _table([*header, "DeepSF less this, error", "folds better"], rows)


def _splicing_curve(found: dict[str, Any]) -> str:
    names = list(next(iter(found.values())))
    rows = []
    for n_lines, methods in found.items():
        cells = [f"{methods[name]['mse']:.4f}; {methods[name]['usage_r2']:+.3f}" for name in names]
        base = [row["mse_mean_usage"] for row in methods["usage"]["folds"]]
        rows.append([n_lines, *cells, f"{sum(base) / len(base):.4f}"])
    titles = [SPLICING_TITLES.get(name, name) for name in names]
    return (
        "**Fewer training lines**: error; R² of usage, each the mean of the held-out lines, on "
        "every fourth gene.\n\n" + _table(["training lines", *titles, "mean usage, error"], rows)
    )


def _splicing_cohort(name: str, found: dict[str, Any]) -> str:
    rows = []
    for method, row in found["methods"].items():
        change = found["differences"].get(method)
        rows.append(
            [
                SPLICING_TITLES.get(method, method),
                f"{row['mse']:.4f} ({row['mse_sd']:.4f})",
                f"{row['ratio']:.3f}",
                f"{row['usage_r2']:.3f} ({row['usage_r2_sd']:.3f})",
                f"{change['mse']:+.4f} ({change['mse_sd']:.4f})" if change else "",
                f"{change['mse_better']} of {change['n_folds']}" if change else "",
            ]
        )
    header = ["", "error, mean (sd)", "relative to mean usage", "R² of usage, mean (sd)"]
    header += ["DeepSF less this, error", "better in"]
    return (
        f"**{SPLICING_COHORTS[name]}**: {found['n_obs']:,} samples, {found['n_isoforms']:,} "
        f"{'events' if name == 'tumours' else 'isoforms'}, {found['n_factors']} factors.\n\n"
        f"{_table(header, rows)}"
    )


def _evidence_benchmark() -> str:
    """Areas of each score and baseline against bound RNAs, for each set of factors."""
    result = json.loads((RESULTS / "regulation_evidence.json").read_text(encoding="utf-8"))
    names = {"splicing_factor": "splicing factors", "rbp": "RNA-binding proteins"}
    parts = [_evidence_of(found, names[key]) for key, found in result["factors"].items()]
    return "\n".join([_machine(result), "", *parts])


def _evidence_of(result: dict[str, Any], called: str) -> str:
    levels = ("all", "within_gene", "within_factor", "matched")
    rows, readings = [], []
    for name, found in result["scores"].items():
        areas = [_areas(row, "score", levels) for row in found]
        rows.append([name, *(_range(values) for values in zip(*areas, strict=True))])
        gains = [next(each for each in row["added"] if each["metric"] == "auc") for row in found]
        within = [each for row in found for each in row["table"] if each["measure"] == "score"]
        within = [each for each in within if each["level"] == "within_gene"]
        readings.append(
            [
                name,
                "; ".join(dict.fromkeys(row["reading"] for row in found)),
                _range([each["p_value_margins"] for each in within]),
                _range([each["gain"] for each in gains], digits=3),
                _range([row["usage_r2"] for row in found]),
            ]
        )
    first = next(iter(result["scores"].values()))[0]
    for name in dict.fromkeys(row["measure"] for row in first["table"]):
        if name != "score":
            values = [[value] for value in _areas(first, name, levels)]
            rows.append([f"{name} alone", *map(_range, values)])
    header = ["AUC", "all pairs", "within a gene", "within a factor", "genes alike"]
    columns = ["", "reading", "p within a gene", "AUC added", "R² on held-out line"]
    return (
        f"**{result['n_factors']:,} {called} as factors.** {first['n_positive']:,} of "
        f"{first['n_pairs']:,} pairs of {first['n_genes']} genes and {first['n_factors']} proteins "
        f"have a peak. Ranges are over {len(next(iter(result['scores'].values())))} trainings.\n\n"
        f"{_table(header, rows)}\n{_table(columns, readings)}"
    )


def _areas(row: dict[str, Any], measure: str, levels: tuple[str, ...]) -> list[float]:
    table = {(each["measure"], each["level"]): each["auc"] for each in row["table"]}
    return [table[measure, level] for level in levels]


def _range(values: Sequence[float], digits: int = 2) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _splicing_row(name: str, found: dict[str, Any]) -> list[str]:
    errors = [f"{row['mse']:.4f}" for row in found["folds"]]
    spread = f"{found['mse']:.4f} ({found['mse_sd']:.4f})"
    return [name, *errors, spread, f"{found['ratio']:.3f} ({found['ratio_sd']:.3f})"]


def _typing_benchmark() -> str:
    """Figures, tables of scores and of fitting times, and ours minus the best comparator."""
    path = RESULTS / "typing.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/cell_typing.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        _machine(result | {"machine": result["machine"] | {"threads": _typing_threads(result)}}),
        "```{image} ../benchmarks/results/typing.png\n"
        ":alt: Accuracy of every method on every data set\n```",
    ]
    for metric, name in TYPING_METRICS.items():
        parts += [f"**{name}**", _typing_table(result, lambda row, m=metric: _interval(row[m]))]
    parts += [
        "**Seconds to fit** (CPU time, tuning included; median over splits)",
        _typing_table(result, lambda row: f"{row['fit_process_s']:.3g}"),
        "```{image} ../benchmarks/results/typing_differences.png\n"
        ":alt: Accuracy and macro-F1 of tgem minus those of each comparator\n```",
        "**tgem minus the best comparator** of each data set and score, the same splits",
        _typing_differences(result),
        _typing_not_run(result),
    ]
    return "\n\n".join(parts) + "\n"


TYPING_METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "Matthews correlation",
}


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{estimate['mean']:.3f}"
    return f"{estimate['mean']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _typing_threads(result: dict[str, Any]) -> str:
    rows = [row for data in result["data"].values() for row in data["methods"].values()]
    return ", ".join(sorted({str(row["threads"]) for row in rows}))


def _typing_table(result: dict[str, Any], cell: Callable[[dict[str, Any]], str]) -> str:
    """Methods x data sets; the number of splits is said where it is not the data set's largest."""
    most = {
        name: max(row["n_splits"] for row in data["methods"].values())
        for name, data in result["data"].items()
    }
    rows = []
    for method, title in result["titles"].items():
        row = [title]
        for name, data in result["data"].items():
            found = data["methods"].get(method)
            text = cell(found) if found else ""
            if found and found["n_splits"] < most[name]:
                text += f" [{found['n_splits']}]"
            row.append(text)
        rows.append(row)
    titles = [f"{data['title']} [{most[name]}]" for name, data in result["data"].items()]
    return _table(["[number of splits]", *titles], rows)


def _typing_differences(result: dict[str, Any]) -> str:
    rows = []
    for data in result["data"].values():
        row = [data["title"]]
        for metric in TYPING_METRICS:
            best = data["best_comparator"].get(metric)
            row.append(f"{_interval(best)}; {result['titles'][best['method']]}" if best else "")
        rows.append(row)
    if means := result["mean_over_data"]:
        titles = ", ".join(result["data"][name]["title"] for name in means["data"])
        rows.append([f"mean of: {titles}", *(_interval(means[each]) for each in TYPING_METRICS)])
    return _table(["", *TYPING_METRICS.values()], rows)


def _typing_not_run(result: dict[str, Any]) -> str:
    where: dict[tuple[str, str], list[str]] = {}
    for data in result["data"].values():
        for method, reason in data["not_run"].items():
            where.setdefault((result["titles"][method], reason), []).append(data["title"])
    lines = [f"- {name}: {reason} ({'; '.join(data)})." for (name, reason), data in where.items()]
    return "\n".join(["Not run:", "", *lines]) if lines else ""


def _ablation_benchmark() -> str:
    """For each data set, a table of every variant and of its difference to its base."""
    path = RESULTS / "ablation.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"data": {}}
    if not result["data"]:
        return "Not measured yet: `python benchmarks/ablation.py` writes the results.\n"
    header = ["", "accuracy", "its difference", "macro-F1", "log-likelihood", "its difference"]
    header += ["own less mean maps", "gain", "weight", "training", "splits"]
    parts = [_machine(result)]
    for data in result["data"].values():
        parts += [
            f"**{data['title']}**: {data['n_train']:,} cells to train on, {data['n_held']:,} held "
            f"out, {data['n_genes']:,} genes",
            _table(header, _ablation_rows(result, data)),
        ]
    return "\n\n".join(parts) + "\n"


def _ablation_rows(result: dict[str, Any], data: dict[str, Any]) -> list[list[str]]:
    rows, family = [], None
    for name, found in data["variants"].items():
        variant = result["variants"][name]
        if variant["family"] != family:
            family = variant["family"]
            rows.append([f"*{result['families'][family]}*", *[""] * 10])
        difference = found.get("difference", {})
        rows.append(
            [
                variant["title"],
                _spread(found["accuracy"]),
                _spread(difference.get("accuracy"), "+"),
                _spread(found["macro_f1"]),
                _spread(found["log_likelihood"]),
                _spread(difference.get("log_likelihood"), "+"),
                _spread(found["cell_specific"], "+"),
                _spread(found["attention_gain"], "+"),
                _spread(found["attention_weight"]),
                f"{found['train_process_s']['mean']:.3g} s",
                str(found["n_splits"]),
            ]
        )
    return rows


LADDER_COLUMNS = [
    "data",
    "preset",
    "splits",
    "weight of attention",
    "accuracy, own maps",
    "own less mean",
    "log-likelihood, own less mean",
]


def _ladder_benchmark() -> str:
    """The figure, accuracy and log-likelihood by maps, and what depends on the seed."""
    path = RESULTS / "ladder.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/attention_ladder.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        _machine(result),
        "```{image} ../benchmarks/results/ladder.png\n"
        ":alt: Accuracy with own, mean, other, shuffled and uniform attention maps\n```",
        _table(
            LADDER_COLUMNS,
            [
                [row["title"], preset, str(row["n_splits"]), *_ladder_row(row)]
                for presets in result["ladder"].values()
                for preset, row in presets.items()
            ],
        ),
    ]
    for data, found in result["seeds"].items():
        parts.append(
            f"{found['n_seeds']} seeds of the default preset on the first split of `{data}`: "
            f"accuracy {found['accuracy_mean']:.3f} with a standard deviation of "
            f"{found['accuracy_sd']:.4f}; the median rank correlation of a class's mean "
            "attributions between two seeds, over the union of their 50 largest, is "
            f"{found['attribution_rank_correlation']:.3f}."
        )
    return "\n\n".join(parts) + "\n"


def _ladder_row(row: dict[str, Any]) -> list[str]:
    weights = [weight for weight in row["weights"] if weight is not None]
    own = row["rungs"]["accuracy own"]["value"]["mean"]
    differences = []
    for metric in ("accuracy", "log_likelihood"):
        found = row["rungs"][f"{metric} mean"]
        low, high = found["own_minus"]["low"], found["own_minus"]["high"]
        if low is None:
            low, high = found["bootstrap_of_first_split"]
        differences.append(f"{found['own_minus']['mean']:+.3f} ({low:+.3f} to {high:+.3f})")
    shown = ", ".join(f"{weight:.2f}" for weight in weights) or "not weighed"
    return [shown, f"{own:.3f}", *differences]


def _calibration_benchmark() -> str:
    """Tables of probabilities, of prediction sets, and of cells of types left out."""
    path = RESULTS / "calibration.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/calibration.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [_machine(result | {"machine": result["machine"] | {"threads": result["threads"]}})]
    if found := result["calibration"]:
        parts += [
            f"**Probabilities**: {found['n_cells']:,} cells in {found['n_folds']} folds; "
            f"temperatures {', '.join(f'{value:.2f}' for value in found['temperatures'])}.",
            _table(
                ["", "accuracy", "calibration error", "its floor", "Brier score", "log-likelihood"],
                [_calibration_row(row) for row in found["probabilities"].values()],
            ),
            "**Prediction sets**: coverage (smallest and largest of the folds), number of labels",
            _table(
                ["alpha", "sets", "coverage", "labels"],
                [
                    [alpha, row["title"], _coverage(row), f"{row['size']:.2f}"]
                    for alpha, rows in result["sets"].items()
                    for row in rows.values()
                ],
            ),
        ]
    for labels, title in {"populations": "Populations", "gates": "Sort gates"}.items():
        if labels in result["unseen"]:
            parts += [f"**{title} left out**: AUROC", _unseen_table(result, labels)]
    return "\n\n".join(parts) + "\n"


def _calibration_row(row: dict[str, Any]) -> list[str]:
    names = ("accuracy", "expected_calibration_error", "expected_calibration_error_floor")
    return [
        row["title"],
        *(f"{row[name]:.3f}" for name in (*names, "brier_score", "log_likelihood")),
    ]


def _coverage(row: dict[str, Any]) -> str:
    folds = row["coverage_of_folds"]
    return f"{row['coverage']:.3f} ({min(folds):.3f} to {max(folds):.3f})"


def _unseen_table(result: dict[str, Any], labels: str) -> str:
    """Classes x methods, with the shares rejected and, of gates, their own neighbours."""
    found, neighbours = result["unseen"][labels], result["neighbours"] if labels == "gates" else {}
    methods = list(found["auroc"])
    header = ["left out", "cells", *(result["titles"][name] for name in methods)]
    header += ["called unknown", "of known cells"] + ["neighbours of its own"] * bool(neighbours)
    rows = []
    for name, n_cells in found["n_unseen"].items():
        scores = [found["auroc"][method].get(name) for method in methods]
        row = [name, f"{n_cells:,}", *("" if each is None else f"{each:.3f}" for each in scores)]
        rejected = found["rejected"].get(name)
        shares = [rejected["unseen"], rejected["known"]] if rejected else []
        row += [f"{share:.0%}" for share in shares] or ["", ""]
        rows.append(row + [f"{neighbours[name]['of_own']:.0%}" for _ in [0] if neighbours])
    means = [found["mean"][method] for method in methods]
    mean = ["mean", "", *("" if each is None else f"{each:.3f}" for each in means), "", ""]
    return _table(header, [*rows, mean + [""] * bool(neighbours)])


def _transfer_benchmark() -> str:
    """Tables of labels in another laboratory's cells, and of genes that are missing."""
    path = RESULTS / "transfer.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/transfer.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [_machine(result)]
    for pair, title in {
        "kang": "Kang 2018",
        "kang_shared_types": "Kang 2018, only the four shared types in the training cells",
    }.items():
        if not (found := result["pairs"].get(pair)):
            continue
        names = list(next(iter(found.values()))["parts"])
        types = list(next(iter(found.values()))["parts"]["all"]["recall"])
        parts += [
            f"**{title}**: balanced accuracy of all cells and of parts of them",
            _table(
                ["", *names],
                [
                    [row["title"], *_scores_of(row, names, "balanced_accuracy")]
                    for row in found.values()
                ],
            ),
            "All cells: accuracy, and the share of each type that got its label",
            _table(
                ["", "accuracy", *types],
                [
                    [
                        row["title"],
                        *_scores_of(row, ["all"], "accuracy"),
                        *(f"{row['parts']['all']['recall'][each]:.2f}" for each in types),
                    ]
                    for row in found.values()
                ],
            ),
        ]
    if curves := result["missing"]:
        shares = list(next(iter(curves.values()))["accuracy"])
        rows = [
            [row["title"], *(f"{row['accuracy'][share]['mean']:.3f}" for share in shares)]
            for row in curves.values()
        ]
        header = ["share of genes missing", *(f"{float(share):.0%}" for share in shares)]
        parts += ["**Missing genes**: accuracy on held-out cells", _table(header, rows)]
    return "\n\n".join(parts) + "\n"


def _scores_of(row: dict[str, Any], parts: list[str], score: str) -> list[str]:
    return [f"{row['parts'][part][score]:.3f}" for part in parts]


def _spread(found: dict[str, Any] | None, sign: str = "") -> str:
    if found is None:
        return ""
    spread = "" if found["sd"] is None else f" ± {found['sd']:.3f}"
    return f"{found['mean']:{sign}.3f}{spread}"


def _epigenome_benchmark() -> str:
    """Scores on held-out groups of genes, differences from tgem's default, learning curve."""
    path = RESULTS / "epigenome.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/epigenome.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        _machine(result),
        "```{image} ../benchmarks/results/epigenome.png\n"
        ":alt: Score of every method on every data set, and tgem minus the others\n```",
    ]
    for data in result["data"].values():
        score = {"auroc": "AUROC", "spearman": "Spearman's correlation"}[data["metric"]]
        groups = list(next(iter(data["methods"].values()))["parts"])
        several = groups if len(groups) > 1 or data["metric"] == "spearman" else []
        header = ["", score, *several, "tgem's default minus this", "seeds", "CPU time of a fold"]
        rows = [
            [
                data["titles"][name],
                _interval(row),
                *(f"{row['parts'][group]:.3f}" for group in several),
                _interval(data["differences"][name]) if name in data["differences"] else "",
                str(row["n_seeds"]),
                f"{row['process_s']:.1f} s",
            ]
            for name, row in data["methods"].items()
        ]
        parts += [f"**{data['title']}** ({data['n_folds']} folds)", _table(header, rows)]
        if data["learning_curve"]:
            parts.append(_epigenome_curve(data))
    return "\n\n".join(parts) + "\n"


def _epigenome_curve(data: dict[str, Any]) -> str:
    """Scores with a part of the training genes, one row for each share."""
    curve = data["learning_curve"]
    shares = sorted({share for each in curve.values() for share in each}, key=float)
    rows = [
        [
            f"{float(share):.0%}",
            *(_interval(each[share]) if share in each else "" for each in curve.values()),
        ]
        for share in shares
    ]
    header = ["training genes", *(data["titles"][name] for name in curve)]
    return "With a part of the training genes:\n\n" + _table(header, rows)


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
    "networks": _networks_benchmark,
    "deeplift": _deeplift_benchmark,
    "splicing": _splicing_benchmark,
    "evidence": _evidence_benchmark,
    "typing": _typing_benchmark,
    "ablation": _ablation_benchmark,
    "ladder": _ladder_benchmark,
    "calibration": _calibration_benchmark,
    "transfer": _transfer_benchmark,
    "epiattention": _epiattention_benchmark,
    "bin_signal": _bin_signal_benchmark,
    "epigenome": _epigenome_benchmark,
}.items():
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
