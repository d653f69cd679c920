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
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splicing")
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


def test_the_held_out_line_plays_no_part_in_the_choice(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import splicing

    seen = []

    def score(mdata, held, setting, *, decoder):
        seen.append((set(splicing.lines_of(mdata)), held))
        return {"mse": {"a": 2.0, "b": 1.0}[setting.name]}

    monkeypatch.setattr(splicing, "score", score)
    settings = (splicing.Setting("a"), splicing.Setting("b"))
    mdata = splicing.simulated()
    chosen = splicing.chosen_setting(mdata, "line 0", settings, decoder="usage")
    assert chosen.name == "b"
    assert seen == 2 * [({"line 1", "line 2"}, "line 1")]
