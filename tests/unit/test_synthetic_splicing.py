"""The simulated isoforms keep what their description says."""

import mudata
import numpy as np
import pandas as pd
import pytest

from tgem.datasets import synthetic_splicing

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
SIZES = {"n_obs": 60, "n_factors": 8, "n_isoforms": 200}


def test_same_seed_same_data_other_seed_others():
    first, second, third = (synthetic_splicing(**SIZES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["isoform"].X, second["isoform"].X)
    pd.testing.assert_frame_equal(
        first.uns["synthetic_splicing_truth"], second.uns["synthetic_splicing_truth"]
    )
    assert not np.array_equal(first["isoform"].X, third["isoform"].X)


def test_genes_are_the_sums_of_their_isoforms():
    mdata = synthetic_splicing(**SIZES)
    isoform, gene = mdata["isoform"], mdata["gene"]
    for values, sums in ((isoform.X, gene.X), (isoform.layers["counts"], gene.layers["counts"])):
        expected = pd.DataFrame(values.T).groupby(isoform.var["gene_id"].to_numpy()).sum()
        np.testing.assert_allclose(expected.loc[gene.var_names].T, sums, rtol=1e-4, atol=1e-4)
    assert isoform.var["gene_id"].value_counts()[gene.var_names].tolist() == (
        gene.var["n_isoforms"].tolist()
    )


def test_edges_switch_between_isoforms_of_one_gene():
    mdata = synthetic_splicing(**SIZES)
    truth = mdata.uns["synthetic_splicing_truth"]
    factors = mdata["gene"].var_names[mdata["gene"].var["splicing_factor"]]
    assert set(truth["source"]) <= set(factors)
    np.testing.assert_array_equal(
        mdata["isoform"].var.loc[truth["target"], "gene_id"], truth["gene"]
    )
    pairs = truth.groupby(["source", "gene"])["weight"]
    assert (pairs.size() == 2).all()
    assert (pairs.sum().abs() < 1e-12).all()


def test_truth_survives_a_file(tmp_path):
    mdata = synthetic_splicing(**SIZES)
    mdata.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")
    truth = read.uns["synthetic_splicing_truth"]
    matrix = truth.pivot_table(values="weight", index="source", columns="target", fill_value=0)
    assert np.count_nonzero(matrix) == len(mdata.uns["synthetic_splicing_truth"])


def test_confounding_ties_factors_to_other_genes():
    def correlation(confounded):
        mdata = synthetic_splicing(
            n_obs=400, n_factors=20, n_isoforms=300, confounded=confounded, seed=4
        )
        treated = (mdata.obs["condition"] == "treated").to_numpy()
        levels = np.log2(1 + mdata["gene"].X[treated])
        return np.abs(np.corrcoef(levels.T)[:20, 20:]).mean()

    assert correlation(True) > 1.5 * correlation(False)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_obs": 3},
        {"n_factors": 0},
        {"n_factors": 2.5},
        {"n_isoforms": 9},
        {"effect": -1},
        {"mean_count": 0},
        {"seed": -1},
    ],
)
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        synthetic_splicing(**(SIZES | arguments))
