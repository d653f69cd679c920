"""The benchmark of epigenomes runs, goes on, and its scores and intervals are what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def epigenomes(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from epigenomes import data, methods, report

    return data, methods, report


def run(folder):
    command = [sys.executable, str(BENCHMARKS / "epigenome.py"), "--quick", "--out", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_run_is_complete_and_goes_on_where_it_was(tmp_path):
    run(tmp_path)
    path = tmp_path / "epigenome" / "synthetic.jsonl"
    first = path.read_text()
    path.write_text(first[: first.rstrip().rfind("\n") + 20])  # killed while writing
    again = run(tmp_path)
    assert again.count("Job(") == 1
    lines = path.read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    assert len(lines) == len(rows) + 1  # the half one was ended, not gone on with
    tested = np.sort(np.concatenate([r["test"] for r in rows if r["method"] == "tgem"][:3]))
    np.testing.assert_array_equal(tested, np.arange(len(tested)))
    result = json.loads((tmp_path / "epigenome.json").read_text())
    for found in result["data"].values():
        for method, score in found["methods"].items():
            assert score["low"] <= score["mean"] <= score["high"]
            if method in found["differences"]:
                ours = found["methods"]["tgem"]["mean"]
                difference = found["differences"][method]["mean"]
                assert difference == pytest.approx(ours - score["mean"])
    curve = result["data"]["synthetic"]["learning_curve"]
    assert curve["tgem"]["0.25"]["n_train"] < curve["tgem"]["0.5"]["n_train"]
    assert (tmp_path / "epigenome.png").stat().st_size > 10_000


def test_weighted_scores_are_those_of_repeated_genes(epigenomes):
    _, _, report = epigenomes
    rng = np.random.default_rng(0)
    output, target = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    high, weights = target > 0, rng.integers(0, 3, (5, 40))
    areas = report.weighted_auroc(output, high, weights)
    correlations = report.weighted_spearman(output, target, weights)
    for row, area, correlation in zip(weights, areas, correlations, strict=True):
        repeated = [np.repeat(values, row) for values in (high, output, target)]
        assert area == pytest.approx(roc_auc_score(repeated[0], repeated[1]))
        assert correlation == pytest.approx(spearmanr(repeated[1], repeated[2])[0])


def test_a_group_and_a_gene_are_on_one_side(epigenomes):
    data, _, _ = epigenomes
    genes = data.synthetic()
    tested = []
    for train, test in data.folds(genes, 3):
        assert not set(genes.group[train]) & set(genes.group[test])
        assert not set(genes.gene[train]) & set(genes.gene[test])
        tested.append(test)
        training = genes[train]
        held = data.validation_of(training, 0)
        rest = np.setdiff1d(np.arange(len(train)), held)
        assert not set(training.gene[held]) & set(training.gene[rest])
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(len(genes.target)))


def test_genes_are_drawn_with_all_their_cell_types(epigenomes):
    data, _, report = epigenomes
    genes = data.synthetic()
    rows = [{"fold": i, "test": test} for i, (_, test) in enumerate(data.folds(genes, 3))]
    weights = report.drawn_weights(genes, rows, 20)
    assert (weights[0] == 1).all()
    for name in np.unique(genes.gene)[:30]:
        own = weights[:, genes.gene == name]
        assert (own == own[:, :1]).all()
    for row in rows:
        assert (weights[:, row["test"]].sum(1) == len(row["test"])).all()


@pytest.mark.parametrize("name", ["deepchrome", "attentivechrome", "bins", "forest"])
def test_comparators_learn_what_is_easy(epigenomes, name):
    data, methods, _ = epigenomes
    genes = data.synthetic()
    high = genes.values.copy()
    high[genes.target > 0, 0] += 5 * high.mean()
    genes = data.replace(genes, values=high)
    train, test = data.folds(genes, 3)[0]
    method = methods.methods("binary")[name]
    settings = method.settings
    if "max_epochs" in settings:
        settings = settings | {"max_epochs": 8, "learning_rate": 5e-3}
    output = method.fit(genes[train], settings, 0)(genes[test])
    assert roc_auc_score(genes.target[test], output) > 0.9


def test_windows_of_methylation_are_means_of_their_sites(epigenomes):
    data, methods, _ = epigenomes
    genes = data.synthetic("regression")
    found = methods.windows(genes, 4)
    level, place = genes.values[..., 0], genes.values[..., 1]
    for i in range(0, len(genes.target), 17):
        inside = (place[i] >= -1) & (place[i] < -0.5)
        expected = level[i][inside].mean() if inside.any() else np.nanmean(level[i])
        np.testing.assert_allclose(found[i, 0], expected, rtol=1e-5)
