"""The benchmark of isoforms runs, and its tables hold what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
DECODERS = ("usage", "additive", "sigmoid")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("splicing")


@pytest.fixture(scope="module")
def result(folder):
    command = [sys.executable, str(BENCHMARKS / "splicing.py"), "--quick", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads((folder / "splicing.json").read_text())


@pytest.mark.slow
def test_every_line_is_held_out_once(result):
    compared = [*result["decoders"].values(), *result["contexts"].values()]
    assert set(result["decoders"]) == set(DECODERS)
    assert set(result["contexts"]) == {"none", "training lines"}
    for found in [*compared, result["all_isoforms"]]:
        assert [row["line"] for row in found["folds"]] == ["line 0", "line 1", "line 2"]
        errors = np.array([row["mse"] for row in found["folds"]])
        assert np.isfinite(errors).all()
        assert found["mse"] == pytest.approx(errors.mean())
        assert found["mse_sd"] == pytest.approx(errors.std(ddof=1))


@pytest.mark.slow
def test_all_are_compared_with_the_same_baseline(result):
    baselines = [
        [row["mse_mean_usage"] for row in found["folds"]]
        for found in [*result["decoders"].values(), *result["contexts"].values()]
    ]
    for baseline in baselines:
        np.testing.assert_allclose(baseline, baselines[0], rtol=1e-5)
    for found in result["decoders"].values():
        assert {row["setting"] for row in found["folds"]} <= {"a", "b"}


@pytest.mark.slow
def test_baselines_and_decoders_are_compared_on_the_same_isoforms(result):
    assert "ridge, usage" in result["baselines"]
    for found in result["baselines"].values():
        for row, own in zip(found["folds"], result["decoders"]["usage"]["folds"], strict=True):
            assert row["line"] == own["line"]
            assert row["mse_mean_usage"] == pytest.approx(own["mse_mean_usage"], rel=1e-4)
    others = {*result["baselines"], *result["decoders"]} - {"usage"}
    assert set(result["differences"]) == others
    folds = zip(*(result["decoders"][name]["folds"] for name in ("usage", "sigmoid")), strict=True)
    change = np.mean([ours["mse"] - theirs["mse"] for ours, theirs in folds])
    assert result["differences"]["sigmoid"]["mse"] == pytest.approx(change)


@pytest.mark.slow
def test_other_cohorts_and_fewer_lines_are_there(result):
    assert set(result["cohorts"]) == {"lymphoblasts", "cells", "tumours"}
    for name, found in result["cohorts"].items():
        expected = {"psi"} if name == "tumours" else {"usage", "additive", "sigmoid"}
        assert expected | {"mean usage", "ridge, usage"} <= set(found["methods"])
        for method in found["methods"].values():
            assert np.isfinite([row["mse"] for row in method["folds"]]).all()
    assert list(result["learning_curve"]) == ["1", "2"]
    for found in result["learning_curve"].values():
        assert all(len(row["folds"]) == 3 for row in found.values())


@pytest.mark.slow
def test_the_figure_is_drawn(result, folder):
    assert (folder / "splicing.png").stat().st_size > 10_000


def test_the_held_out_line_plays_no_part_in_the_choice(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from isoforms import decoders
    from isoforms.cohorts import simulated

    seen = []

    def score(mdata, held, setting, *, decoder):
        seen.append((set(decoders.lines_of(mdata)), held))
        return {"mse": {"a": 2.0, "b": 1.0}[setting.name]}

    monkeypatch.setattr(decoders, "score", score)
    settings = (decoders.Setting("a"), decoders.Setting("b"))
    mdata = simulated()
    chosen = decoders.chosen_setting(mdata, "line 0", settings, decoder="usage")
    assert chosen.name == "b"
    assert seen == 2 * [({"line 1", "line 2"}, line) for line in ("line 1", "line 2")]
