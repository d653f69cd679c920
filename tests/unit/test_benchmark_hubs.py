"""The benchmark of hubs runs, and compares halves and markers as it says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(SCRIPTS))

from gene_hubs.cells import LABELS, halves, simulated_cells  # noqa: E402
from gene_hubs.tables import agreement, of_type  # noqa: E402


def cells(strengths):
    """Cells with the hubs of one type, whose strengths are given by gene."""
    genes = pd.Index(list(strengths))
    adata = AnnData(np.ones((4, len(genes)), np.float32), var=pd.DataFrame(index=genes))
    adata.obs[LABELS] = pd.Categorical(["B"] * 4)
    table = pd.DataFrame({"gene": genes, "strength": list(strengths.values())})
    ranked = table[table["strength"] > 0].assign(**{"class": "B", "degree": 1})
    ranked["rank"] = ranked["strength"].rank(ascending=False)
    adata.uns["tgem_hubs"] = ranked.assign(p_value=0.5, fdr=[0.01] + [0.5] * (len(ranked) - 1))
    return adata


def test_halves_have_no_common_cell_and_equal_shares():
    adata = simulated_cells()
    one, other = halves(adata, seed=0)
    assert not set(one.obs_names) & set(other.obs_names)
    assert one.n_obs + other.n_obs == adata.n_obs
    counts = one.obs[LABELS].value_counts()
    assert abs(counts - other.obs[LABELS].value_counts()).max() <= 1


def test_agreement_counts_shared_hubs():
    one = cells({"A": 3.0, "B": 2.0, "C": 0.0})
    other = cells({"A": 3.0, "C": 2.0, "B": 0.0})
    (row,) = agreement(one, other)
    assert (row["shared_of_largest"], row["n_in_either"]) == (1, 3)
    assert agreement(one, one)[0]["rank_correlation"] == pytest.approx(1)


def test_markers_are_counted_among_largest_and_significant():
    found = of_type(cells({"A": 3.0, "B": 2.0, "C": 0.0}), "B", {"B", "C", "X"})
    assert found["significant"] == ["A"]
    assert found["markers"]["n_known"] == 2
    assert found["markers"]["among_largest"] == ["B"]
    assert found["markers"]["among_significant"] == []


def test_quick_run_writes_every_part(tmp_path):
    command = [sys.executable, str(SCRIPTS / "hubs.py"), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "hubs.json").read_text())
    assert len(result["stability"]["attention_gain"]) == 2
    assert len(result["halves"]["attention_gain"]) == 2
    for found in result["types"].values():
        assert all(0 < row["p_value"] <= 1 for row in found["largest"])
    for frequencies in result["stability"]["frequency_of_largest_hubs"].values():
        assert all(0 <= value <= 1 for value in frequencies)
