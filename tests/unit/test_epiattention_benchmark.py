"""The benchmark of a training step runs, and both sides compute the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "epiattention.py"


def test_both_sides_take_the_same_steps(tmp_path):
    command = [sys.executable, "-W", "error", str(SCRIPT), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "epiattention_cpu.json").read_text())
    assert result["largest_output_difference"] < 1e-5
    loss = result["step"]["loss"]
    assert loss["plain"] == pytest.approx(loss["tgem"], rel=1e-4)
    assert set(result["parts"]) == {"methylation LSTM", "factor attention"}
    for times in (result["step"], *result["parts"].values()):
        assert times["plain"]["wall_s"] > 0
        assert times["tgem"]["wall_s"] > 0
