"""The benchmark of calibration keeps its results, leaves classes out, and counts rightly."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

# libraries deprecate what other libraries do when they are imported
WARNINGS = ("-W", "error", "-W", "ignore::DeprecationWarning")
SCRIPTS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(SCRIPTS))

from cell_types.data import Cells  # noqa: E402
from cell_types.measure import read_records  # noqa: E402
from confidence.measure import measure_unseen, of_cells, told_apart, with_genes  # noqa: E402
from confidence.novelty import SCORERS  # noqa: E402
from confidence.report import report  # noqa: E402
from confidence.sets import adaptive_scores, covered_and_sizes  # noqa: E402


def run_quickly(folder):
    command = [sys.executable, *WARNINGS, str(SCRIPTS / "calibration.py")]
    command += ["--quick", "--out", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    run_quickly(folder)
    return folder


@pytest.fixture
def cells(generator):
    """Three classes of eighty cells; six genes are high in each."""
    labels = np.repeat(["a", "b", "c"], 80)
    expression = generator.normal(1, 0.3, (240, 40)).astype(np.float32).clip(0)
    for i, name in enumerate("abc"):
        expression[labels == name, i * 6 : i * 6 + 6] += 2
    genes = np.array([f"gene{i}" for i in range(40)])
    return Cells(expression, None, labels, np.arange(240).astype(str), genes)


def test_writes_results_table_and_figure(quick_run):
    folds = read_records(quick_run / "calibration" / "folds.jsonl")
    unseen = read_records(quick_run / "calibration" / "unseen.jsonl")
    assert [row["fold"] for row in folds] == [0]
    assert {row["method"] for row in unseen} == set(SCORERS) - {"celltypist"}
    assert {row["left_out"] for row in unseen} == {"type_1"}
    assert (quick_run / "calibration.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((quick_run / "calibration.json").read_text())
    kept = folds[0]["probabilities"]["after"]
    found = result["calibration"]["probabilities"]["after"]
    assert found["accuracy"] == pytest.approx(np.mean(kept["is_correct"]))
    assert found["brier_score"] == pytest.approx(np.mean(kept["brier"]))
    assert found["log_likelihood"] == pytest.approx(np.log(kept["label_probability"]).mean())
    sets = folds[0]["sets"]["0.1"]["tgem"]
    coverage = result["sets"]["0.1"]["tgem"]["coverage"]
    assert coverage == sets["covered"] / sets["n_cells"]
    populations = result["unseen"]["populations"]
    assert populations["mean"] == {row["method"]: row["auroc"] for row in unseen}
    assert result["machine"]["torch"]


def test_a_second_run_measures_nothing(quick_run):
    before = (quick_run / "calibration" / "unseen.jsonl").read_text()
    assert "without" not in run_quickly(quick_run)
    assert (quick_run / "calibration" / "unseen.jsonl").read_text() == before


def test_scorers_meet_no_cell_of_the_class_left_out(cells, tmp_path, monkeypatch):
    seen = []

    def scorer(training, others, seed):
        seen.append((training, others))
        return np.where(others.labels == "b", 1.0, 0.0), {}

    monkeypatch.setitem(SCORERS, "mahalanobis", ("", scorer))
    monkeypatch.setattr("confidence.measure.cells_of", lambda data: cells)
    measure_unseen("synthetic", "gates", ["mahalanobis"], tmp_path / "unseen.jsonl")
    rows = read_records(tmp_path / "unseen.jsonl")
    assert [row["left_out"] for row in rows] == ["a", "b", "c"]
    assert [row["auroc"] for row in rows] == [0.25, 1.0, 0.25]
    for row, (training, others) in zip(rows, seen, strict=True):
        assert row["left_out"] not in set(training.labels)
        assert (others.labels == row["left_out"]).sum() == row["n_unseen"] == 80
        assert row["n_known"] == 32
        assert not set(training.groups) & set(others.groups)
        assert training.genes.tolist() == others.genes.tolist()


def test_genes_are_chosen_on_cells_that_are_trained_on(cells, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        "confidence.measure.select_genes",
        lambda training, n: chosen.append(training) or np.arange(5),
    )
    training, others = with_genes(cells[np.arange(200)], cells[np.arange(200, 240)], 0)
    assert len(chosen[0].labels) == 175
    assert training.expression.shape == (200, 5)
    assert others.expression.shape == (40, 5)


@pytest.mark.parametrize("name", ["logistic_regression", "nearest_centroid", "mahalanobis", "tgem"])
def test_scorers_tell_a_class_that_lies_apart(cells, name):
    is_known = cells.labels != "c"
    training = cells[np.flatnonzero(is_known)[::2]]
    others = cells[np.concatenate([np.flatnonzero(is_known)[1::2], np.flatnonzero(~is_known)])]
    scores, _ = SCORERS[name][1](training, others, 0)
    assert told_apart(scores, others.labels == "c")["auroc"] > 0.85


def test_shares_above_the_threshold():
    found = told_apart(np.array([0.1, 0.9, 0.5, 2.0]), np.array([0, 0, 1, 1], bool), threshold=0.8)
    assert found["auroc"] == 0.75
    assert found["rejected_known"] == found["rejected_unseen"] == 0.5


def test_adaptive_sets_cover_with_and_without_chance(generator):
    logits = generator.normal(0, 2, (4000, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (generator.random((4000, 1)) < p.cumsum(axis=1)).argmax(axis=1)
    found = covered_and_sizes(logits[:2000], codes[:2000], logits[2000:], codes[2000:], alpha=0.1)
    for each in found.values():
        assert abs(each["covered"] / 2000 - 0.9) < 5 * np.sqrt(2 * 0.09 / 2000)
    assert found["adaptive_random"]["labels"] < found["adaptive"]["labels"]
    scores = adaptive_scores(np.array([[0.2, 0.5, 0.3]]))
    assert scores == pytest.approx(np.array([[1.0, 0.5, 0.8]]))


def test_what_is_kept_of_a_cell():
    kept = of_cells(np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]), np.array([0, 1]))
    assert kept["confidence"] == [0.7, 0.4]
    assert kept["is_correct"] == [1, 0]
    assert kept["label_probability"] == [0.7, 0.3]
    assert kept["brier"] == pytest.approx([0.09 + 0.04 + 0.01, 0.09 + 0.49 + 0.16])


def test_pooled_error_and_floor_of_calibrated_folds(tmp_path):
    generator = np.random.default_rng(0)
    rows = []
    for fold in range(2):
        confidence = generator.uniform(0.3, 1, 3000)
        right = (generator.random(3000) < confidence).astype(int)
        kept = {"confidence": confidence.tolist(), "is_correct": right.tolist()}
        kept |= {"label_probability": confidence.tolist(), "brier": confidence.tolist()}
        names = ("before", "after", "logistic_regression")
        rows.append(
            {"data": "x", "fold": fold, "temperature": 1.0, "n_train": 1, "n_validation": 1}
            | {
                "probabilities": dict.fromkeys(names, kept),
                "sets": {},
                "source": "s",
                "threads": "1",
            }
        )
    (tmp_path / "folds.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    found = report(tmp_path, "x")["calibration"]["probabilities"]["after"]
    error, floor = (found[f"expected_calibration_error{suffix}"] for suffix in ("", "_floor"))
    assert error < 2.5 * floor
    sd = np.sqrt(0.65 * 0.35 / (6000 / 11))  # in each of eleven bins
    assert floor == pytest.approx(sd * stats.norm.expect(abs), rel=0.1)
