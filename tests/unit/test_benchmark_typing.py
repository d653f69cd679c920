"""The typing benchmark compares methods fairly, keeps its results, and computes right intervals."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(SCRIPTS))

from cell_types.classical import Standardized  # noqa: E402
from cell_types.data import Cells, select_genes  # noqa: E402
from cell_types.fitted import Fitted  # noqa: E402
from cell_types.intervals import mean_of_estimates, resampled_mean  # noqa: E402
from cell_types.measure import METRICS, measured, read_records, scores  # noqa: E402
from cell_types.methods import Method, methods  # noqa: E402
from cell_types.report import best_comparators, report  # noqa: E402
from cell_types.splits import hold_out, inner_folds, make_split  # noqa: E402
from cell_typing import remember  # noqa: E402


def run_quickly(folder):
    command = [sys.executable, "-W", "error", str(SCRIPTS / "cell_typing.py")]
    command += ["--quick", "--out", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typing")
    run_quickly(folder)
    return folder


@pytest.fixture
def cells(generator):
    """Three classes of sixty cells, 90 genes of which five differ: more genes than cells train."""
    labels = np.repeat(["a", "b", "c"], 20)
    expression = generator.poisson(1.0, (60, 90)).astype(np.float32)
    for i, name in enumerate("abc"):
        expression[labels == name, i * 5 : i * 5 + 5] += 3
    genes = np.array([f"gene{i}" for i in range(90)])
    groups = np.array([f"cell{i}" for i in range(60)])
    return Cells(np.log1p(expression), None, labels, groups, genes)


# -- splits ---------------------------------------------------------------------------------


def test_splits_without_patients_are_scikit_learns(cells):
    split = make_split(cells.labels, cells.groups, 3)
    train, test = train_test_split(
        np.arange(60), test_size=0.2, stratify=cells.labels, random_state=3
    )
    assert split.train.tolist() == sorted(train)
    assert split.test.tolist() == sorted(test)


def test_splits_depend_on_the_seed_only(cells):
    first, again = (make_split(cells.labels, cells.groups, 0) for _ in range(2))
    assert first.checksum() == again.checksum()
    assert first.checksum() != make_split(cells.labels, cells.groups, 1).checksum()


def test_patients_are_never_divided_and_classes_stay_balanced():
    # as in the TCGA: of every patient a tumour of one of three types, and normal tissue
    patients = np.repeat([f"patient{i}" for i in range(60)], 2)
    labels = np.array([("normal", f"type{i // 20}")[j] for i in range(60) for j in range(2)])
    order = np.random.default_rng(0).permutation(120)
    patients, labels = patients[order], labels[order]
    for seed in range(5):
        split = make_split(labels, patients, seed)
        assert not set(patients[split.train]) & set(patients[split.test])
        assert sorted([*split.train, *split.test]) == list(range(120))
        counts = {name: (labels[split.test] == name).sum() for name in set(labels)}
        assert counts == {"normal": 12, "type0": 4, "type1": 4, "type2": 4}
        for train, held in inner_folds(labels, patients, 5, seed):
            assert not set(patients[train]) & set(patients[held])


def test_a_group_of_its_own_kind_is_trained_on():
    labels = np.array(["a"] * 10 + ["b"] * 10 + ["rare"])
    kept, held = hold_out(labels, np.arange(21), share=0.2, seed=0)
    assert 20 in kept
    assert set(labels[held]) == {"a", "b"}


# -- data and methods -----------------------------------------------------------------------


def test_genes_are_chosen_by_the_training_cells(cells):
    found = select_genes(cells, 15)
    assert len(found) == 15
    other = Cells(cells.expression * 1.0, None, cells.labels[::-1], cells.groups, cells.genes)
    assert select_genes(other, 15).tolist() == found.tolist()  # labels play no part
    assert set(cells.of_genes(found).genes) == {f"gene{i}" for i in found}


def test_checksum_sees_every_value(cells):
    changed = cells.expression.copy()
    changed[-1, -1] += 1
    other = Cells(changed, None, cells.labels, cells.groups, cells.genes)
    assert other.checksum() != cells.checksum()
    as_sparse = Cells(
        sparse.csr_matrix(cells.expression), None, cells.labels, cells.groups, cells.genes
    )
    assert as_sparse.checksum() != as_sparse[np.arange(59)].checksum()


def test_rotation_leaves_linear_models_as_they_are(cells):
    train, test = np.arange(0, 60, 2), np.arange(1, 60, 2)
    probabilities = []
    for rotate in (False, True):
        standardized = Standardized(cells.expression[train], rotate=rotate)
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000)
        model.fit(standardized(cells.expression[train]), cells.labels[train])
        probabilities.append(model.predict_proba(standardized(cells.expression[test])))
    assert standardized(cells.expression).shape[1] == len(train) - 1
    assert np.abs(probabilities[0] - probabilities[1]).max() < 1e-3


SMALLER = {
    "logistic_regression": {"grid": [1e-2, 1e-1]},
    "linear_svm": {"grid": [1e-3, 1e-2]},
    "random_forest": {"n_trees": 50},
    "boosting": {"max_iter": 5},
    "convolutional_network": {"max_epochs": 3, "channels": [4, 4]},
    "mlp": {"grid": [0.01, 1.0], "max_iter": 20},
    "tgem_paper_50": {"max_epochs": 1},
    "tgem": {"max_epochs": 10},
}
UNDERTRAINED = {"convolutional_network", "tgem_paper_50"}  # need only run


@pytest.mark.parametrize("name", SMALLER)
def test_methods_learn_from_training_cells(cells, name):
    full = methods()[name]
    method = Method("", full.module, full.function, full.settings | SMALLER[name])
    record = measured(cells, method, 0)
    assert record["accuracy"] >= (0.0 if name in UNDERTRAINED else 0.7)
    assert (record["n_train"], record["n_test"]) == (48, 12)
    assert min(record[cost] for cost in ("fit_s", "predict_s", "peak_bytes")) > 0


def test_a_method_meets_no_test_cell_before_it_predicts(cells, monkeypatch):
    seen = []

    def fit(training, settings, seed):
        seen.append(training)
        return Fitted(lambda other: seen.append(other) or np.full(len(other.labels), "a"))

    monkeypatch.setattr("cell_types.classical.random_forest", fit)
    record = measured(cells, methods()["random_forest"], 4, n_selected=12)
    split = make_split(cells.labels, cells.groups, 4)
    training, test = seen
    chosen = select_genes(cells[split.train], 12)
    assert np.array_equal(training.expression, cells.expression[split.train][:, chosen])
    assert np.array_equal(test.expression, cells.expression[split.test][:, chosen])
    assert training.genes.tolist() == test.genes.tolist()
    assert record["accuracy"] == np.mean(cells.labels[split.test] == "a")


def test_a_method_says_why_it_does_not_run():
    scanvi = methods()["scanvi"]
    assert scanvi.unavailable(n_genes=100, has_counts=True) is None
    assert "counts" in scanvi.unavailable(n_genes=100, has_counts=False)
    assert "genes" in scanvi.unavailable(n_genes=16_791, has_counts=True)


def test_keys_follow_settings():
    one = Method("a", "classical", "random_forest", {"n_trees": 1})
    assert one.key() == Method("b", "classical", "random_forest", {"n_trees": 1}).key()
    assert one.key() != Method("a", "classical", "random_forest", {"n_trees": 2}).key()


# -- scores and intervals -------------------------------------------------------------------


def test_scores_of_a_known_table():
    true = np.array(["a", "a", "a", "b"])
    found = scores(true, np.array(["a", "a", "b", "b"]))
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["mcc"] == pytest.approx(1 / math.sqrt(3))


def test_interval_is_nadeau_and_bengios():
    values = [0.1, 0.3, 0.2, 0.4]
    found = resampled_mean(values, 0.25)
    variance = np.var(values, ddof=1) * (1 / 4 + 0.25)
    half = stats.t.ppf(0.975, 3) * math.sqrt(variance)
    assert found.mean == pytest.approx(0.25)
    assert (found.low, found.high) == pytest.approx((0.25 - half, 0.25 + half))
    plain = stats.t.interval(0.95, 3, 0.25, stats.sem(values))
    assert found.low < plain[0]
    assert found.high > plain[1]  # splits that overlap tell less
    without_overlap = resampled_mean(values, 0.0)
    assert (without_overlap.low, without_overlap.high) == pytest.approx(plain)


def test_one_split_has_no_interval():
    assert resampled_mean([0.5], 0.25)[:4] == (0.5, None, None, 1)
    pair = [resampled_mean([0.5], 0.25), resampled_mean([0.1, 0.2], 0.25)]
    assert mean_of_estimates(pair).low is None


def test_mean_over_data_sets():
    each = resampled_mean([0.1, 0.3, 0.2, 0.4], 0.25)
    found = mean_of_estimates([each, each])
    assert found.mean == pytest.approx(each.mean)
    # two independent estimates of equal variance: half the variance, twice the freedom
    half = stats.t.ppf(0.975, 6) * math.sqrt(each.variance / 2)
    assert found.high - found.mean == pytest.approx(half)


def test_the_best_comparator_ran_often_enough():
    def against(mean, n_splits):
        return {
            metric: resampled_mean([mean, mean + 0.01] * (n_splits // 2), 0.25)
            for metric in METRICS
        }

    differences = {"weak": against(0.2, 20), "strong": against(0.0, 20), "seldom": against(-1, 2)}
    assert best_comparators(differences)["accuracy"]["method"] == "strong"
    assert best_comparators({}) == {}


# -- the command ----------------------------------------------------------------------------


def test_writes_results_table_and_figures(quick_run):
    records = read_records(quick_run / "typing" / "synthetic.jsonl")
    found = {(record["method"], record["split"]) for record in records}
    assert found == {(name, split) for name in ("logistic_regression", "tgem") for split in (0, 1)}
    for name in ("typing.png", "typing_differences.png"):
        assert (quick_run / name).read_bytes().startswith(b"\x89PNG")
    data = json.loads((quick_run / "typing.json").read_text())["data"]["synthetic"]
    ours, theirs = (
        [record["accuracy"] for record in records if record["method"] == name]
        for name in ("tgem", "logistic_regression")
    )
    difference = data["differences"]["logistic_regression"]["accuracy"]
    assert difference["mean"] == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert difference["n_splits"] == 2
    assert data["best_comparator"]["accuracy"]["method"] == "logistic_regression"
    assert "counts" in data["not_run"]["scanvi"]
    assert data["not_run"]["mlp"] == "no result yet"


def test_a_second_run_measures_only_what_is_missing(quick_run):
    path = quick_run / "typing" / "synthetic.jsonl"
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    # killed in the middle of a line, and started again
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:40])
    assert len(read_records(path)) == 3
    assert "1 results to measure in 1 jobs" in run_quickly(quick_run)
    assert len(read_records(path)) == 4


def test_results_of_other_settings_do_not_count(quick_run):
    folder = quick_run / "typing"
    described = json.loads((folder / "splits.json").read_text())
    changed = methods()
    old = changed["logistic_regression"]
    changed["logistic_regression"] = Method(
        old.title, old.module, old.function, old.settings | {"grid": [1.0]}
    )
    found = report(folder, described, changed)["data"]["synthetic"]
    assert list(found["methods"]) == ["tgem"]
    described["synthetic"]["checksum"] = "of other data"
    assert report(folder, described, methods())["data"] == {}


def test_a_run_of_fewer_splits_forgets_none(tmp_path):
    path = tmp_path / "splits.json"
    all_splits = {"checksum": "a", "splits": {"0": "x", "1": "y"}}
    remember(path, {"pbmc68k": all_splits, "tcga33": all_splits})
    remember(path, {"pbmc68k": {"checksum": "a", "splits": {"0": "x"}}})
    assert json.loads(path.read_text()) == {"pbmc68k": all_splits, "tcga33": all_splits}
    other = {"checksum": "b", "splits": {"0": "z"}}
    remember(path, {"pbmc68k": other})
    assert json.loads(path.read_text())["pbmc68k"] == other
