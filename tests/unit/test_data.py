"""Checks of expression values, alignment of genes, labels and splits."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tgem
from tgem._core.errors import ExpressionWarning, TrainingWarning
from tgem.data import (
    grouped_split,
    label_codes,
    split_column,
    split_from_column,
    stratified_split,
    summarize_expression,
)

TGEM = tgem.model.TGEM


def with_values(values):
    adata = ad.AnnData(np.asarray(values, dtype=np.float32))
    adata.obs["label"] = pd.Categorical(["a", "b"] * (adata.n_obs // 2) + ["a"] * (adata.n_obs % 2))
    return adata


@pytest.fixture
def log_values(generator):
    return np.log1p(generator.poisson(1.0, size=(20, 10)) + generator.random((20, 10)) * 0.1)


class TestExpressionValues:
    def test_log_normalised_values_pass_quietly(self, log_values):
        TGEM.setup_anndata(with_values(log_values))

    def test_raw_counts(self, generator):
        with pytest.raises(ValueError, match=r"raw counts.*sc\.pp\.normalize_total"):
            TGEM.setup_anndata(with_values(generator.poisson(3.0, size=(20, 10))))

    def test_linear_values(self, log_values):
        with pytest.raises(ValueError, match=r"look linear.*sc\.pp\.log1p"):
            TGEM.setup_anndata(with_values(np.expm1(log_values) * 1000))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("as_sparse", [False, True])
    def test_not_finite(self, log_values, value, as_sparse):
        log_values[3, 4] = value
        adata = with_values(log_values)
        if as_sparse:
            adata.X = sparse.csr_matrix(adata.X)
        with pytest.raises(ValueError, match="found 1 NaN"):
            TGEM.setup_anndata(adata)

    def test_z_scores_are_warned_about(self, log_values):
        scaled = (log_values - log_values.mean(0)) / log_values.std(0)
        with pytest.warns(ExpressionWarning, match="use_raw=True"):
            TGEM.setup_anndata(with_values(scaled))

    def test_empty_cells_are_warned_about(self, log_values):
        log_values[:2] = 0
        with pytest.warns(ExpressionWarning, match=r"2 of 20 cells.*filter_cells"):
            TGEM.setup_anndata(with_values(log_values))

    def test_warnings_point_at_the_users_line(self, log_values):
        log_values[:2] = 0
        with pytest.warns(ExpressionWarning) as caught:
            TGEM.setup_anndata(with_values(log_values))
        assert caught[0].filename == __file__

    def test_duplicate_genes(self, log_values):
        adata = with_values(log_values)
        adata.var_names = ["g"] * 2 + [f"g{i}" for i in range(8)]
        with pytest.raises(ValueError, match="var_names_make_unique"):
            TGEM.setup_anndata(adata)

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
    def test_empty_objects(self, shape):
        with pytest.raises(ValueError, match="cells and genes"):
            TGEM.setup_anndata(ad.AnnData(np.zeros(shape, dtype=np.float32)))

    def test_not_an_anndata(self):
        with pytest.raises(TypeError, match="DataFrame"):
            TGEM.setup_anndata(pd.DataFrame())

    def test_missing_layer_names_those_there_are(self, log_values):
        adata = with_values(log_values)
        adata.layers["lognorm"] = adata.X
        with pytest.raises(KeyError, match="lognorm"):
            TGEM.setup_anndata(adata, layer="log")

    def test_missing_raw(self, log_values):
        with pytest.raises(ValueError, match=r"adata\.raw = adata"):
            TGEM.setup_anndata(with_values(log_values), use_raw=True)

    def test_layer_and_raw_together(self, log_values):
        with pytest.raises(ValueError, match="got both"):
            TGEM.setup_anndata(with_values(log_values), layer="x", use_raw=True)

    def test_z_scores_given_to_a_model_of_log_values(self, trained):
        model, adata = trained
        scaled = adata.copy()
        scaled.X = scaled.X.toarray() - scaled.X.toarray().mean(axis=0)
        with pytest.raises(ValueError, match="z-scores"):
            model.predict(scaled)

    def test_summary_sees_implicit_zeros_and_every_block(self, monkeypatch):
        monkeypatch.setattr("tgem.data._matrix.SCAN_ROWS", 3)
        values = np.zeros((8, 2), dtype=np.float32)
        values[7, 1] = 2.5
        values[6, 0] = -1
        summary = summarize_expression(sparse.csr_matrix(values))
        assert (summary.minimum, summary.maximum) == (-1, 2.5)
        assert not summary.whole_numbers
        assert summary.n_empty_cells == 6


class TestRaw:
    def test_query_without_raw_is_read_from_x(self, pbmc):
        adata = pbmc.copy()
        TGEM.setup_anndata(adata, labels_key="bulk_labels", use_raw=True)
        model = TGEM(adata)
        model.train(max_epochs=1, enable_progress_bar=False)
        query = adata.raw.to_adata()
        np.testing.assert_allclose(
            model.predict(query, soft=True), model.predict(soft=True), atol=1e-6
        )
        with pytest.raises(ValueError, match="z-scores"):
            model.predict(ad.AnnData(adata.X, obs=adata.obs, var=adata.var))


class TestLabels:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (["b", "a", "b", "a"], ["a", "b"]),
            ([2, 10, 2, 10], [2, 10]),
            ([True, False, True, False], [False, True]),
            ([1.0, 2.0, 1.0, 2.0], [1.0, 2.0]),
        ],
    )
    def test_kinds_of_labels(self, log_values, values, expected):
        adata = with_values(log_values[:4])
        adata.obs["label"] = values
        TGEM.setup_anndata(adata, labels_key="label")
        model = TGEM(adata)
        assert list(model.classes) == expected

    def test_unused_categories_are_dropped_and_the_order_kept(self, log_values):
        adata = with_values(log_values[:4])
        adata.obs["label"] = pd.Categorical(["z", "a", "z", "a"], categories=["z", "unused", "a"])
        adata.uns["label_colors"] = ["#000000", "#111111", "#222222"]
        TGEM.setup_anndata(adata, labels_key="label")
        model = TGEM(adata)
        assert list(model.classes) == ["z", "a"]
        assert model.class_colors == ["#000000", "#222222"]

    def test_fractions_are_no_labels(self, log_values):
        adata = with_values(log_values)
        adata.obs["score"] = np.linspace(0, 1, 20)
        with pytest.raises(ValueError, match=r"pd\.cut"):
            TGEM.setup_anndata(adata, labels_key="score")

    def test_missing_labels_are_left_out(self, log_values):
        adata = with_values(log_values)
        adata.obs.loc[adata.obs_names[:3], "label"] = np.nan
        with pytest.warns(TrainingWarning, match="3 of 20 cells have no label"):
            TGEM.setup_anndata(adata, labels_key="label")

    def test_codes(self):
        column = pd.Series(["b", None, "Unknown", "a", "b"])
        assert label_codes(column, "Unknown").tolist() == [1, -1, -1, 0, 1]


class TestSplits:
    def test_rare_classes_keep_a_training_cell(self):
        codes = np.array([0] * 50 + [1] * 2 + [2])
        split = stratified_split(codes, train_size=0.7, validation_size=0.1, seed=0)
        assert set(codes[split.train]) == {0, 1, 2}
        assert np.concatenate(split).size == 53

    def test_the_rest_is_tested(self):
        split = stratified_split(np.zeros(100, int), train_size=0.72, validation_size=0.08, seed=0)
        assert [part.size for part in split] == [72, 8, 20]

    def test_everything_in_training(self):
        split = stratified_split(np.zeros(9, int), train_size=1.0, validation_size=0.0, seed=0)
        assert [part.size for part in split] == [9, 0, 0]

    @pytest.mark.parametrize(
        ("train_size", "validation_size"), [(0, 0.1), (0.9, 0.2), (1.2, 0), (0.5, -0.1)]
    )
    def test_impossible_shares(self, train_size, validation_size):
        with pytest.raises(ValueError, match="train_size"):
            stratified_split(
                np.zeros(9, int), train_size=train_size, validation_size=validation_size, seed=0
            )

    def test_groups_stay_together(self, generator):
        groups = generator.integers(0, 12, 300).astype(str)
        codes = generator.integers(0, 3, 300)
        split = grouped_split(codes, groups, train_size=0.6, validation_size=0.2, seed=0)
        owners = [set(groups[part]) for part in split]
        assert owners[0].isdisjoint(owners[1] | owners[2])
        assert owners[1].isdisjoint(owners[2])
        assert sorted(np.concatenate(split)) == list(range(300))
        assert 120 < split.train.size < 240

    @pytest.mark.parametrize(
        "shares", [(0.1, 0.0), (0.3, 0.1), (0.4, 0.6), (0.6, 0.0), (0.8, 0.1), (0.97, 0.0)]
    )
    def test_shares_of_groups_are_met(self, generator, shares):
        groups = np.repeat(np.arange(50), 40).astype(str)
        codes = generator.integers(0, 3, groups.size)
        train, validation = shares
        split = grouped_split(codes, groups, train_size=train, validation_size=validation, seed=1)
        found = [part.size / groups.size for part in split]
        np.testing.assert_allclose(found, [train, validation, 1 - train - validation], atol=0.05)
        assert sorted(np.concatenate(split)) == list(range(groups.size))

    def test_too_few_groups(self):
        with pytest.raises(ValueError, match="at least 3 groups"):
            grouped_split(
                np.zeros(6, int),
                np.array(list("aaabbb")),
                train_size=0.6,
                validation_size=0.2,
                seed=0,
            )

    def test_column_round_trip(self):
        codes = np.array([0, 1, 0, 1, 0, 1, -1])
        split = stratified_split(codes, train_size=0.34, validation_size=0.33, seed=0)
        column = split_column(split, pd.Index(list("abcdefg")))
        assert column.isna().tolist() == [False] * 6 + [True]
        for ours, theirs in zip(split, split_from_column(column, codes, "s"), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_column_with_other_words(self):
        with pytest.raises(ValueError, match="'testing'"):
            split_from_column(pd.Series(["train", "testing"]), np.zeros(2, int), "s")
        with pytest.raises(ValueError, match="found none"):
            split_from_column(pd.Series(["test", "test"]), np.zeros(2, int), "s")

    def test_written_by_pp_split(self, tiny_adata):
        changed = tgem.pp.split(tiny_adata, "cell_type", key_added="mine", copy=True)
        assert "mine_split" in changed.obs
        assert "mine_split" not in tiny_adata.obs
        assert list(changed.obs["mine_split"].cat.categories) == ["train", "validation", "test"]

    def test_a_labelled_cell_without_a_group(self, tiny_adata):
        donors = tiny_adata.obs["donor"].astype(object)
        donors.iloc[:3] = None
        cells = tiny_adata.copy()
        cells.obs["donor"] = donors
        with pytest.raises(ValueError, match=r"found 3 of 80 missing"):
            tgem.pp.split(cells, "cell_type", group_key="donor")
        assert "tgem_split" not in cells.obs
        cells.obs["cell_type"] = cells.obs["cell_type"].astype(object)
        cells.obs.iloc[:3, cells.obs.columns.get_loc("cell_type")] = None
        tgem.pp.split(cells, "cell_type", group_key="donor")
        assert cells.obs["tgem_split"].isna().sum() == 3
