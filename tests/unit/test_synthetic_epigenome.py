"""The simulated epigenome plants what it says, and simple tools find it."""

import mudata
import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tgem.datasets import synthetic_epigenome

pytestmark = pytest.mark.filterwarnings("ignore:From 0.4 .update:FutureWarning")
SMALL = {"n_bins": 12, "max_cpg": 10, "n_factors": 12, "n_marks": 3}


@pytest.fixture(scope="module")
def simulated():
    return synthetic_epigenome(2000, ("A", "B", "C"), seed=2)


def correlations(values, outcome):
    """Absolute rank correlation of each column with the outcome."""
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    target = rankdata(outcome) - (len(outcome) + 1) / 2
    norm = np.sqrt((ranks**2).sum(axis=0) * (target**2).sum())
    return np.abs(ranks.T @ target) / np.maximum(norm, 1e-12)


def near_methylation(mdata):
    """Mean methylation of the CpGs that count; missing where there are none."""
    modality = mdata["methylation"]
    near = modality.layers["causal"]
    total = np.where(near, np.nan_to_num(modality.X), 0).sum(axis=1)
    return np.where(near.any(axis=1), total / np.maximum(near.sum(axis=1), 1), np.nan)


def binding(mdata, factor):
    return mdata["tf"].X[:, mdata["tf"].var_names.get_loc(f"{factor}|binding")]


class TestStructure:
    def test_layout(self):
        mdata = synthetic_epigenome(30, ("x", "y"), n_factor_features=5, **SMALL)
        assert mdata.shape == (60, 3 * 12 + 2 * 10 + 12 * 5)
        assert mdata.obs_names[[0, 30]].tolist() == ["GENE0001|x", "GENE0001|y"]
        histone, methylation, tf = (mdata[name] for name in ("histone", "methylation", "tf"))
        assert histone.X.dtype == methylation.X.dtype == tf.X.dtype == np.float32
        assert histone.var.groupby("mark")["bin"].agg(list).tolist() == [list(range(12))] * 3
        assert methylation.var["feature"].tolist() == ["methylation", "position"] * 10
        assert tf.var["feature"].unique().tolist() == [
            "binding", "motif", "expression", "noise_1", "noise_2",
        ]  # fmt: skip
        for table in (mdata.obs, histone.obs, methylation.obs, tf.obs):
            assert {"gene_id", "cell_type", "expression", "high", "chrom"} <= set(table)
            assert table["gene_id"].str.cat(table["cell_type"].astype(str), sep="|").tolist() == (
                mdata.obs_names.tolist()
            )

    def test_counts_are_whole_and_overdispersed(self, simulated):
        histone = simulated["histone"]
        assert (histone.X >= 0).all()
        assert (np.mod(histone.X, 1) == 0).all()
        assert (histone.X.var(axis=0) > 1.2 * histone.X.mean(axis=0)).all()

    def test_cpgs_are_padded_sorted_and_the_same_in_all_cell_types(self, simulated):
        modality = simulated["methylation"]
        values = modality.X.reshape(modality.n_obs, -1, 2)
        n_cpg = modality.obs["n_cpg"].to_numpy()
        present = np.arange(values.shape[1]) < n_cpg[:, None]
        assert np.array_equal(np.isfinite(values), np.repeat(present[..., None], 2, axis=2))
        assert 0 in n_cpg
        fraction, position = values[..., 0][present], values[..., 1][present]
        assert ((fraction >= 0) & (fraction <= 1)).all()
        assert ((position >= -1) & (position <= 1)).all()
        steps = np.diff(values[..., 1], axis=1)
        assert (steps[np.isfinite(steps)] >= 0).all()
        first, second, _ = np.split(values[..., 1], 3)
        np.testing.assert_array_equal(first, second)

    def test_causal_cpgs_are_those_near_the_start(self, simulated):
        modality, (low, high) = simulated["methylation"], simulated.uns["truth"]["cpg_region"]
        position = modality.X[:, 1::2]
        near = (position > low) & (position < high)
        np.testing.assert_array_equal(modality.layers["causal"][:, 0::2], near)
        assert not modality.layers["causal"][:, 1::2].any()
        assert near.sum() < 0.5 * modality.obs["n_cpg"].sum()

    def test_high_is_above_the_median_of_the_cell_type(self, simulated):
        for _, rows in simulated.obs.groupby("cell_type", observed=True):
            expected = rows["expression"] > rows["expression"].median()
            assert (rows["high"] == expected.astype(int)).all()

    def test_same_seed_same_data(self):
        first, second, other = (synthetic_epigenome(20, seed=seed, **SMALL) for seed in (1, 1, 2))
        for name in first.mod:
            np.testing.assert_array_equal(first[name].X, second[name].X)
        assert first.obs.equals(second.obs)
        assert not np.array_equal(first["tf"].X, other["tf"].X)

    def test_round_trip(self, tmp_path):
        mdata = synthetic_epigenome(20, missing={"tf": 0.5}, **SMALL)
        mdata.write(tmp_path / "epigenome.h5mu")
        read = mudata.read_h5mu(tmp_path / "epigenome.h5mu")
        assert read.obs_names.equals(mdata.obs_names)
        for name in mdata.mod:
            np.testing.assert_array_equal(read[name].X, mdata[name].X)
        effects = mdata.uns["truth"]["effects"]
        assert read.uns["truth"]["effects"].astype(str).equals(effects.astype(str))
        assert read.uns["synthetic_epigenome"]["missing"] == {"tf": 0.5}

    @pytest.mark.parametrize("smallest", [{"n_bins": 3}, {"n_marks": 2}, {"max_cpg": 1}])
    def test_smallest_sizes(self, smallest):
        mdata = synthetic_epigenome(10, ("x",), **SMALL | {"n_factors": 6} | smallest)
        causal = mdata["histone"].var.groupby("mark")["causal"].sum()
        assert (causal[["H3K4me3", "H3K27me3"]] > 0).all()
        assert (mdata.obs["specific_to"] == "").all()


class TestMissing:
    def test_rows_are_absent_and_the_others_unchanged(self):
        whole = synthetic_epigenome(100, seed=5, **SMALL)
        part = synthetic_epigenome(100, missing={"tf": 0.5, "histone": 0.2}, seed=5, **SMALL)
        assert part.obs_names.equals(whole.obs_names)
        assert part.obs.equals(whole.obs)
        assert part["methylation"].n_obs == 200
        for name, share in (("tf", 0.5), ("histone", 0.2)):
            kept = part[name]
            assert kept.n_obs == 200 * (1 - share)
            assert (kept.obs["gene_id"].value_counts() == 2).all()
            np.testing.assert_array_equal(kept.X, whole[name][kept.obs_names].X)

    def test_no_gene_loses_everything(self):
        missing = {"histone": 0.9, "methylation": 0.9, "tf": 0.9}
        mdata = synthetic_epigenome(50, missing=missing, **SMALL)
        assert mdata.n_obs == 100


class TestTruth:
    def test_the_best_prediction_is_good_but_not_perfect(self, simulated):
        for _, rows in simulated.obs.groupby("cell_type", observed=True):
            assert 0.9 < roc_auc_score(rows["high"], rows["expected_expression"]) < 0.96

    def test_planted_bins_correlate_most(self, simulated):
        histone = simulated["histone"]
        found = correlations(histone.X, simulated.obs["expression"])
        causal = histone.var["causal"].to_numpy()
        assert found[causal].min() > found[~causal].max()

    def test_only_the_planted_bins_explain_the_noiseless_expression(self, simulated):
        """A mark that merely follows openness says nothing beside the causes."""
        histone, rng = simulated["histone"], np.random.default_rng(0)
        values = np.log1p(histone.X)
        causes = [
            values[:, (histone.var["causal"] & (histone.var["mark"] == mark)).to_numpy()].mean(1)
            for mark in ("H3K4me3", "H3K27me3")
        ]
        decoy = values[:, (histone.var["mark"] == "H3K27ac").to_numpy()].mean(axis=1)
        outcome = simulated.obs["expected_expression"].to_numpy()
        shares = []
        for extra in (rng.normal(size=len(decoy)), decoy):
            design = np.column_stack([np.ones_like(decoy), *causes, extra])
            rest = outcome - design @ np.linalg.lstsq(design, outcome, rcond=None)[0]
            shares.append(1 - rest.var() / outcome.var())
        assert shares[0] > 0.4
        assert shares[1] - shares[0] < 0.02

    def test_methylation_near_the_start_represses_more_in_the_first_cell_type(self, simulated):
        level, rows = near_methylation(simulated), np.split(np.arange(simulated.n_obs), 3)
        known = np.isfinite(level)
        outcome = simulated.obs["expected_expression"].to_numpy()
        slopes = [np.polyfit(level[i][known[i]], outcome[i][known[i]], 1)[0] for i in rows]
        assert slopes[0] < 1.3 * slopes[1] < 0
        far = np.where(
            simulated["methylation"].layers["causal"], np.nan, simulated["methylation"].X
        )
        distant = np.nanmean(np.column_stack([far[:, ::2], np.zeros(len(far))]), axis=1)
        assert correlations(distant[:, None], outcome)[0] < 0.1

    def test_planted_factors_have_the_largest_coefficients(self, simulated):
        effects = simulated.uns["truth"]["effects"]
        tf = simulated["tf"]
        bound = (tf.var["feature"] == "binding").to_numpy()
        values = tf.X[:, bound] - tf.X[:, bound].mean(axis=0)
        histone = simulated["histone"]
        marks = np.log1p(histone.X[:, histone.var["causal"].to_numpy()])
        design = np.column_stack([np.ones(len(values)), marks, values])
        fit = np.linalg.lstsq(design, simulated.obs["expected_expression"], rcond=None)[0]
        size = np.abs(fit[-values.shape[1] :])
        planted = tf.var["causal"].to_numpy()[bound]
        assert set(tf.var.loc[tf.var["causal"], "factor"]) == set(
            effects.loc[effects["modality"] == "tf", "name"]
        )
        assert size[planted].min() > np.quantile(size[~planted], 0.98)

    def test_one_factor_works_only_where_the_promoter_is_unmethylated(self, simulated):
        effects = simulated.uns["truth"]["effects"]
        gated = effects.loc[effects["condition"] != "", "name"].unique()
        assert len(gated) == 1
        values, level = binding(simulated, gated[0]), near_methylation(simulated)
        outcome = simulated.obs["expected_expression"].to_numpy()
        slope = [
            np.polyfit(values[chosen], outcome[chosen], 1)[0]
            for chosen in (level < 0.4, level >= 0.4)
        ]
        assert slope[0] > 3 * abs(slope[1])

    def test_specific_genes_differ_by_their_mark_in_their_cell_type(self, simulated):
        histone, obs = simulated["histone"], simulated.obs
        for mark, sign in (("H3K4me3", 1), ("H3K27me3", -1)):
            bins = (histone.var["causal"] & (histone.var["mark"] == mark)).to_numpy()
            level = np.log1p(histone.X[:, bins]).mean(axis=1).reshape(3, -1)
            genes = obs.iloc[: level.shape[1]]
            code = genes["specific_to"].map({"A": 0, "B": 1, "C": 2}).to_numpy()
            for number in range(3):
                others = np.delete(level, number, axis=0).mean(axis=0)
                gain = sign * (level[number] - others)
                by_mark = (genes["specific_by"] == mark).to_numpy()
                assert roc_auc_score((code == number) & by_mark, gain) > 0.95

    def test_shuffled_labels_leave_nothing(self, simulated):
        histone, rng = simulated["histone"], np.random.default_rng(0)
        values = np.log1p(histone.X[:, histone.var["causal"].to_numpy()])
        test = rng.random(len(values)) < 0.3
        high = simulated.obs["high"].to_numpy()
        found = []
        for labels in (high, rng.permutation(high)):
            fit = LogisticRegression(max_iter=500).fit(values[~test], labels[~test])
            found.append(roc_auc_score(labels[test], fit.decision_function(values[test])))
        assert found[0] > 0.8
        assert abs(found[1] - 0.5) < 0.06


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_genes": 5}, "`n_genes` to be at least 10"),
            ({"n_bins": 2.0}, "`n_bins` to be a whole number"),
            ({"n_factors": 4}, "`n_factors` to be at least 5"),
            ({"cell_types": ("A", "A")}, "different names"),
            ({"cell_types": ("A|B",)}, "without '|'"),
            ({"missing": {"atac": 0.5}}, "'histone', 'methylation', 'tf'"),
            ({"missing": {"tf": 1.0}}, "below 1"),
        ],
    )
    def test_says_what_was_expected(self, arguments, message):
        with pytest.raises(ValueError, match=message.replace("|", r"\|")):
            synthetic_epigenome(**arguments)
