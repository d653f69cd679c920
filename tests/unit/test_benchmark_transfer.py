"""The transfer benchmark maps labels rightly, scores parts apart, and keeps its results."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(SCRIPTS))

from transfers.data import coarse, read_synthetic  # noqa: E402
from transfers.measure import part_scores, present_genes  # noqa: E402
from transfers.methods import OURS, TITLES  # noqa: E402
from transfers.report import current, gains, over_seeds, report  # noqa: E402


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    run_quickly(folder)
    return folder


def run_quickly(folder):
    command = [sys.executable, str(SCRIPTS / "transfer.py"), "--quick", "--out", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CD4+/CD45RA+/CD25- Naive T", "CD4 T"),
        ("CD8+/CD45RA+ Naive Cytotoxic", "CD8 T"),
        ("CD34+", "CD34+"),
        ("FCGR3A+ Monocytes", "monocyte"),
        ("B cells", "B"),
        ("CD56+ NK", "NK"),
    ],
)
def test_labels_of_both_sources_are_mapped(label, name):
    assert coarse(label) == name


def test_an_unknown_label_is_refused():
    with pytest.raises(ValueError, match="Megakaryocytes"):
        coarse("Megakaryocytes")


def test_scores_by_hand():
    true, predicted = np.array(["a", "a", "b", "b"]), np.array(["a", "c", "b", "b"])
    found = part_scores(true, predicted)
    assert found["recall"] == {"a": 0.5, "b": 1.0}
    assert found["balanced_accuracy"] == 0.75
    assert found["given"]["a"] == {"a": 1, "c": 1}


def test_genes_left_are_drawn_anew():
    assert len(present_genes(100, 0.3, 0)) == 70
    assert len(present_genes(100, 0.0, 0)) == 100
    assert set(present_genes(100, 0.3, 0)) != set(present_genes(100, 0.3, 1))


def test_new_cells_differ_from_the_training_cells():
    pair = read_synthetic()
    assert len(pair.training.labels) == len(pair.new.labels)
    assert abs(pair.training.dense() - pair.new.dense()).max() > 0


def test_quick_run_writes_a_table_and_a_figure(quick_run):
    result = json.loads((quick_run / "transfer.json").read_text())
    found = result["pairs"]["synthetic"]
    assert set(found) == {"nearest_centroid", "logistic_regression", "tgem", OURS}
    assert 0 < found[OURS]["parts"]["all"]["balanced_accuracy"] <= 1
    assert set(result["missing"][OURS]["accuracy"]) == {"0.0", "0.1", "0.3", "0.5"}
    assert (quick_run / "transfer.png").stat().st_size > 0
    assert result["machine"]["device"] == "cpu"


@pytest.mark.slow
def test_results_are_kept(quick_run):
    before = (quick_run / "transfer" / "synthetic.jsonl").read_text()
    run_quickly(quick_run)
    assert (quick_run / "transfer" / "synthetic.jsonl").read_text() == before


def test_other_settings_are_not_today_s(quick_run, tmp_path):
    folder = tmp_path / "transfer"
    folder.mkdir()
    rows = (quick_run / "transfer" / "synthetic.jsonl").read_text().splitlines()
    changed = json.loads(rows[0]) | {"settings_key": "other"}
    (folder / "synthetic.jsonl").write_text(json.dumps(changed) + "\n")
    assert not current(folder / "synthetic.jsonl")
    assert report(folder)["pairs"]["synthetic"] == {}


def test_gain_is_a_difference():
    part = {"all": {"balanced_accuracy": 0.5}}
    better = {"all": {"balanced_accuracy": 0.75}}
    found = gains({"kang": {"tgem": {"parts": part}, OURS: {"parts": better}}})
    assert found == {"kang": {"tgem": {"all": 0.25}}}
    assert set(found["kang"]) < set(TITLES)


def training(seed, accuracy):
    part = {"balanced_accuracy": accuracy, "recall": {"B": accuracy}, "given": {}}
    return {"seed": seed, "parts": {"all": part}}


def test_scores_are_means_over_trainings_and_the_latest_of_a_seed_counts():
    found = over_seeds([training(0, 0.1), training(1, 0.75), training(0, 0.25)])
    part = found["parts"]["all"]
    assert part["balanced_accuracy"] == part["recall"]["B"] == 0.5
    assert part["balanced_accuracy_of_seeds"] == [0.25, 0.75]
    assert found["seeds"] == [0, 1]
