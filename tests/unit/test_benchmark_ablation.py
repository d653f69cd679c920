"""The study of design choices never sees test cells, changes one thing, and keeps its results."""

import json
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(SCRIPTS))

from ablation import missing_jobs  # noqa: E402
from ablations import class_queries, published  # noqa: E402
from ablations.inner import CONTROL, Inner, inner_split  # noqa: E402
from ablations.measure import measured, rung_scores  # noqa: E402
from ablations.model import StudiedTGEM, fit_network  # noqa: E402
from ablations.report import mean_and_spread, report  # noqa: E402
from ablations.variants import CLASS_QUERIES, LINEAR, PAPER, REFERENCE, variants  # noqa: E402
from cell_types.data import DATA, Cells  # noqa: E402
from cell_types.measure import read_records  # noqa: E402
from cell_types.splits import make_split  # noqa: E402
from cell_types.transformers import as_adata  # noqa: E402
from cell_typing import Job  # noqa: E402

from tgem.model.tgem._module import TGEMModule  # noqa: E402
from tgem.nn.swapped_attention import RUNGS, attention_sites  # noqa: E402


def run_quickly(folder):
    command = [sys.executable, "-W", "error", str(SCRIPTS / "ablation.py")]
    command += ["--quick", "--out", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    run_quickly(folder)
    return folder


@pytest.fixture
def inner(generator):
    """Three classes that five of 30 genes each tell apart; the first class has most cells."""
    labels = np.repeat(["a", "b", "c"], [60, 20, 20])
    expression = generator.poisson(1.0, (100, 30)).astype(np.float32)
    for i, name in enumerate("abc"):
        expression[labels == name, i * 5 : i * 5 + 5] += 3
    genes = np.array([f"gene{i}" for i in range(30)])
    cells = Cells(np.log1p(expression), None, labels, np.arange(100).astype(str), genes)
    held = np.arange(100) % 4 == 0
    return Inner(cells[np.flatnonzero(~held)], cells[np.flatnonzero(held)])


# -- cells ----------------------------------------------------------------------------------


def test_test_cells_of_the_benchmark_are_left_alone():
    cells = DATA["synthetic"].read()
    for number in range(3):
        inner = inner_split("synthetic", number)
        outer = make_split(cells.labels, cells.groups, number)
        trained, held = (set(part.groups) for part in inner)
        assert not trained & held
        assert trained | held == set(cells.groups[outer.train])
        assert len(held) == pytest.approx(0.2 * len(outer.train), abs=1)


def test_the_control_tells_classes_apart_by_products_only():
    inner = inner_split(CONTROL, 0)
    assert len(inner.train.labels) + len(inner.held.labels) == 3000
    assert inner.checksum() != inner_split(CONTROL, 1).checksum()
    few = Inner(inner.train[np.arange(600)], inner.held)
    linear = measured(few, variants()["linear_start"], 0)
    assert linear["accuracy"] < 1 / len(set(inner.held.labels)) + 0.07


# -- variants -------------------------------------------------------------------------------


# One of each kind: the others differ in a number only.
KINDS = [name for name, each in variants().items() if each.network or each.n_members > 1]
KINDS += ["logistic_regression", "linear_start", REFERENCE, PAPER, "paper_adamw"]
START_ANEW = {"descended_levels", "softmax_queries"}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_runs_and_is_scored(inner, name):
    variant = variants()[name]
    record = measured(inner, replace(variant, training=variant.training | {"max_epochs": 1}), 0)
    assert record["n_held"] == 25
    assert 0 <= record["accuracy"] <= 1
    if variant.fit is fit_network:
        assert set(record["ladder"]) == set(RUNGS)
        own, mean = (record["ladder"][rung]["accuracy"] for rung in ("own", "mean"))
        assert record["cell_specific"] == pytest.approx(own - mean)
    if variant.family == CLASS_QUERIES and name not in START_ANEW:
        assert record["accuracy"] > 0.7  # it starts as a linear classifier
    json.dumps(record)


@pytest.mark.parametrize("name", [n for n, each in variants().items() if each.fit is fit_network])
def test_every_network_can_be_made(inner, name):
    adata = as_adata(inner.train)
    adata.obs["label"] = inner.train.labels
    StudiedTGEM.setup_anndata(adata, labels_key="label")
    variant = variants()[name]
    module = StudiedTGEM(adata, variant).module
    assert module(torch.rand(2, 30)).shape == (2, 3)
    attention = {site.query.shape[0] for site in attention_sites(module) if hasattr(site, "query")}
    if "n_heads" in variant.options and attention:
        assert attention == {variant.options["n_heads"]}


def test_variants_are_compared_with_their_kind():
    found = variants()
    for name, variant in found.items():
        assert variant.base in {REFERENCE, PAPER, "linear_start"}
        assert variant.base != "linear_start" or variant.family == LINEAR
        if name not in {REFERENCE, PAPER}:
            assert variant.key() != found[variant.base].key()
    assert len({variant.key() for variant in found.values()}) == len(found)


def test_networks_with_nothing_changed_are_the_published_one():
    sizes, options = (12, 3), {"n_layers": 2, "n_heads": 2, "dropout": 0.3}
    expression = torch.rand(5, 12)
    ours = TGEMModule(*sizes, **options).eval()
    same = {
        published.LargerEps: {"eps": 1e-6},
        published.LargerLogits: {"factor": 1.0},
        published.GeneDropout: {"share": 0.2},  # acts in training only
        published.NormBeforeDropout: {},
        published.StandardizedTGEM: {},  # not standardised yet
        published.BalancedTGEM: {},
    }
    for network, changed in same.items():
        other = network(*sizes, **options, **changed).eval()
        other.load_state_dict(ours.state_dict(), strict=False)
        assert torch.allclose(other(expression), ours(expression), atol=1e-5), network


def test_keys_see_the_cell_only_where_they_should():
    cells = torch.randn(4, 10)
    attention = class_queries.CellKeyAttention(10, 2)
    torch.nn.init.ones_(attention.slope)
    assert attention.maps(cells).k.std(0).min() > 0
    torch.nn.init.zeros_(attention.slope)
    assert attention.maps(cells).k.std(0).max() == 0


def test_classes_of_any_size_weigh_the_same():
    network = published.BalancedTGEM(4, 2, n_layers=1, n_heads=1, dropout=0.0)
    network.set_class_sizes(torch.tensor([30, 10]))
    logits, targets = torch.randn(40, 2), torch.tensor([0] * 30 + [1] * 10)
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    expected = (losses[:30].mean() + losses[30:].mean()) / 2
    assert network.loss(logits, targets) == pytest.approx(float(expected), rel=1e-5)


# -- scores and the command -----------------------------------------------------------------


def test_scores_of_known_probabilities():
    import pandas as pd

    table = pd.DataFrame(np.log([[0.75, 0.25], [0.5, 0.5], [0.2, 0.8]]), columns=["a", "b"])
    found = rung_scores(np.array(["a", "b", "b"]), table)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["log_likelihood"] == pytest.approx(np.log([0.75, 0.5, 0.8]).mean())


def test_spread_is_that_of_splits():
    assert mean_and_spread([1.0, 3.0]) == {"mean": 2.0, "sd": pytest.approx(2**0.5), "n_splits": 2}
    assert mean_and_spread([1.0])["sd"] is None
    assert mean_and_spread([1.0, None]) is None


def test_writes_a_table_of_paired_differences(quick_run):
    records = read_records(quick_run / "ablation" / "synthetic.jsonl")
    found = {(record["variant"], record["split"]): record for record in records}
    assert set(found) == {(name, i) for name in ("linear_start", "default") for i in (0, 1)}
    table = json.loads((quick_run / "ablation.json").read_text())["data"]["synthetic"]["variants"]
    difference = table["linear_start"]["difference"]["log_likelihood"]
    each = [
        found["linear_start", i]["log_likelihood"] - found["default", i]["log_likelihood"]
        for i in (0, 1)
    ]
    assert difference["mean"] == pytest.approx(np.mean(each))
    assert difference["sd"] == pytest.approx(np.std(each, ddof=1))
    assert "difference" not in table["default"]
    assert table["linear_start"]["cell_specific"] is None


def test_only_what_is_missing_is_measured(quick_run, tmp_path):
    lines = (quick_run / "ablation" / "synthetic.jsonl").read_text().splitlines()
    checksums = json.loads((quick_run / "ablation" / "splits.json").read_text())
    chosen = {name: variants()[name] for name in ("linear_start", "default")}
    options = Namespace(data=["synthetic"], splits=2, redo=False)
    assert missing_jobs(checksums, chosen, options, quick_run / "ablation") == []
    # killed in the middle of a line
    (tmp_path / "synthetic.jsonl").write_text("\n".join(lines[:3]) + "\n" + lines[3][:40])
    assert missing_jobs(checksums, chosen, options, tmp_path) == [Job("synthetic", "default", (1,))]
    options.redo = True
    assert [job.splits for job in missing_jobs(checksums, chosen, options, tmp_path)] == [
        (0, 1)
    ] * 2
    options.data = ["facs1000"]
    cheap = {"heads_4": variants()["heads_4"]}
    assert missing_jobs({"facs1000": {}}, cheap, options, tmp_path) == []  # takes no part there


def test_results_of_other_settings_do_not_count(quick_run):
    folder = quick_run / "ablation"
    checksums = json.loads((folder / "splits.json").read_text())
    changed = variants()
    changed[REFERENCE] = replace(changed[REFERENCE], options={"n_heads": 3})
    assert list(report(folder, checksums, changed)["data"]["synthetic"]["variants"]) == [
        "linear_start"
    ]
    assert report(folder, {"synthetic": {"0": "of other cells"}}, variants())["data"] == {}
