"""Tables of the documentation compare what was measured on the same splits."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "docs"), str(ROOT / "benchmarks")]

from benchmark_tables import cell_typing, ladder  # noqa: E402
from cell_types.intervals import resampled_mean  # noqa: E402
from ladders.measure import OTHER_LABORATORY  # noqa: E402
from ladders.report import RUNGS, summary  # noqa: E402

METRICS = tuple(cell_typing.TYPING_METRICS)
MACHINE = {"device_name": "a machine", "threads": 1, "torch": "2"}


def rows_of(text):
    """Cells of all rows of tables by their first, each a list."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            name, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
            found.setdefault(name, []).append(cells)
    return found


def scored(values):
    estimate = resampled_mean(values, 0.25)._asdict()
    return {"n_splits": len(values), "fit_process_s": 1.0, "threads": "1"} | dict.fromkeys(
        METRICS, estimate
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for module in (cell_typing, ladder):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    return tmp_path


def test_fewer_splits_are_compared_with_ours_on_the_same(folder):
    ours, theirs = [0.96, 0.7, 0.8, 0.78], [0.85, 0.75]  # ours: 0.81 on all, 0.83 on theirs
    difference = resampled_mean([ours[at] - theirs[at] for at in range(2)], 0.25)._asdict()
    data = {
        "title": "Cells",
        "methods": {"slow": scored(theirs), "tgem": scored(ours)},
        "differences": {"slow": dict.fromkeys(METRICS, difference)},
        "best_comparator": {},
        "not_run": {"never": "no result yet"},
    }
    titles = {"slow": "Slow", "never": "Never", "tgem": "tgem"}
    result = {"machine": MACHINE, "titles": titles, "data": {"cells": data}, "mean_over_data": {}}
    (folder / "typing.json").write_text(json.dumps(result))
    text = cell_typing.write()
    rows = rows_of(text)
    assert "Never" not in rows
    assert "- Never: no result yet (Cells)." in text
    *scores, (seconds,) = rows["Slow"]
    assert len(scores) == len(METRICS)
    for (cell,) in scores:
        assert cell.startswith("0.800")
        assert cell.endswith("[2; tgem 0.830]")
    assert seconds == "1 [2]"
    assert [row[0][:5] for row in rows["tgem"][:-1]] == ["0.810"] * len(METRICS)


def record(data, split, own_minus):
    rungs = [
        {
            "maps": maps,
            "metric": metric,
            "value": 0.8,
            "own_minus": 0.0 if maps == "own" else own_minus,
            "own_minus_lower": -0.1,
            "own_minus_upper": 0.1,
        }
        for metric in ("accuracy", "log_likelihood")
        for maps in RUNGS
    ]
    names = {"kind": "ladder", "data": data, "preset": "default", "split": split}
    costs = {"train_s": 1.0, "train_process_s": 1.0, "train_peak_bytes": 1}
    sizes = {"n_train": 80, "n_test": 20}
    return names | sizes | costs | {"rungs": rungs, "attention_gain": {"weight": 0.0}}


def test_seeds_are_no_splits(folder):
    values = [0.0, 0.0, 0.02]
    records = [
        record(data, at, value)
        for data in (OTHER_LABORATORY, "pbmc68k")
        for at, value in enumerate(values)
    ] + [record("tcga33", 0, 0.01)]
    result = summary(records)
    found = {name: presets["default"] for name, presets in result["ladder"].items()}
    for name, ratio in ((OTHER_LABORATORY, 0.0), ("pbmc68k", 0.25)):
        expected = resampled_mean(values, ratio)._asdict()
        assert found[name]["rungs"]["accuracy mean"]["own_minus"] == expected
        assert found[name]["rungs"]["accuracy mean"]["own_minus_of_each"] == values
    (folder / "ladder.json").write_text(json.dumps({"machine": MACHINE, **result}))
    rows = rows_of(ladder.write())
    repeats = {name: row[1] for name, (row,) in rows.items() if row[0] == "default"}
    assert sorted(repeats.values()) == ["1 split", "3 seeds", "3 splits"]
    assert repeats[found[OTHER_LABORATORY]["title"]] == "3 seeds"
