"""The benchmark of DeepLIFT runs, and what it compares is equal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "deeplift.py"
SIDES = ("captum", "captum_batched", "captum_in_parts", "captum_cut", "tgem")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    pytest.importorskip("captum")
    folder = tmp_path_factory.mktemp("deeplift")
    command = [sys.executable, "-W", "error", str(SCRIPT), "--quick", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads((folder / "deeplift.json").read_text())


def test_scores_equal_captum(result):
    found = result["differences"]
    assert found["isoforms"] == 10
    for name in ("mean", "sd"):
        assert 0 < found[f"{name}_of_tgem_from_captum"] < 1e-3  # captum rounds
        errors = found[f"error_of_{name}"]
        assert set(errors) == set(SIDES)
        assert 0 < errors["tgem"] < 1e-5
    assert 0 < found["completeness"] < 1e-5
    assert 0 < found["completeness_of_mean"] < 1e-5


def test_totals_are_what_they_say(result):
    n_isoforms, turns = result["sizes"]["n_isoforms"], result["sizes"]["turns"]
    for side in SIDES:
        times = result["times"][side]
        assert len(times["turns"]) == turns
        walls = sorted(turn["wall"] for turn in times["turns"])
        scale = n_isoforms / times["isoforms_per_turn"]
        low, high = times["range"]["wall_s"]
        assert low == pytest.approx(walls[0] * scale)
        assert high == pytest.approx(walls[-1] * scale)
        assert low <= times["total"]["wall_s"] <= high
        assert (times["total_is"] == "measured") == (side == "tgem")
        if side in ("captum", "tgem"):
            assert times["memory"]["process_bytes"] > times["memory"]["growth_bytes"] >= 0
        if side != "tgem":
            ratio = times["total"]["wall_s"] / result["times"]["tgem"]["total"]["wall_s"]
            assert times["ratio_of_totals"]["wall_s"] == pytest.approx(ratio)
