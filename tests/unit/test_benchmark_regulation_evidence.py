"""The benchmark of regulators against CLIP runs, and its table holds what it says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import RegulationWarning

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# mudata announces changes of its own
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:mudata")]
BASELINES = {
    "n_isoforms",
    "gene_expression",
    "factor_expression",
    "gene_correlation",
    "isoform_correlation",
}


def test_quick_run(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "regulation_evidence.py"), "--quick"]
    command += ["--seeds", "1", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "regulation_evidence.json").read_text())
    check(result, n_seeds=1)
    assert {found["n_factors"] for found in result["factors"].values()} == {6}


def every_score(result):
    return [rows for found in result["factors"].values() for rows in found["scores"].values()]


def check(result, n_seeds):
    assert set(result["factors"]) == {"splicing_factor", "rbp"}
    for found in result["factors"].values():
        assert set(found["scores"]) == {"usage, rms", "usage, max", "sigmoid, max"}
    for rows in every_score(result):
        assert [row["seed"] for row in rows] == list(range(n_seeds))
        for row in rows:
            table = pd.DataFrame(row["table"])
            assert set(table["measure"]) == BASELINES | {"score"}
            area = table.loc[table["level"] == "within_gene"].set_index("measure")["auc"]
            assert area["n_isoforms"] == 0.5
            assert row["reading"].capitalize() in row["verdict"]


def test_kept_result():
    result = json.loads((BENCHMARKS / "results" / "regulation_evidence.json").read_text())
    check(result, n_seeds=3)
    for rows in every_score(result):
        assert {row["n_positive"] for row in rows} == {rows[0]["n_positive"]}


def test_real_evidence_runs_with_every_baseline(shared_data):
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from regulation_evidence import bound, macrophages
    finally:
        sys.path.remove(str(BENCHMARKS))
    evidence = bound()
    assert len(evidence) == 446
    mdata = macrophages(evidence.index)
    genes = mdata["gene"].var_names[mdata["gene"].var_names.isin(evidence.index)]
    noise = np.random.default_rng(0).normal(size=(len(genes), evidence.shape[1]))
    scores = pd.DataFrame(noise, genes, evidence.columns)
    with pytest.warns(RegulationWarning, match="No better than chance"):
        tgem.tl.evaluate_regulation(
            mdata, evidence, scores=scores, with_evidence=True, n_permutations=99, n_bootstrap=20
        )
    table = mdata.uns["deepsf_regulation_evaluation"].set_index(["measure", "level"])
    assert set(table.index.get_level_values(0)) == BASELINES | {"score"}
    # bound RNAs are expressed ones: what any score has to beat
    assert table.loc[("gene_expression", "all"), "auc"] > 0.6
