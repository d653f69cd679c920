"""The benchmark of networks runs, and both sides compute the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# libraries deprecate what other libraries do when they are imported
WARNINGS = ("-W", "error", "-W", "ignore::DeprecationWarning")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "networks.py"


def test_both_sides_give_the_same_network(tmp_path):
    pytest.importorskip("captum")
    command = [sys.executable, *WARNINGS, str(SCRIPT), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "networks.json").read_text())
    assert (result["n_genes"], result["n_obs"]) == (50, 4)
    times = result["times"]
    assert times["published"]["extrapolated"]
    assert not times["tgem_paper"]["extrapolated"]
    # of weights between -1 and 1; ours takes fewer steps
    assert times["tgem_paper"]["largest_difference"] < 0.05
    assert times["tgem_default"]["largest_residual"] < 1e-9
    for side in times.values():
        assert side["process_s"] > 0
    for row in result["larger"]:
        assert row["peak_bytes"] >= row["peak_bytes_before"] > 0
        assert row["wall_s"] > 0
