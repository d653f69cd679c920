"""The benchmarks run, and what they compare is equal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "attention.py"


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, "-W", "error", str(SCRIPT), "--quick", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def result(quick_run):
    return json.loads((quick_run / "attention_cpu.json").read_text())


def test_writes_a_table_and_a_figure(quick_run):
    names = {path.name for path in quick_run.iterdir()}
    assert {"attention_cpu.json", "attention_cpu.png"} <= names
    assert (quick_run / "attention_cpu.png").read_bytes().startswith(b"\x89PNG")


def test_errors_are_small(result):
    assert len(result["errors"]) == 3
    for row in result["errors"]:
        for form in ("published", "exact", "linear"):
            limit = 1e-4 if form == "published" else 1e-5
            assert max(row[form].values()) < limit, (row, form)
            assert min(row[form].values()) > 0  # single precision rounds


def test_every_form_is_measured(result):
    for row in result["layer"]:
        for form in ("published", "sdpa", "exact", "linear"):
            assert row[form]["wall_s"] > 0
            assert row[form]["peak_bytes"] >= 0
            assert row[form]["repeats"] >= 1
    # Four cells and heads of 300 genes squared, twice, in single precision.
    assert result["layer"][0]["published"]["peak_bytes"] > 2e6


def test_comparisons_compare_what_they_say(result):
    fixed = result["scaling"]["X = 100"]["steps"].values()
    assert all(abs(step["X"] - 100) < 0.1 for step in fixed)
    sharp = result["sharp"]
    assert abs(sharp["mean_entropy"] - sharp["target_entropy"]) < 0.01
    losses = result["network"]["loss"]
    assert abs(losses["published"] - losses["linear"]) < 1e-5
    assert result["machine"]["threads"] >= 1
