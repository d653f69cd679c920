"""Labels of clusters, of the Cell Ontology, and on coarse and fine levels."""

import warnings
from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tgem
from tgem._core import keys
from tgem._core.errors import LabelWarning

CLASSES = ["B", "CD4+/CD25 T Reg", "CD8 T", "NK"]
PROBABILITY = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.4, 0.3, 0.3, 0.0],  # predicted to be a B cell, but more probably a T cell
        [0.1, 0.2, 0.6, 0.1],
        [0.0, 0.45, 0.45, 0.1],
        [0.3, 0.2, 0.2, 0.3],
        [0.05, 0.9, 0.05, 0.0],
    ]
)
TREE = {"T cell": ["CD4+/CD25 T Reg", "CD8 T"], "B cell": ["B"], "NK": []}
FLAT = {"B": "B cell", "CD4+/CD25 T Reg": "T cell", "CD8 T": "T cell", "NK": "NK"}
COARSE = ["B cell", "T cell", "T cell", "T cell", "T cell", "T cell"]


def typed(probability=PROBABILITY, classes=CLASSES, prefix=None):
    """Cells with the slots that tgem.tl.predict writes."""
    probability = np.asarray(probability, dtype=np.float32)
    adata = ad.AnnData(np.ones((len(probability), 3), dtype=np.float32))
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    labels = pd.Categorical.from_codes(probability.argmax(axis=1), classes)
    keys.PREDICTION.write(adata, labels, prefix)
    columns = keys.column_names(classes)
    keys.PROBABILITY.write(
        adata, pd.DataFrame(probability, index=adata.obs_names, columns=columns), prefix
    )
    adata.uns[keys.PREDICTION.params_key(prefix)] = {"classes": np.array(classes, dtype=object)}
    return adata


def clustered(labels, clusters):
    adata = typed(np.eye(4)[[CLASSES.index(each) for each in labels]])
    adata.obs["leiden"] = pd.Categorical(clusters)
    return adata


def contents(adata):
    """Everything that a tool could change."""
    return (
        adata.obs.copy(),
        {key: value.copy() for key, value in adata.obsm.items()},
        sorted(adata.uns),
    )


def assert_unchanged(adata, before):
    obs, obsm, uns = before
    pd.testing.assert_frame_equal(adata.obs, obs)
    assert sorted(adata.obsm) == sorted(obsm)
    assert sorted(adata.uns) == uns


def round_trip(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return ad.read_h5ad(tmp_path / "cells.h5ad")


class TestMajorityVote:
    def test_cells_take_the_label_of_their_cluster(self):
        adata = clustered(["B", "B", "NK", "NK", "NK"], ["0", "0", "0", "1", "1"])
        tgem.tl.majority_vote(adata)
        assert list(adata.obs["tgem_majority_vote"]) == ["B", "B", "B", "NK", "NK"]
        np.testing.assert_allclose(adata.obs["tgem_majority_share"], [2 / 3] * 3 + [1, 1])
        assert adata.obs["tgem_majority_share"].dtype == np.float32
        assert list(adata.obs["tgem_majority_vote"].cat.categories) == CLASSES
        assert list(adata.obs["tgem_prediction"]) == ["B", "B", "NK", "NK", "NK"]

    def test_without_a_clear_majority_cells_keep_their_labels(self):
        labels = ["B", "B", "NK", "CD8 T", "CD8 T", "NK"]
        adata = clustered(labels, ["a"] * 3 + ["b"] * 3)
        tgem.tl.majority_vote(adata, min_share=0.7)
        assert list(adata.obs["tgem_majority_vote"]) == labels
        table = adata.uns["tgem_majority_vote_params"]["clusters"]
        assert table["cluster"].tolist() == ["a", "b"]
        assert table["label"].tolist() == ["B", "CD8 T"]
        assert not table["is_clear"].any()

    def test_or_get_a_label_of_their_own(self):
        adata = clustered(["B", "B", "NK", "CD8 T", "B"], ["0", "0", "1", "1", "1"])
        adata.uns["tgem_prediction_colors"] = ["#111111", "#222222", "#333333", "#444444"]
        tgem.tl.majority_vote(adata, heterogeneous="Heterogeneous")
        assert list(adata.obs["tgem_majority_vote"]) == ["B", "B"] + ["Heterogeneous"] * 3
        categories = list(adata.obs["tgem_majority_vote"].cat.categories)
        assert categories == [*CLASSES, "Heterogeneous"]
        colors = adata.uns["tgem_majority_vote_colors"]
        assert colors[:4] == ["#111111", "#222222", "#333333", "#444444"]
        assert len(colors) == len(categories)

    def test_a_tie_is_no_majority(self):
        adata = clustered(["B", "NK"], ["0", "0"])
        tgem.tl.majority_vote(adata, min_share=0)
        assert list(adata.obs["tgem_majority_vote"]) == ["B", "NK"]

    def test_cells_without_a_label_take_the_clusters_but_do_not_vote(self):
        adata = clustered(["B", "B", "B", "NK", "NK"], ["0", "0", "0", "1", "1"])
        adata.obs["tgem_prediction"] = adata.obs["tgem_prediction"].where(
            [True, True] + [False] * 3
        )
        tgem.tl.majority_vote(adata)
        assert list(adata.obs["tgem_majority_vote"][:3]) == ["B", "B", "B"]
        assert adata.obs["tgem_majority_vote"][3:].isna().all()
        np.testing.assert_allclose(adata.obs["tgem_majority_share"], [2 / 3] * 3 + [0, 0])

    def test_clusters_may_be_numbers_and_leave_categories_unused(self):
        adata = clustered(["B", "B", "NK"], [3, 3, 7])
        adata.obs["leiden"] = adata.obs["leiden"].cat.add_categories([9])
        adata.obs["number"] = [1.0, 1.0, 2.0]
        for key in ("leiden", "number"):
            tgem.tl.majority_vote(adata, key)
            assert list(adata.obs["tgem_majority_vote"]) == ["B", "B", "NK"]
            assert len(adata.uns["tgem_majority_vote_params"]["clusters"]) == 2

    def test_copy_prefix_and_round_trip(self, tmp_path):
        adata = clustered(["B", "B", "NK"], ["0", "0", "0"])
        before = contents(adata)
        copied = tgem.tl.majority_vote(adata, copy=True)
        assert_unchanged(adata, before)
        again = round_trip(copied, tmp_path)
        assert list(again.obs["tgem_majority_vote"]) == ["B", "B", "B"]
        table = again.uns["tgem_majority_vote_params"]["clusters"]
        assert table["n_cells"].tolist() == [3]
        other = typed(prefix="second")
        other.obs["leiden"] = "0"
        tgem.tl.majority_vote(other, key_added="second", min_share=0.1)
        assert "second_majority_vote" in other.obs

    @pytest.mark.parametrize(
        ("column", "options", "error", "message"),
        [
            (None, {}, KeyError, r"sc\.tl\.leiden"),
            (["0", None, "0", "1", "1"], {}, ValueError, "1 of 5 without one, such as 'cell1'"),
            ([0.1, 0.2, 0.3, 0.4, 0.5], {}, ValueError, "5 fractional"),
            (["0"] * 5, {"min_share": 1.5}, ValueError, "from 0 to 1, got 1.5"),
            (["0"] * 5, {"min_share": float("nan")}, ValueError, "from 0 to 1"),
            (["0"] * 5, {"key_added": "other"}, KeyError, r"tgem\.tl\.predict\(adata"),
        ],
    )
    def test_bad_input_changes_nothing(self, column, options, error, message):
        adata = typed(PROBABILITY[:5])
        if column is not None:
            adata.obs["leiden"] = column
        before = contents(adata)
        with pytest.raises(error, match=message):
            tgem.tl.majority_vote(adata, **options)
        assert_unchanged(adata, before)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
    def test_no_order_of_cells_matters(self, pairs):
        codes, clusters = np.array(pairs).T
        adata = clustered([CLASSES[code] for code in codes], clusters.astype(str))
        order = np.random.default_rng(len(pairs)).permutation(len(pairs))
        other = adata[order].copy()
        for data in (adata, other):
            tgem.tl.majority_vote(data)
        voted = adata.obs["tgem_majority_vote"].astype(str)
        assert (voted.iloc[order] == other.obs["tgem_majority_vote"].astype(str)).all()
        for cluster in np.unique(clusters):
            members = clusters == cluster
            counts = np.bincount(codes[members], minlength=4)
            share = adata.obs["tgem_majority_share"][members]
            np.testing.assert_allclose(share, counts.max() / members.sum(), rtol=1e-6)


IDS = {
    "B": "CL:0000236",
    "CD4+/CD25 T Reg": "CL:0000815",
    "CD8 T": "CL:0000625",
    "NK": "CL:0000623",
}


class TestCellOntology:
    def test_ids_of_the_predicted_labels(self, tmp_path):
        adata = typed()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tgem.tl.cell_ontology(adata, IDS)
        expected = [IDS[label] for label in adata.obs["tgem_prediction"]]
        assert list(adata.obs["tgem_cell_ontology_id"]) == expected
        assert "tgem_cell_ontology_name" not in adata.obs
        again = round_trip(adata, tmp_path)
        assert list(again.obs["tgem_cell_ontology_id"]) == expected
        terms = again.uns["tgem_cell_ontology_id_params"]["terms"]
        assert dict(zip(terms["label"], terms["id"], strict=True)) == IDS
        assert terms["n_cells"].sum() == adata.n_obs

    @pytest.mark.parametrize("suffix", [".csv", ".tsv", "frame"])
    def test_a_table_with_names(self, suffix, tmp_path):
        frame = pd.DataFrame({"type": list(IDS), "id": IDS.values(), "term": list("abcd")})
        frame.loc[4] = ["not in the data", "CL:0000000", "cell"]
        table = frame
        if suffix != "frame":
            table = tmp_path / f"terms{suffix}"
            frame.to_csv(table, sep="," if suffix == ".csv" else "\t", index=False)
        adata = typed()
        columns = {"label_column": "type", "id_column": "id", "name_column": "term"}
        tgem.tl.cell_ontology(adata, table, **columns)
        names = dict(zip(IDS, "abcd", strict=True))
        expected = [names[label] for label in adata.obs["tgem_prediction"]]
        assert list(adata.obs["tgem_cell_ontology_name"]) == expected
        # names of an earlier table do not stay beside new ids
        tgem.tl.cell_ontology(adata, IDS)
        assert "tgem_cell_ontology_name" not in adata.obs

    def test_labels_without_a_term_are_named(self, tmp_path):
        adata = typed()
        table = {"B": "CL:0000236", "CD8 T": "CL:0000625", "CD8 T cell": "CL:0000625"}
        with pytest.warns(LabelWarning, match=r"1 of 6 cells .* 'CD4\+/CD25 T Reg'.*'CD8 T cell'"):
            tgem.tl.cell_ontology(typed(PROBABILITY[[0, 1, 2, 2, 2, 5]]), table)
        with pytest.warns(LabelWarning):
            tgem.tl.cell_ontology(adata, table)
        missing = adata.obs["tgem_cell_ontology_id"].isna()
        assert (missing == (adata.obs["tgem_prediction"] == "CD4+/CD25 T Reg")).all()
        again = round_trip(adata, tmp_path)
        assert list(again.uns["tgem_cell_ontology_id_params"]["unmapped"]) == ["CD4+/CD25 T Reg"]

    def test_cells_of_no_class_are_no_missing_label(self):
        adata = typed()
        labels = adata.obs["tgem_prediction"].cat.add_categories("Unknown")
        labels.iloc[0] = "Unknown"
        adata.obs["tgem_prediction"] = labels
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tgem.tl.cell_ontology(adata, IDS)
        assert adata.obs["tgem_cell_ontology_id"].isna().tolist() == [True] + [False] * 5

    def test_labels_of_another_column(self):
        adata = typed()
        adata.obs["mine"] = pd.Categorical(["x", "x", "x", None, "y", "y"])
        tgem.tl.cell_ontology(
            adata, {"x": "CL:0000001", "y": "CL:0000002"}, labels_key="mine", key_added="mine"
        )
        found = adata.obs["mine_cell_ontology_id"]
        assert found.isna().tolist() == [False] * 3 + [True] + [False] * 2
        assert found.iloc[4] == "CL:0000002"

    @pytest.mark.parametrize(
        ("table", "error", "message"),
        [
            (
                {**IDS, "B": "CL:236"},
                ValueError,
                "seven digits such as 'CL:0000236', found 'CL:236'",
            ),
            ({**IDS, "B": "CL_0000236"}, ValueError, "'CL_0000236'"),
            ({**IDS, "B": "CL:0000236\n"}, ValueError, "found 'CL:0000236"),
            ({"T": "CL:0000084"}, ValueError, "none of them in the table, whose labels are 'T'"),
            ({}, ValueError, "whose labels are none"),
            (
                pd.DataFrame(
                    {"label": ["B", "B"], "cell_ontology_id": ["CL:0000001", "CL:0000002"]}
                ),
                ValueError,
                "one id for each label, found 'B: CL:0000001', 'B: CL:0000002'",
            ),
            (
                pd.DataFrame({"label": ["B"], "id": ["CL:0000236"]}),
                KeyError,
                "no 'cell_ontology_id'",
            ),
            ("nowhere.csv", FileNotFoundError, "nowhere.csv"),
            ("terms.xlsx", ValueError, "'.csv', '.tsv', '.txt'"),
        ],
    )
    def test_bad_tables_change_nothing(self, table, error, message):
        adata = typed()
        before = contents(adata)
        with pytest.raises(error, match=message):
            tgem.tl.cell_ontology(adata, table)
        assert_unchanged(adata, before)

    def test_missing_columns(self):
        adata = typed()
        with pytest.raises(KeyError, match="'nothing' in adata"):
            tgem.tl.cell_ontology(adata, IDS, labels_key="nothing")
        del adata.obs["tgem_prediction"]
        with pytest.raises(KeyError, match=r"tgem\.tl\.predict\(adata"):
            tgem.tl.cell_ontology(adata, IDS)


class TestLabelHierarchy:
    @pytest.mark.parametrize("form", ["tree", "flat", "columns", "frame"])
    def test_coarse_probabilities_are_sums_and_fine_labels_agree(self, form):
        adata = typed()
        given = pd.DataFrame({"fine": list(FLAT), "coarse": list(FLAT.values())})
        adata.obs["fine"] = [*FLAT, None, "NK"]
        adata.obs["coarse"] = [*FLAT.values(), "T cell", "NK"]
        forms = {"tree": TREE, "flat": FLAT, "columns": ["fine", "coarse"], "frame": given}
        tgem.tl.label_hierarchy(adata, forms[form])
        obs = adata.obs
        assert list(obs["tgem_level1"]) == COARSE
        coarse = adata.obsm["tgem_level1_probability"]
        assert list(coarse.columns) == ["B cell", "T cell", "NK"]
        np.testing.assert_allclose(
            coarse,
            np.c_[PROBABILITY[:, 0], PROBABILITY[:, 1:3].sum(1), PROBABILITY[:, 3]],
            rtol=1e-6,
        )
        np.testing.assert_allclose(obs["tgem_level1_confidence"], coarse.max(axis=1))
        # the finest label is the most probable one within the coarse one
        assert obs["tgem_level2"].tolist() == [
            "B", "CD4+/CD25 T Reg", "CD8 T", "CD4+/CD25 T Reg", "CD4+/CD25 T Reg",
            "CD4+/CD25 T Reg",
        ]  # fmt: skip
        np.testing.assert_allclose(
            obs["tgem_level2_confidence"], [0.7, 0.3, 0.6, 0.45, 0.2, 0.9], rtol=1e-6
        )
        assert [FLAT[label] for label in obs["tgem_level2"]] == obs["tgem_level1"].tolist()
        assert list(obs["tgem_level2"].cat.categories) == CLASSES
        assert "tgem_level2_probability" not in adata.obsm
        assert adata.uns["tgem_label_hierarchy_params"]["n_changed"] == 2

    def test_most_specific_label_that_is_confident_enough(self):
        adata = typed()
        tgem.tl.label_hierarchy(adata, TREE, min_confidence=0.6)
        obs = adata.obs
        assert obs["tgem_most_specific"].astype(object).where(
            obs["tgem_most_specific"].notna(), None
        ).tolist() == ["B", "T cell", "CD8 T", "T cell", None, "CD4+/CD25 T Reg"]
        assert obs["tgem_most_specific_level"].tolist() == [2, 1, 2, 1, 0, 2]
        np.testing.assert_allclose(
            obs["tgem_most_specific_confidence"], [0.7, 0.6, 0.6, 0.9, np.nan, 0.9], rtol=1e-6
        )

    def test_many_levels_of_different_depth(self, tmp_path):
        adata = typed()
        deep = {
            "blood": {
                "lymphoid": {"T cell": ["CD4+/CD25 T Reg", "CD8 T", "no class of the model"]},
                "innate": ["NK"],
                "B": {},
            }
        }
        tgem.tl.label_hierarchy(adata, deep)
        assert adata.uns["tgem_label_hierarchy"].loc["NK"].tolist() == [
            "blood",
            "innate",
            "NK",
            "NK",
        ]
        assert (adata.obs["tgem_level1"] == "blood").all()
        np.testing.assert_allclose(adata.obs["tgem_level1_confidence"], 1, rtol=1e-6)
        assert adata.obs["tgem_level2"].tolist()[:3] == ["B", "lymphoid", "lymphoid"]
        confidence = [adata.obs[f"tgem_level{i}_confidence"] for i in range(1, 5)]
        assert all((a >= b).all() for a, b in pairwise(confidence))
        again = round_trip(adata, tmp_path)
        pd.testing.assert_frame_equal(
            again.uns["tgem_label_hierarchy"], adata.uns["tgem_label_hierarchy"], check_names=False
        )
        for column in ("tgem_level3", "tgem_most_specific"):
            assert (again.obs[column].astype(object) == adata.obs[column].astype(object)).all()
        # fewer levels leave nothing of the old ones
        tgem.tl.label_hierarchy(adata, TREE)
        assert "tgem_level3" not in adata.obs
        assert "tgem_level4_confidence" not in adata.obs
        assert "tgem_level2_probability" not in adata.obsm

    def test_slashes_in_coarse_labels_survive_the_disk(self, tmp_path):
        adata = typed()
        tree = {"T/NK": ["CD4+/CD25 T Reg", "CD8 T", "NK"], "B": []}
        tgem.tl.label_hierarchy(adata, tree)
        again = round_trip(adata, tmp_path)
        assert list(again.obsm["tgem_level1_probability"].columns) == ["B", "T|NK"]
        assert "T/NK" in list(again.obs["tgem_level1"])

    def test_cells_of_no_class_stay_what_they_are(self):
        adata = typed()
        labels = adata.obs["tgem_prediction"].cat.add_categories("Unknown")
        labels.iloc[0], labels.iloc[1] = "Unknown", np.nan
        adata.obs["tgem_prediction"] = labels
        tgem.tl.label_hierarchy(adata, TREE)
        for column in ("tgem_level1", "tgem_level2", "tgem_most_specific"):
            assert adata.obs[column].iloc[0] == "Unknown"
            assert pd.isna(adata.obs[column].iloc[1])
            assert adata.obs[column].iloc[2] in ("T cell", "CD8 T")
        assert adata.obs["tgem_level1_confidence"].isna().tolist() == [True] * 2 + [False] * 4
        assert adata.obs["tgem_most_specific_level"].tolist()[:2] == [0, 0]
        # a coarse label may have the same name
        tgem.tl.label_hierarchy(adata, FLAT | {"NK": "Unknown"})
        assert list(adata.obs["tgem_level1"].cat.categories) == ["B cell", "T cell", "Unknown"]

    def test_the_classes_keep_their_colours(self):
        adata = typed()
        adata.uns["tgem_prediction_colors"] = ["#111111", "#222222", "#333333", "#444444"]
        tgem.tl.label_hierarchy(adata, TREE)
        assert adata.uns["tgem_level2_colors"] == adata.uns["tgem_prediction_colors"]
        assert "tgem_level1_colors" not in adata.uns

    def test_of_a_model(self, trained):
        model, data = trained
        adata = data.copy()
        tgem.tl.predict(adata, model)
        flat = {label: "first" if i < 2 else "second" for i, label in enumerate(model.classes)}
        tgem.tl.label_hierarchy(adata, flat)
        given = adata.obs["cell_type"].map(flat).astype(str)
        right = (adata.obs["tgem_level1"].astype(str) == given).mean()
        assert right >= (adata.obs["tgem_prediction"].astype(str) == adata.obs["cell_type"]).mean()

    @pytest.mark.parametrize(
        ("hierarchy", "error", "message"),
        [
            ({"B": "B cell"}, ValueError, r"no place for 'CD4\+/CD25 T Reg', 'CD8 T', 'NK'"),
            ({}, ValueError, "each of the model's 4 classes"),
            ({"T": ["CD8 T"], "B": "B cell"}, ValueError, "found 'B cell' under 'B'"),
            ({"a": ["NK", "B"], "b": ["NK"]}, ValueError, "found 'NK' in 'a' and in 'b'"),
            (
                {"a": ["NK", "B"], "b": {"c": ["NK"]}},
                ValueError,
                "one place for each label, found 'NK' at 'a > NK' and at 'b > c > NK'",
            ),
            (
                {"a": {"T": ["CD8 T"]}, "b": {"T": ["CD4+/CD25 T Reg"], "B": [], "NK": []}},
                ValueError,
                "found 'T' in 'a' and in 'b'",
            ),
            (
                {"NK": ["B", "CD8 T"], "innate": ["NK", "CD4+/CD25 T Reg"]},
                ValueError,
                "found 'NK' within 'innate' and as a coarse label of its own",
            ),
            (["fine"], ValueError, "at least two columns"),
            ("fine", ValueError, "at least two columns"),
            (["fine", "nowhere"], KeyError, "'nowhere' in adata.obs"),
            (["fine", "coarse"], ValueError, "found 'B' in 'B cell' and in 'plasma'"),
        ],
    )
    def test_bad_hierarchies_change_nothing(self, hierarchy, error, message):
        adata = typed()
        adata.obs["fine"] = [*CLASSES, "B", "NK"]
        adata.obs["coarse"] = ["B cell", "T cell", "T cell", "NK", "plasma", "NK"]
        before = contents(adata)
        with pytest.raises(error, match=message):
            tgem.tl.label_hierarchy(adata, hierarchy)
        assert_unchanged(adata, before)

    def test_other_bad_input(self):
        adata = typed()
        with pytest.raises(ValueError, match="`min_confidence` from 0 to 1"):
            tgem.tl.label_hierarchy(adata, TREE, min_confidence=50)
        del adata.obsm["tgem_probability"]
        with pytest.raises(KeyError, match=r"tgem\.tl\.predict\(adata"):
            tgem.tl.label_hierarchy(adata, TREE)

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, 2**31),
        st.lists(st.integers(0, 2), min_size=6, max_size=6),
        st.floats(0, 1),
    )
    def test_levels_agree_for_any_probabilities(self, seed, parents, threshold):
        classes = [f"class {i}" for i in range(6)]
        probability = np.random.default_rng(seed).dirichlet(np.full(6, 0.5), size=8)
        adata = typed(probability, classes)
        flat = {name: f"coarse {parents[i]}" for i, name in enumerate(classes)}
        tgem.tl.label_hierarchy(adata, flat, min_confidence=threshold)
        obs = adata.obs
        assert [flat[label] for label in obs["tgem_level2"]] == obs["tgem_level1"].tolist()
        total = adata.obsm["tgem_level1_probability"].sum(axis=1)
        np.testing.assert_allclose(total, 1, rtol=1e-5)
        assert (obs["tgem_level1_confidence"] >= obs["tgem_level2_confidence"]).all()
        found = obs["tgem_most_specific_level"] > 0
        assert (obs["tgem_most_specific_confidence"][found] >= np.float32(threshold)).all()
        assert obs["tgem_most_specific"].isna().tolist() == (~found).tolist()
