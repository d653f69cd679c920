"""The benchmarks run, and what they compare is equal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tgem.attr import METHODS

# libraries deprecate what other libraries do when they are imported
WARNINGS = ("-W", "error", "-W", "ignore::DeprecationWarning")
SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run_quickly(script, folder):
    command = [sys.executable, *WARNINGS, str(SCRIPTS / script)]
    subprocess.run([*command, "--quick", "--out", str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    return run_quickly("attention.py", tmp_path_factory.mktemp("attention"))


@pytest.fixture(scope="module")
def attribution_run(tmp_path_factory):
    pytest.importorskip("captum")
    return run_quickly("attribution.py", tmp_path_factory.mktemp("attribution"))


@pytest.fixture
def attribution(attribution_run):
    return json.loads((attribution_run / "attribution.json").read_text())


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


def test_attribution_writes_a_table_and_a_figure(attribution_run):
    names = {path.name for path in attribution_run.iterdir()}
    assert names == {"attribution.json", "attribution.png"}
    assert (attribution_run / "attribution.png").read_bytes().startswith(b"\x89PNG")


def test_attributions_equal_captum(attribution):
    timed = attribution["integrated_gradients"]
    # Against double precision; the dense network rounds less well in single precision, by an
    # amount that depends on the number of threads.
    assert 0 < timed["tgem"]["relative_error"] < 1e-5
    assert 0 < timed["captum"]["relative_difference_of_tgem"] < 1e-3
    assert 0 < timed["captum_stepwise"]["relative_difference_of_tgem"] < 1e-3
    rows = attribution["methods"]["relative_difference"]
    assert [row["method"] for row in rows] == list(METHODS)
    for row in rows:
        assert 0 < row["float32"] < 1e-4, row
        assert 0 < row["float64"] < 1e-6, row


def test_attribution_times_are_per_cell(attribution):
    speed, n_obs = attribution["integrated_gradients"], attribution["n_obs"]
    for side, per_turn in (("captum", 1), ("captum_stepwise", 1), ("tgem", n_obs)):
        turns = speed[side]["turns"]
        assert len(turns) == attribution["captum_cells"]
        walls = sorted(turn["wall"] for turn in turns)
        assert walls[0] <= speed[side]["wall_s"] * per_turn * (1 + 1e-9)
        assert speed[side]["wall_s"] * per_turn <= walls[-1] * (1 + 1e-9)
        assert speed[side]["total"]["wall_s"] == pytest.approx(speed[side]["wall_s"] * n_obs)
    ratio = speed["captum"]["process_s"] / speed["tgem"]["process_s"]
    assert speed["captum"]["ratio_to_tgem"]["process_s"] == pytest.approx(ratio)


def test_more_steps_are_more_complete(attribution):
    medians = [row["median"] for row in attribution["completeness"]]
    assert medians == sorted(medians, reverse=True)
