"""The benchmark of binning runs, and finds the signal that it wrote."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bin_signal.py"


def test_bins_hold_what_was_written(tmp_path):
    command = [sys.executable, "-W", "error", str(SCRIPT), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "bin_signal.json").read_text())
    assert 0 < result["largest_difference"] < 1e-5  # single precision
    assert result["n_jobs_1"]["wall_s"] > 0
    assert result["n_jobs_2"]["wall_s"] > 0
