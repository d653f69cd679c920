"""Accuracy of cell typing, all methods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmark_tables._text import RESULTS, interval, machine_of, table

if TYPE_CHECKING:
    from collections.abc import Callable

TYPING_METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "Matthews correlation",
}


def write() -> str:
    """Figures, tables of scores and of fitting times, and ours minus the best comparator."""
    path = RESULTS / "typing.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/cell_typing.py` writes the results.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        machine_of(result | {"machine": result["machine"] | {"threads": _typing_threads(result)}}),
        "```{image} ../benchmarks/results/typing.png\n"
        ":alt: Accuracy of every method on every data set\n```",
    ]
    for metric, name in TYPING_METRICS.items():
        parts += [f"**{name}**", _typing_scores(result, metric)]
    parts += [
        "**Seconds to fit** (CPU time, tuning included; median over splits)",
        _typing_table(
            result, lambda row: f"{row['fit_process_s']:.3g}", lambda row, _: str(row["n_splits"])
        ),
        "```{image} ../benchmarks/results/typing_differences.png\n"
        ":alt: Accuracy and macro-F1 of tgem minus those of each comparator\n```",
        "**tgem minus the best comparator** of each data set and score, the same splits",
        _typing_differences(result),
        _typing_not_run(result),
    ]
    return "\n\n".join(parts) + "\n"


def _typing_threads(result: dict[str, Any]) -> str:
    rows = [row for data in result["data"].values() for row in data["methods"].values()]
    return ", ".join(sorted({str(row["threads"]) for row in rows}))


def _typing_scores(result: dict[str, Any], metric: str) -> str:
    """One score; where a method has fewer splits than ours, also what ours has on the same."""

    def fewer(row: dict[str, Any], difference: dict[str, Any]) -> str:
        same = difference.get(metric, {})
        if same.get("n_splits") != row["n_splits"]:  # ours lacks some of them
            return str(row["n_splits"])
        return f"{row['n_splits']}; tgem {row[metric]['mean'] + same['mean']:.3f}"

    return _typing_table(result, lambda row: interval(row[metric]), fewer)


def _typing_table(
    result: dict[str, Any],
    cell: Callable[[dict[str, Any]], str],
    fewer: Callable[[dict[str, Any], dict[str, Any]], str],
) -> str:
    """Measured methods x data sets.

    `fewer` writes what stands behind a result of fewer splits than the data set's largest number,
    from it and ours less it on its splits.
    """
    most = {
        name: max(row["n_splits"] for row in data["methods"].values())
        for name, data in result["data"].items()
    }
    rows = []
    for method, title in result["titles"].items():
        if not any(method in data["methods"] for data in result["data"].values()):
            continue
        row = [title]
        for name, data in result["data"].items():
            found = data["methods"].get(method)
            text = cell(found) if found else ""
            if found and found["n_splits"] < most[name]:
                text += f" [{fewer(found, data['differences'].get(method, {}))}]"
            row.append(text)
        rows.append(row)
    titles = [f"{data['title']} [{most[name]}]" for name, data in result["data"].items()]
    return table(["[number of splits]", *titles], rows)


def _typing_differences(result: dict[str, Any]) -> str:
    rows = []
    for data in result["data"].values():
        row = [data["title"]]
        for metric in TYPING_METRICS:
            best = data["best_comparator"].get(metric)
            row.append(f"{interval(best)}; {result['titles'][best['method']]}" if best else "")
        rows.append(row)
    if means := result["mean_over_data"]:
        titles = ", ".join(result["data"][name]["title"] for name in means["data"])
        rows.append([f"mean of: {titles}", *(interval(means[each]) for each in TYPING_METRICS)])
    return table(["", *TYPING_METRICS.values()], rows)


def _typing_not_run(result: dict[str, Any]) -> str:
    where: dict[tuple[str, str], list[str]] = {}
    for data in result["data"].values():
        for method, reason in data["not_run"].items():
            where.setdefault((result["titles"][method], reason), []).append(data["title"])
    lines = [f"- {name}: {reason} ({'; '.join(data)})." for (name, reason), data in where.items()]
    return "\n".join(["Not run:", "", *lines]) if lines else ""
