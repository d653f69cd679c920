"""Genes specific to a cell type are found, with the marks and gene sets that distinguish them."""

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import false_discovery_control
from sklearn.metrics import roc_auc_score

from tgem import pl, tl
from tgem._core.mudata_compat import columns_stay
from tgem.datasets import synthetic_epigenome

pytestmark = pytest.mark.filterwarnings("ignore:From 0.4 .update:FutureWarning")


def predicted(mdata, noise=0.0, seed=0):
    """Stand-in for a model: the probability of high expression, with errors."""
    errors = np.random.default_rng(seed).normal(scale=noise, size=mdata.n_obs)
    mdata.obs["epi_prediction"] = expit(mdata.obs["expected_expression"] - 4 + errors)
    return mdata


@pytest.fixture(scope="module")
def source():
    return predicted(synthetic_epigenome(600, ("B", "A", "C"), seed=1), noise=0.5)


@pytest.fixture
def mdata(source):
    with columns_stay():
        return source.copy()


@pytest.fixture
def by_hand():
    """Three genes in three cell types, worked out by hand."""
    values = {"x": (0.9, 0.1, 0.2), "y": (0.5, 0.4, 0.8), "z": (0.3, 0.3, np.nan)}
    rows = [
        (gene, label, value)
        for gene, row in values.items()
        for label, value in zip(("b", "a", "c"), row, strict=True)
    ]
    obs = pd.DataFrame(rows, columns=["gene_id", "cell_type", "epi_prediction"])
    obs["cell_type"] = pd.Categorical(obs["cell_type"], categories=["b", "a", "c"])
    obs.index = [f"{gene}|{label}" for gene, label, _ in rows]
    return ad.AnnData(np.zeros((9, 2), dtype=np.float32), obs=obs)


class TestSpecificity:
    @pytest.mark.parametrize(
        ("against", "expected"),
        [
            ("max", [0.7, -0.8, -0.7, -0.3, -0.4, 0.3, 0.0, 0.0, np.nan]),
            ("mean", [0.75, -0.45, -0.3, -0.1, -0.25, 0.35, 0.0, 0.0, np.nan]),
        ],
    )
    def test_scores_by_hand(self, by_hand, against, expected):
        tl.cell_type_specific_genes(by_hand, against=against)
        np.testing.assert_allclose(by_hand.obs["epi_specificity"], expected, atol=1e-6)
        genes = by_hand.uns["epi_specific_genes"]
        assert genes[["cell_type", "gene", "rank"]].to_numpy().tolist() == [
            ["b", "x", 1],
            ["c", "y", 1],
        ]

    def test_order_of_observations_does_not_matter(self, by_hand):
        shuffled = by_hand[[5, 0, 7, 2, 8, 1, 3, 6, 4]].copy()
        for adata in (by_hand, shuffled):
            tl.cell_type_specific_genes(adata, min_score=0.0)
        pd.testing.assert_frame_equal(
            by_hand.uns["epi_specific_genes"], shuffled.uns["epi_specific_genes"]
        )
        pd.testing.assert_series_equal(
            by_hand.obs["epi_specificity"],
            shuffled.obs["epi_specificity"].loc[by_hand.obs_names],
        )

    def test_measured_expression_must_agree(self, by_hand):
        by_hand.obs["rna"] = [1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 1.0, 1.0, 1.0]
        tl.cell_type_specific_genes(by_hand, expression_key="rna")
        genes = by_hand.uns["epi_specific_genes"]
        assert genes["gene"].tolist() == ["y"]
        assert genes["expression_score"].tolist() == [3.0]

    def test_min_score_is_the_smallest_of_the_group(self, mdata):
        for least in (0.1, 0.6):
            tl.cell_type_specific_genes(mdata, min_score=least)
            genes, scores = mdata.uns["epi_specific_genes"], mdata.obs["epi_specificity"]
            assert genes["score"].min() >= least
            assert len(genes) == (scores >= least).sum()
            for _, rows in genes.groupby("cell_type"):
                assert rows["score"].is_monotonic_decreasing
                assert rows["rank"].tolist() == list(range(1, len(rows) + 1))

    def test_planted_genes_are_recovered(self, mdata):
        tl.cell_type_specific_genes(mdata)
        for label, rows in mdata.obs.groupby("cell_type", observed=True):
            truth = rows["specific_to"] == label
            assert roc_auc_score(truth, rows["epi_specificity"]) > 0.9

    def test_shuffled_predictions_recover_nothing(self, mdata):
        rng = np.random.default_rng(0)
        mdata.obs["epi_prediction"] = rng.permutation(mdata.obs["epi_prediction"])
        tl.cell_type_specific_genes(mdata)
        for label, rows in mdata.obs.groupby("cell_type", observed=True):
            truth = rows["specific_to"] == label
            assert abs(roc_auc_score(truth, rows["epi_specificity"]) - 0.5) < 0.15
        assert not (mdata.uns["epi_specific_marks"]["fdr"] < 0.01).any()


class TestMarks:
    @pytest.mark.parametrize("contrast", ["other cell types", "other genes"])
    def test_the_planted_marks_distinguish_the_groups(self, mdata, contrast):
        tl.cell_type_specific_genes(mdata, expression_key="expression")
        table = mdata.uns["epi_specific_marks"]
        table = table[table["contrast"] == contrast]
        for _, rows in table.groupby("cell_type"):
            effect = rows.set_index("mark")["effect"]
            assert effect.idxmax() == "H3K4me3"
            assert effect.idxmin() == "H3K27me3"
            fdr = rows.set_index("mark")["fdr"]
            # Other genes differ among themselves, and so say less than the same ones elsewhere.
            if contrast == "other cell types":
                assert (fdr[["H3K4me3", "H3K27me3"]] < 0.01).all()
        assert table["cell_type"].unique().tolist() == ["B", "A", "C"]
        assert table["mark"].nunique() == 8  # with methylation

    def test_rates_are_adjusted_within_a_contrast(self, mdata):
        tl.cell_type_specific_genes(mdata)
        for _, rows in mdata.uns["epi_specific_marks"].groupby("contrast"):
            np.testing.assert_allclose(rows["fdr"], false_discovery_control(rows["p_value"]))

    def test_deeper_sequencing_of_a_cell_type_is_no_difference(self, mdata):
        tl.cell_type_specific_genes(mdata)
        before = mdata.uns["epi_specific_marks"]
        log_reads = np.log1p(mdata["histone"].X.reshape(mdata.n_obs, 7, 40).mean(axis=2))
        deeper = log_reads + 2.0 * (mdata.obs["cell_type"] == "A").to_numpy()[:, None]
        names = mdata["histone"].var["mark"].unique()
        adata = ad.AnnData(
            np.expm1(deeper), obs=mdata.obs, var=pd.DataFrame({"mark": names}, index=names)
        )
        tl.cell_type_specific_genes(adata)
        after = adata.uns["epi_specific_marks"]
        before = before[before["mark"] != "methylation"].reset_index(drop=True)
        np.testing.assert_allclose(after["effect"], before["effect"], atol=1e-4)

    def test_missing_rows_are_left_out(self):
        mdata = predicted(synthetic_epigenome(300, missing={"histone": 0.5}, seed=3))
        tl.cell_type_specific_genes(mdata)
        table = mdata.uns["epi_specific_marks"]
        table = table[table["contrast"] == "other genes"].set_index(["cell_type", "mark"])
        here = set(mdata["histone"].obs["gene_id"])
        for label, rows in mdata.uns["epi_specific_genes"].groupby("cell_type"):
            assert table.loc[(label, "H3K4me3"), "n_genes"] == rows["gene"].isin(here).sum()

    def test_data_without_marks_give_an_empty_table(self, by_hand):
        tl.cell_type_specific_genes(by_hand)
        assert by_hand.uns["epi_specific_marks"].empty

    def test_too_few_genes_are_not_tested(self, mdata):
        tl.cell_type_specific_genes(mdata, min_score=0.999)
        table = mdata.uns["epi_specific_marks"]
        assert table[["effect", "auroc", "p_value", "fdr"]].isna().all(axis=None)


class TestEnrichment:
    def test_gene_sets_of_the_planted_genes_are_enriched(self, mdata):
        rows = mdata.obs.iloc[:600]
        sets = {
            f"regulated in {label}": rows.loc[rows["specific_to"] == label, "gene_id"].tolist()
            for label in "ABC"
        } | {"others": rows.loc[rows["specific_to"] == "", "gene_id"].tolist()[:40]}
        tl.cell_type_specific_genes(mdata, gene_sets=sets)
        table = mdata.uns["epi_enrichment"]
        best = table.groupby("class").first()["Term"]
        assert best.to_dict() == {label: f"regulated in {label}" for label in "ABC"}
        assert (table.groupby("class")["Adjusted P-value"].min() < 1e-6).all()
        assert (table["source"] == "cell_type_specific_genes").all()
        axes = pl.enrich(mdata, key_added="epi", show=False)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["B", "A", "C"]
        plt.close("all")


class TestSlots:
    def test_copy_leaves_the_data_alone(self, mdata):
        before = list(mdata.obs.columns)
        copied = tl.cell_type_specific_genes(mdata, key_added="run", copy=True,
                                             prediction_key="epi_prediction")  # fmt: skip
        assert list(mdata.obs.columns) == before
        assert not any(key.startswith("run") for key in mdata.uns)
        assert "run_specificity" in copied.obs
        assert {"run_specific_genes", "run_specific_marks"} <= set(copied.uns)

    def test_provenance(self, mdata):
        tl.cell_type_specific_genes(mdata, min_score=0.3)
        params = mdata.uns["epi_specific_genes_params"]
        assert params["prediction_key"] == "epi_prediction"
        assert params["min_score"] == 0.3
        assert params["n_genes"] == 600
        assert params["cell_types"].tolist() == ["B", "A", "C"]
        assert "expression_key" not in params

    def test_round_trip(self, mdata, tmp_path):
        tl.cell_type_specific_genes(mdata)
        mdata.write(tmp_path / "x.h5mu")
        read = mudata.read_h5mu(tmp_path / "x.h5mu")
        for key in ("epi_specific_genes", "epi_specific_marks"):
            expected = mdata.uns[key]
            found = read.uns[key].astype(expected.dtypes.to_dict())
            pd.testing.assert_frame_equal(found, expected, check_index_type=False)
        axes = pl.cell_type_specific_genes(read, show=False)
        assert len(axes.get_yticklabels()) == 8
        plt.close("all")


class TestBadInput:
    def check(self, adata, error, message, **arguments):
        keys_before = (list(adata.obs), list(adata.uns))
        with pytest.raises(error, match=message):
            tl.cell_type_specific_genes(adata, **arguments)
        assert (list(adata.obs), list(adata.uns)) == keys_before

    def test_no_predictions(self, by_hand):
        del by_hand.obs["epi_prediction"]
        self.check(by_hand, KeyError, r"epi_prediction.*`tgem\.tl\.predict_expression\(")

    def test_labels_instead_of_numbers(self, by_hand):
        by_hand.obs["label"] = "high"
        self.check(by_hand, ValueError, "epi_prediction", prediction_key="label")

    def test_infinite_predictions(self, by_hand):
        by_hand.obs["epi_prediction"] = [np.inf, *[0.0] * 8]
        self.check(by_hand, ValueError, "found 1 inf")

    def test_repeated_gene(self, by_hand):
        by_hand.obs["gene_id"] = "x"
        self.check(by_hand, ValueError, "6 of 9 observations repeat")

    def test_observation_without_a_cell_type(self, by_hand):
        by_hand.obs.loc["x|b", "cell_type"] = np.nan
        self.check(by_hand, ValueError, r"1 of 9 lack one: 'x\|b'")

    def test_one_cell_type(self, by_hand):
        self.check(by_hand[:1].copy(), ValueError, "at least two cell types")

    def test_unknown_column(self, by_hand):
        self.check(by_hand, KeyError, "'gene_id'", gene_key="symbol")

    def test_foreign_gene_sets(self, by_hand):
        self.check(by_hand, ValueError, "none of the 2 genes", gene_sets={"set": ["p", "q"]})

    def test_unknown_choice(self, by_hand):
        self.check(by_hand, ValueError, "'max', 'mean'", against="median")

    def test_not_annotated_data(self):
        with pytest.raises(TypeError, match="DataFrame"):
            tl.cell_type_specific_genes(pd.DataFrame())


class TestPlot:
    @pytest.fixture(autouse=True)
    def _agg(self):
        with mpl.rc_context():
            plt.switch_backend("agg")
            yield
        plt.close("all")

    @pytest.fixture
    def drawn(self, mdata):
        tl.cell_type_specific_genes(mdata)
        return mdata

    @pytest.mark.parametrize("contrast", ["other cell types", "other genes"])
    def test_dots_are_the_table(self, drawn, contrast):
        axes = pl.cell_type_specific_genes(drawn, contrast=contrast, show=False)
        table = drawn.uns["epi_specific_marks"]
        table = table[table["contrast"] == contrast]
        (dots,) = axes.collections
        columns = [label.get_text().split(" ")[0] for label in axes.get_xticklabels()]
        rows = [label.get_text() for label in axes.get_yticklabels()]
        found = {
            (columns[int(x)], rows[int(y)]): (value, rim[0] == 0)
            for (x, y), value, rim in zip(
                dots.get_offsets(), dots.get_array(), dots.get_edgecolors(), strict=True
            )
        }
        assert found == {
            (row.cell_type, row.mark): (row.effect, row.fdr <= 0.05) for row in table.itertuples()
        }
        sizes = pd.Series(dots.get_sizes()[np.argsort(table["fdr"].to_numpy())])
        assert sizes.is_monotonic_decreasing
        assert sizes.iloc[0] > sizes.iloc[-1]

    def test_chosen_cell_types_in_that_order(self, drawn):
        axes = pl.cell_type_specific_genes(drawn, classes=["C", "B"], show=False)
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert [label[0] for label in labels] == ["C", "B"]
        counts = drawn.uns["epi_specific_genes"]["cell_type"].value_counts()
        assert labels[0] == f"C ({counts['C']} genes)"

    def test_nothing_to_draw_is_said(self, mdata):
        tl.cell_type_specific_genes(mdata, min_score=0.999)
        axes = pl.cell_type_specific_genes(mdata, show=False)
        assert axes.get_title() == "too few genes to test"

    def test_saves_into_the_given_axes(self, drawn, tmp_path):
        _, ax = plt.subplots()
        path = tmp_path / "marks.png"
        assert pl.cell_type_specific_genes(drawn, ax=ax, show=False, save=path) is ax
        assert path.stat().st_size > 1000

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"contrast": "all"}, "'other genes'"),
            ({"classes": ["D"]}, "Known: 'B', 'A', 'C'"),
            ({"max_fdr": 0}, "max_fdr"),
        ],
    )
    def test_bad_arguments(self, drawn, arguments, message):
        with pytest.raises(ValueError, match=message):
            pl.cell_type_specific_genes(drawn, show=False, **arguments)

    def test_missing_table(self, mdata):
        with pytest.raises(KeyError, match=r"tgem\.tl\.cell_type_specific_genes"):
            pl.cell_type_specific_genes(mdata)
