"""What EpiAttention promises of its data, its results, and what it leaves alone."""

import gc
import pickle
import subprocess
import sys
import warnings
import weakref

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse

import tgem
from tgem._core.errors import MeasurementWarning, PreparationWarning, TrainingWarning
from tgem.model import EpiAttention

pytestmark = [
    # mudata announces changes of its own
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    pytest.mark.filterwarnings("ignore:.*modality.*:UserWarning:mudata"),
]
QUIET = {"enable_progress_bar": False}
SIZES = {"n_genes": 30, "n_marks": 3, "n_bins": 9, "max_cpg": 8, "n_factors": 8}
KEYS = {"expression_key": "expression", "cell_type_key": "cell_type"}


def make_data(seed=0, **sizes):
    return tgem.datasets.synthetic_epigenome(**(SIZES | sizes), seed=seed)


@pytest.fixture(scope="module")
def signed_marks():
    """A model of counts of two marks, one of which raises expression as the other lowers it."""
    rng = np.random.default_rng(0)
    levels = rng.gamma(2, 1, (2, 600))
    counts = np.concatenate([rng.poisson(4 * level[:, None], (600, 10)) for level in levels], 1)
    expression = np.log1p(levels[0]) - np.log1p(levels[1])
    var = pd.DataFrame({"mark": np.repeat(["activator", "repressor"], 10), "bin": [*range(10)] * 2})
    genes = pd.Index([f"G{i}" for i in range(600)])
    adata = ad.AnnData(
        counts.astype(np.float32),
        pd.DataFrame({"expression": expression}, genes),
        var.set_index(var["mark"] + "|" + var["bin"].astype(str)),
    )
    EpiAttention.setup_anndata(adata, expression_key="expression")
    model = EpiAttention(adata)
    model.train(**QUIET)
    return model


def rebuilt(mdata, **changed):
    """The same data with other modalities; None leaves one out."""
    parts = {name: table.copy() for name, table in mdata.mod.items()} | changed
    other = mudata.MuData({name: table for name, table in parts.items() if table is not None})
    other.obs = mdata.obs.reindex(other.obs_names)
    return other


def trained_on(mdata, *, max_epochs=2, seed=0, setup=KEYS, train=None, **options):
    EpiAttention.setup_mudata(mdata, **setup)
    model = EpiAttention(mdata, **options)
    model.train(max_epochs=max_epochs, seed=seed, **QUIET, **(train or {}))
    return model


def without_values(table, genes):
    table = table.copy()
    table.X[genes] = np.nan
    return table


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def model(data):
    return trained_on(data)


@pytest.fixture(scope="module")
def logits(model):
    return model._outputs(None, None, None)[:, 0]


def snapshot(mdata):
    tables = [mdata, *mdata.mod.values()]
    return pickle.dumps(
        [(t.obs, t.var, sorted(t.uns), sorted(t.obsm), t.shape) for t in tables]
        + [np.asarray(t.X) for t in mdata.mod.values()]
    )


class TestSetup:
    def test_writes_only_two_identifiers(self):
        mdata = make_data()
        before = snapshot(mdata)
        EpiAttention.setup_mudata(mdata, **KEYS)
        for key in ("_scvi_uuid", "_scvi_manager_uuid"):
            del mdata.uns[key]
        assert snapshot(mdata) == before

    def test_unknown_modality(self, data):
        with pytest.raises(ValueError, match=r"'histone', 'methylation', 'tf'.*mdata.mod holds"):
            EpiAttention.setup_mudata(data, {"rna": "histone"})
        with pytest.raises(KeyError, match=r"'tracks'.*'histone'"):
            EpiAttention.setup_mudata(data, {"histone": "tracks"})

    @pytest.mark.parametrize("key", ["expression_key", "cell_type_key", "gene_key", "group_key"])
    def test_unknown_column(self, data, key):
        with pytest.raises(KeyError, match=r"'nonsense' in .*obs.*Available"):
            EpiAttention.setup_mudata(data, **(KEYS | {key: "nonsense"}))

    def test_wrong_kind_of_data(self, data, model):
        with pytest.raises(TypeError, match="MuData, got AnnData"):
            EpiAttention.setup_mudata(data["histone"], **KEYS)
        with pytest.raises(TypeError, match="AnnData, got MuData"):
            EpiAttention.setup_anndata(data, **KEYS)
        with pytest.raises(TypeError, match="MuData with modality"):
            model.predict(data["histone"])
        with pytest.raises(TypeError, match="AnnData or MuData"):
            model.predict(data["histone"].X)

    def test_anndata_without_names_of_measurements(self):
        with pytest.raises(KeyError, match=r"'mark' and 'bin' \(histone\)"):
            EpiAttention.setup_anndata(AnnData(np.ones((3, 2), dtype=np.float32)))

    def test_genes_that_only_the_names_tell_apart(self):
        mdata = make_data()
        symbols = mdata.obs["gene_id"].to_numpy()
        mdata.obs = mdata.obs[["cell_type", "expression"]].assign(symbol=symbols)
        for table in mdata.mod.values():
            del table.obs["gene_id"]
        with pytest.warns(TrainingWarning, match=r"'GENE\S+\|A'.* `gene_key='symbol'`") as said:
            EpiAttention.setup_mudata(mdata, **KEYS)
        assert len(said) == 1
        unnamed = mdata.copy()
        del unnamed.obs["symbol"]
        with pytest.warns(TrainingWarning, match=r"Write the gene .* into .obs\['gene_id'\]"):
            EpiAttention.setup_mudata(unnamed, **KEYS)
        mdata.obs["chrom"] = [name.split("|")[0][-1] for name in mdata.obs_names]
        for options in ({"gene_key": "symbol"}, {"group_key": "chrom"}, {"cell_type_key": None}):
            EpiAttention.setup_mudata(mdata, **(KEYS | options))  # does not warn

    def test_incomplete_grid(self, data):
        table = data["histone"][:, 1:].copy()
        with pytest.raises(ValueError, match=r"one variable for each of 3 values.*none for"):
            EpiAttention.setup_mudata(rebuilt(data, histone=table), **KEYS)

    def test_half_missing_gene(self, data):
        table = data["histone"].copy()
        table.X[3, :5] = np.nan
        with pytest.raises(ValueError, match=r"NaN throughout, found 1 with some NaN"):
            EpiAttention.setup_mudata(rebuilt(data, histone=table), **KEYS)

    @pytest.mark.parametrize("modality", ["histone", "methylation", "tf"])
    def test_infinite_values(self, data, modality):
        table = data[modality].copy()
        table.X[0, 0] = np.inf
        with pytest.raises(ValueError, match="1 infinite"):
            EpiAttention.setup_mudata(rebuilt(data, **{modality: table}), **KEYS)

    @pytest.mark.parametrize("modality", ["histone", "methylation", "tf"])
    def test_modality_of_nan(self, data, modality):
        table = without_values(data[modality], slice(None))
        with pytest.raises(ValueError, match=r"only NaN. Leave the modality out"):
            EpiAttention.setup_mudata(rebuilt(data, **{modality: table}), **KEYS)

    def test_empty_modality(self, data):
        with pytest.raises(ValueError, match="Leave the modality out"):
            EpiAttention.setup_mudata(rebuilt(data, tf=data["tf"][:0].copy()), **KEYS)

    def test_methylation_in_percent(self, data):
        table = data["methylation"].copy()
        table.X[:, (table.var["feature"] == "methylation").to_numpy()] *= 100
        with pytest.raises(ValueError, match=r"between 0 and 1.*percentages by 100"):
            EpiAttention.setup_mudata(rebuilt(data, methylation=table), **KEYS)

    def test_words_as_expression(self, data):
        mdata = rebuilt(data)
        mdata.obs["level"] = "much"
        with pytest.raises(ValueError, match=r"numbers, or 0 and 1.*'much'"):
            EpiAttention.setup_mudata(mdata, expression_key="level")

    def test_infinite_expression(self, data):
        mdata = rebuilt(data)
        mdata.obs["log"] = -np.inf
        with pytest.raises(ValueError, match="Add an offset"):
            EpiAttention.setup_mudata(mdata, expression_key="log")

    def test_without_expression_training_says_what_is_missing(self):
        mdata = make_data()
        EpiAttention.setup_mudata(mdata)
        with pytest.raises(ValueError, match="Training needs measured expression"):
            EpiAttention(mdata).train(max_epochs=1, **QUIET)

    def test_data_go_when_the_model_goes(self):
        mdata = make_data()
        model = trained_on(mdata, max_epochs=1)
        remembered = weakref.ref(mdata)
        assert model.adata is mdata
        del model, mdata
        gc.collect()
        assert remembered() is None

    def test_untrained(self, data):
        fresh = EpiAttention(data)
        assert "not trained" in repr(fresh)
        for call in (fresh.predict, fresh.get_latent_representation, fresh.get_attributions):
            with pytest.raises(RuntimeError, match=r"model\.train"):
                call()


class TestTraining:
    def test_same_seed_same_model(self, data, model, logits):
        again = trained_on(rebuilt(data))
        np.testing.assert_array_equal(again._outputs(None, None, None)[:, 0], logits)
        np.testing.assert_array_equal(again.train_indices, model.train_indices)
        other = trained_on(rebuilt(data), seed=1)
        assert not np.array_equal(other.predict(soft=True), model.predict(soft=True))

    def test_training_leaves_data_and_random_state_alone(self):
        mdata = make_data()
        EpiAttention.setup_mudata(mdata, **KEYS)
        before = snapshot(mdata)
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        model = EpiAttention(mdata)
        model.train(max_epochs=1, **QUIET)
        model.get_importance(by="mark")
        assert snapshot(mdata) == before
        torch.testing.assert_close(torch.rand(3), expected)

    def test_history_and_repr(self, model):
        assert len(model.history) == 2
        assert (
            model.history[["train_loss", "validation_loss", "validation_auroc"]]
            .notna()
            .all(axis=None)
        )
        assert "histone (3 marks x 9 bins)" in repr(model)
        assert "trained 2 epochs" in repr(model)

    @pytest.mark.parametrize("group_key", [None, "chrom"])
    def test_no_gene_is_on_two_sides(self, group_key):
        mdata = make_data(n_genes=60)
        model = trained_on(mdata, max_epochs=1, setup=KEYS | {"group_key": group_key})
        groups = mdata.obs[group_key or "gene_id"].astype(str).to_numpy()
        parts = [model.train_indices, model.validation_indices, model.test_indices]
        sides = [set(groups[part]) for part in parts]
        assert all(sides)
        assert not (sides[0] & sides[1])
        assert not (sides[0] & sides[2])
        assert not (sides[1] & sides[2])
        assert sum(map(len, parts)) == mdata.n_obs

    def test_a_users_split(self):
        mdata = make_data()
        genes = mdata.obs["gene_id"].astype("category").cat.codes.to_numpy()
        mdata.obs["part"] = np.array(["train", "valid", "test"])[genes % 3]
        model = trained_on(mdata, max_epochs=1, setup=KEYS | {"split_key": "part"})
        np.testing.assert_array_equal(model.test_indices, np.flatnonzero(genes % 3 == 2))
        by_call = trained_on(mdata, max_epochs=1, train={"split_key": "part"})
        np.testing.assert_array_equal(by_call.test_indices, model.test_indices)

    def test_a_users_split_that_tears_genes_apart(self):
        mdata = make_data()
        mdata.obs["part"] = np.where(mdata.obs["cell_type"] == "A", "train", "test")
        with pytest.raises(ValueError, match=r"30 genes in several.*Split by gene"):
            trained_on(mdata, train={"split_key": "part"})

    def test_a_gene_in_two_groups(self):
        mdata = make_data()
        with pytest.raises(ValueError, match="in one group"):
            EpiAttention.setup_mudata(mdata, **KEYS, group_key="cell_type")

    def test_high_is_above_the_median_of_the_training_genes(self, data, model):
        obs = data.obs.iloc[model.train_indices]
        expected = obs.groupby("cell_type", observed=True)["expression"].median()
        np.testing.assert_allclose(model.module.threshold.numpy(), expected, rtol=1e-6)

    def test_a_column_of_0_and_1_is_taken_as_it_is(self):
        mdata = make_data()
        mdata.obs["high"] = np.arange(mdata.n_obs) % 10 == 0
        model = trained_on(mdata, max_epochs=1, setup=KEYS | {"expression_key": "high"})
        assert (model.module.threshold == 0.5).all()
        table = model.evaluate(indices=range(mdata.n_obs), expression_key="expression")
        assert table.loc["all", "kendall_tau"] != 0

    def test_unmeasured_expression_is_left_out(self):
        mdata = make_data()
        mdata.obs.loc[mdata.obs_names[:7], "expression"] = np.nan
        with pytest.warns(TrainingWarning, match=r"7 of 60 observations have no expression"):
            model = trained_on(mdata, max_epochs=1)
        used = np.concatenate([model.train_indices, model.validation_indices, model.test_indices])
        assert not set(used) & set(range(7))
        assert model.predict().shape == (60,)

    def test_raw_expression_for_regression(self):
        mdata = make_data()
        mdata.obs["counts"] = np.arange(60) * 10
        with pytest.raises(ValueError, match=r"log expression.*up to 590"):
            trained_on(mdata, setup=KEYS | {"expression_key": "counts"}, task="regression")

    def test_constant_expression(self):
        mdata = make_data()
        mdata.obs["same"] = 1.0
        with pytest.raises(ValueError, match="one value only"):
            trained_on(mdata, setup=KEYS | {"expression_key": "same"})

    def test_the_best_epoch_is_kept(self):
        mdata = make_data()
        model = trained_on(mdata, max_epochs=6, train={"plan_kwargs": {"lr": 0.05}})
        inputs = next(model._read(None, model.validation_indices, None).batches)
        targets = torch.from_numpy(
            model._dataset(None).read("expression", model.validation_indices)
        )
        model.module.linear.take_part(counts=False)  # the history is the network's own
        with torch.inference_mode():
            loss = float(model.module.loss(model.module(*inputs), targets))
        np.testing.assert_allclose(loss, model.history["validation_loss"].min(), rtol=1e-4)

    def test_cross_validation(self):
        mdata = make_data()
        EpiAttention.setup_mudata(mdata, **KEYS)
        model = EpiAttention(mdata)
        table = model.cross_validate(max_epochs=1, **QUIET)
        assert not model.is_trained_
        assert list(table["fold"].unique()) == [0, 1, 2, 3]
        assert set(table["cell_type"]) == {"A", "B", "all"}
        assert table.loc[table["cell_type"] == "all", "n_genes"].sum() == mdata.n_obs
        with pytest.raises(ValueError, match="between 3"):
            model.cross_validate(n_folds=2)


class TestPrediction:
    def test_kinds_of_answers(self, model, logits):
        probability = model.predict(soft=True)
        np.testing.assert_array_equal(model.predict(), logits > 0)
        np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logits)), rtol=1e-5)
        assert model.predict().dtype == bool
        assert probability.dtype == np.float32

    def test_regression(self):
        mdata = make_data()
        model = trained_on(mdata, max_epochs=3, task="regression")
        predicted = model.predict()
        assert abs(predicted.mean() - mdata.obs["expression"].mean()) < 1
        table = model.evaluate()
        assert {"pearson", "mse", "kendall_tau", "spearman"} <= set(table)
        assert np.isfinite(table).all(axis=None)

    def test_order_of_observations_and_batches(self, data, model, logits):
        rows = [7, 2, 41, 2, 0]
        for batch_size in (1, 2, None):
            found = model._outputs(None, rows, batch_size)[:, 0]
            np.testing.assert_allclose(found, logits[rows], atol=1e-5)
        one = rebuilt(data, **{name: t[:1].copy() for name, t in data.mod.items()})
        np.testing.assert_allclose(model._outputs(one, None, None)[:, 0], logits[:1], atol=1e-5)

    def test_measurements_in_another_order(self, data, model, logits):
        rng = np.random.default_rng(1)
        shuffled = {
            name: table[:, rng.permutation(table.n_vars)].copy() for name, table in data.mod.items()
        }
        other = rebuilt(data, **shuffled)
        np.testing.assert_array_equal(model._outputs(other, None, None)[:, 0], logits)
        attributions = model.get_attributions(other, [4, 1], n_steps=3).values
        expected = model.get_attributions(None, [4, 1], n_steps=3).values
        for name, values in expected.items():
            np.testing.assert_array_equal(attributions[name], values)

    def test_genes_in_another_order_in_each_modality(self, data, model, logits):
        rng = np.random.default_rng(2)
        shuffled = {
            name: table[rng.permutation(table.n_obs)].copy() for name, table in data.mod.items()
        }
        other = rebuilt(data, **shuffled)
        places = other.obs_names.get_indexer(data.obs_names)
        found = model._outputs(other, places, None)[:, 0]
        np.testing.assert_allclose(found, logits, atol=1e-5)

    @pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asfortranarray])
    def test_storage(self, data, model, logits, form):
        histone = data["histone"].copy()
        histone.X = form(np.asarray(histone.X))
        found = model._outputs(rebuilt(data, histone=histone), None, None)[:, 0]
        np.testing.assert_allclose(found, logits, atol=1e-6)

    def test_unknown_measurements_are_not_looked_at(self, data, model, logits):
        extra = data["histone"][:, :9].copy()
        extra.var["mark"] = "ATAC"
        extra.var_names = "ATAC_" + extra.var_names
        histone = ad.concat([data["histone"], extra], axis=1, merge="first")
        other = rebuilt(data, histone=histone)
        np.testing.assert_array_equal(model._outputs(other, None, None)[:, 0], logits)

    def test_missing_mark(self, data, model):
        mark = data["histone"].var["mark"].iloc[0]
        histone = data["histone"][:, (data["histone"].var["mark"] != mark).to_numpy()].copy()
        with pytest.raises(ValueError, match=f"1 are missing: '{mark}'"):
            model.predict(rebuilt(data, histone=histone))

    def test_more_and_fewer_cpg_slots(self, data, model, logits):
        table = data["methylation"]
        slots = table[:, :4].copy()
        slots.X = np.full(slots.shape, np.nan, dtype=np.float32)
        slots.var["slot"] += 100
        slots.var_names = "more_" + slots.var_names
        more = ad.concat([slots, table], axis=1, merge="first")
        more.obs = table.obs.copy()
        found = model._outputs(rebuilt(data, methylation=more), None, None)[:, 0]
        np.testing.assert_allclose(found, logits, atol=1e-6)

    def test_other_scale(self, data, model):
        histone = data["histone"].copy()
        histone.X = histone.X - 3
        with pytest.raises(ValueError, match="values of at least 0"):
            model.predict(rebuilt(data, histone=histone))

    def test_unknown_cell_type(self, data, model):
        other = rebuilt(data)
        other.obs["cell_type"] = "liver"
        with pytest.raises(ValueError, match=r"cell types that the model knows.*'A', 'B'.*liver"):
            model.predict(other)

    def test_evaluation(self, data, model):
        table = model.evaluate()
        assert list(table.index) == ["A", "B", "all"]
        assert table.loc["all", "n_genes"] == len(model.test_indices)
        assert table.loc["A", "n_genes"] + table.loc["B", "n_genes"] == len(model.test_indices)
        one_class = np.flatnonzero(data.obs["expression"] > data.obs["expression"].median() + 0.5)
        assert np.isnan(model.evaluate(indices=one_class).loc["all", "auroc"])
        blank = rebuilt(data)
        del blank.obs["expression"]
        with pytest.raises(ValueError, match="measured expression"):
            model.evaluate(blank)


class TestMissing:
    @pytest.mark.parametrize("modality", ["histone", "methylation", "tf"])
    def test_absent_from_the_modality_is_as_nan(self, data, model, modality):
        some = np.arange(60) % 3 == 0
        nan = rebuilt(data, **{modality: without_values(data[modality], some)})
        absent = rebuilt(data, **{modality: data[modality][~some].copy()})
        places = absent.obs_names.get_indexer(data.obs_names)
        expected = model._outputs(nan, None, None)[:, 0]
        found = model._outputs(absent, places, None)[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        attention = model.get_attention(nan, modality=modality)
        assert (attention[some] == 0).all()
        full = attention[~some].sum(1)
        has = model._has(model._dataset(nan), modality, np.arange(60))
        np.testing.assert_allclose(full, has[~some], atol=1e-5)
        values = model.get_attributions(nan, np.flatnonzero(some)[:3], n_steps=3).values[modality]
        assert (values == 0).all()

    def test_training_with_missing_modalities(self):
        mdata = make_data(missing={"tf": 0.4, "methylation": 0.4})
        model = trained_on(mdata)
        assert np.isfinite(model.predict(soft=True)).all()
        table = model.get_importance(by="modality")
        n_genes = table[table["cell_type"] == "A"].set_index("name")["n_genes"]
        assert n_genes["tf"] < n_genes["histone"] == 30

    def test_genes_without_any_modality(self, data, model):
        some = np.arange(60) < 4
        changed = {name: without_values(table, some) for name, table in data.mod.items()}
        other = rebuilt(data, **changed)
        with pytest.warns(MeasurementWarning, match=r"4 of 60 observations were measured in no"):
            predicted = model.predict(other, soft=True)
        np.testing.assert_array_equal(np.isnan(predicted), some)
        with pytest.raises(ValueError, match=r"measured in some modality.*none among 4"):
            model.predict(other, range(4))
        np.testing.assert_allclose(
            model.predict(other, range(4, 60), soft=True),
            model.predict(soft=True)[4:],
            atol=1e-5,
        )
        with pytest.warns(TrainingWarning, match=r"4 of 60 observations were measured in no"):
            fresh = trained_on(other, max_epochs=1)
        assert not set(fresh.train_indices) & set(range(4))

    @pytest.mark.parametrize("names", [["histone"], ["methylation"], ["tf"], ["methylation", "tf"]])
    @pytest.mark.parametrize("preset", ["standardized", "paper"])
    def test_any_subset_of_modalities(self, names, preset):
        mdata = make_data(n_genes=12)
        setup = KEYS | {"modalities": {name: name for name in names}}
        if "methylation" in names and "tf" not in names:
            keep = mdata["methylation"].obs["n_cpg"].to_numpy() > 0
            mdata = rebuilt(mdata, methylation=mdata["methylation"][keep].copy())
            mdata = mdata[mdata["methylation"].obs_names].copy()
        model = trained_on(mdata, max_epochs=1, setup=setup, preset=preset)
        assert model.modalities == tuple(names)
        assert np.isfinite(model.predict(soft=True)).all()
        with pytest.raises(ValueError, match="modality"):
            model.get_attention(modality="histone" if "histone" not in names else "tf")

    def test_one_mark_one_bin_one_cpg_one_factor(self):
        mdata = make_data(n_genes=12)
        histone = mdata["histone"][:, :1].copy()
        methylation = mdata["methylation"][:, mdata["methylation"].var["slot"] == 0].copy()
        tf = mdata["tf"][:, :1].copy()
        model = trained_on(rebuilt(mdata, histone=histone, methylation=methylation, tf=tf))
        assert np.isfinite(model.predict(soft=True)).all()
        for modality in ("histone", "tf"):
            np.testing.assert_allclose(model.get_attention(modality=modality), 1, atol=1e-6)

    def test_n_cpg_says_which_slots_pad(self, data, model, logits):
        padded = data["methylation"].copy()
        padded.X = np.nan_to_num(padded.X)
        has = (padded.obs["n_cpg"] > 0).to_numpy()
        other = rebuilt(data, methylation=padded)
        found = model._outputs(other, None, None)[:, 0]
        np.testing.assert_allclose(found[has], logits[has], atol=1e-6)
        np.testing.assert_allclose(found[~has], logits[~has], atol=1e-6)


class TestSaving:
    def test_round_trip(self, data, model, tmp_path):
        model.save(tmp_path / "model")
        for loaded in (
            EpiAttention.load(tmp_path / "model"),
            EpiAttention.load(tmp_path / "model", rebuilt(data)),
        ):
            np.testing.assert_array_equal(loaded.predict(data, soft=True), model.predict(soft=True))
            np.testing.assert_array_equal(loaded.test_indices, model.test_indices)
            pd.testing.assert_frame_equal(
                loaded.get_importance(data, by="mark"), model.get_importance(by="mark")
            )

    def test_new_process(self, data, model, tmp_path):
        model.save(tmp_path / "model")
        plain = rebuilt(data)
        plain.write(tmp_path / "data.h5mu")
        code = (
            "import warnings; warnings.simplefilter('ignore')\n"
            "import sys, mudata, numpy as np, tgem\n"
            "model = tgem.model.EpiAttention.load(sys.argv[1])\n"
            "np.save(sys.argv[3], model.predict(mudata.read_h5mu(sys.argv[2]), soft=True))\n"
        )
        paths = [str(tmp_path / name) for name in ("model", "data.h5mu", "found.npy")]
        subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True)
        np.testing.assert_allclose(np.load(paths[2]), model.predict(soft=True), atol=1e-6)


class TestReading:
    def test_shapes(self, data, model):
        latent = model.get_latent_representation()
        assert latent.shape == (60, 105)
        assert latent.dtype == np.float32
        for modality, n in {"histone": 9, "methylation": 8, "tf": 8, "fusion": 105}.items():
            assert model.get_attention(modality=modality).shape == (60, n)
        assert model.feature_names("tf")[0] == list(data["tf"].var["factor"].unique())
        with pytest.raises(AttributeError, match="feature_names"):
            _ = model.gene_names

    @pytest.mark.parametrize("baseline", ["mean", "zero"])
    def test_integrated_gradients_add_up(self, model, logits, baseline):
        found = model.get_attributions(indices=range(10), baseline=baseline, n_steps=30)
        total = sum(values.reshape(10, -1).sum(1) for values in found.values.values())
        np.testing.assert_allclose(total, found.change, atol=0.02)
        np.testing.assert_allclose(total - found.residual, found.change, atol=1e-4)
        positions = found.values["methylation"][:, :, 1]
        assert (positions == 0).all()

    def test_ablation_of_a_thing_is_the_change_of_the_output(self, data, model, logits):
        mark = data["histone"].var["mark"].iloc[0]
        histone = data["histone"].copy()
        of_mark = (histone.var["mark"] == mark).to_numpy()
        mean = data["histone"].X[model.train_indices][:, of_mark].mean(0)
        histone.X[:, of_mark] = mean
        change = logits - model._outputs(rebuilt(data, histone=histone), None, None)[:, 0]
        table = model.get_importance(by="mark").set_index(["cell_type", "name"])
        for label in "AB":
            of_type = (data.obs["cell_type"] == label).to_numpy()
            row = table.loc[(label, mark)]
            np.testing.assert_allclose(row["importance"], np.abs(change[of_type]).mean(), atol=1e-5)
            signal = np.log1p(data["histone"].X[of_type][:, of_mark]).mean(1)
            slope = np.polyfit(signal / signal.std(), change[of_type], 1)[0]
            np.testing.assert_allclose(row["effect"], slope, atol=1e-4)

    @pytest.mark.parametrize("method", ["ablation", "integrated_gradients"])
    @pytest.mark.parametrize("baseline", ["mean", "zero"])
    def test_effect_has_the_sign_of_a_mark(self, signed_marks, method, baseline):
        table = signed_marks.get_importance(by="mark", method=method, baseline=baseline)
        effect = table.set_index("name")["effect"]
        assert effect["activator"] > 0.5
        assert effect["repressor"] < -0.5

    @pytest.mark.parametrize("by", ["modality", "mark", "bin", "factor"])
    @pytest.mark.parametrize("method", ["ablation", "integrated_gradients"])
    def test_importance(self, model, by, method):
        table = model.get_importance(by=by, method=method, n_steps=4)
        n_things = {"modality": 3, "mark": 3, "bin": 9, "factor": 8}[by]
        assert table["cell_type"].value_counts().to_dict() == {"A": n_things, "B": n_things}
        assert (table["importance"] > 0).all()
        assert table["effect"].notna().all() == (by in {"mark", "factor"})
        for _, part in table.groupby("cell_type"):
            assert part["importance"].is_monotonic_decreasing

    def test_wrong_words(self, model):
        for call in (
            lambda: model.get_importance(by="promoter"),
            lambda: model.get_importance(method="attention"),
            lambda: model.get_attributions(method="integrated_gradients_vargrad"),
            lambda: model.get_attributions(baseline="median"),
        ):
            with pytest.raises(ValueError, match="one of"):
                call()


class TestTools:
    def test_slots_survive_h5mu(self, data, model, tmp_path):
        mdata = rebuilt(data)
        tgem.tl.predict_expression(mdata, model)
        tgem.tl.regulatory_attention(mdata, model)
        tgem.tl.regulatory_attribution(mdata, model, n_steps=3)
        tgem.tl.regulatory_importance(mdata, model, by=["modality", "mark", "bin", "factor"])
        mdata.write(tmp_path / "data.h5mu")
        back = mudata.read_h5mu(tmp_path / "data.h5mu")
        np.testing.assert_array_equal(back.obs["epi_prediction"], model.predict(soft=True))
        assert back.obsm["X_epi"].shape == (60, 105)
        for modality in ("histone", "methylation", "tf", "fusion"):
            key = f"epi_{modality}_attention"
            np.testing.assert_array_equal(
                back.obsm[key], model.get_attention(data, modality=modality)
            )
            assert len(back.uns[key]["names"]) == back.obsm[key].shape[1]
        key = "epi_tf_attribution"
        grid = [len(back.uns[key][axis]) for axis in ("rows", "columns")]
        values = np.asarray(back.obsm[key]).reshape(60, *grid)
        expected = model.get_attributions(data, n_steps=3).values["tf"]
        np.testing.assert_array_equal(values, expected)
        assert back.uns[f"{key}_params"]["method"] == "integrated_gradients"
        assert len(back.uns["epi_importance"]) == 2 * (3 + 3 + 9 + 8)

    def test_copy_and_prefix(self, data, model):
        before = snapshot(data)
        changed = tgem.tl.predict_expression(data, model, key_added="mine", copy=True)
        assert snapshot(data) == before
        assert "mine_prediction" in changed.obs
        assert "X_mine" in changed.obsm

    def test_an_error_writes_nothing(self, data, model):
        other = rebuilt(data, histone=data["histone"][:, ::2].copy())
        before = snapshot(other)
        for tool in (tgem.tl.predict_expression, tgem.tl.regulatory_attribution):
            with pytest.raises(ValueError, match="Expected"):
                tool(other, model)
        assert snapshot(other) == before


def test_anndata_alone(tmp_path):
    adata = make_data()["histone"].copy()
    EpiAttention.setup_anndata(adata, **KEYS)
    model = EpiAttention(adata)
    model.train(max_epochs=1, **QUIET)
    tgem.tl.predict_expression(adata, model)
    tgem.tl.regulatory_attention(adata, model)
    adata.write_h5ad(tmp_path / "data.h5ad")
    back = ad.read_h5ad(tmp_path / "data.h5ad")
    np.testing.assert_array_equal(back.obs["epi_prediction"], model.predict(soft=True))
    assert back.obsm["epi_histone_attention"].shape == (60, 9)
    model.save(tmp_path / "model")
    loaded = EpiAttention.load(tmp_path / "model", adata)
    np.testing.assert_array_equal(loaded.predict(), model.predict())


@pytest.mark.parametrize(("factor", "warns"), [(0.001, True), (0.2, True), (1.5, False)])
def test_marks_in_another_unit(factor, warns):
    mdata = make_data(n_genes=80)
    model = trained_on(mdata, max_epochs=1)
    other = rebuilt(mdata)
    other["histone"].X = factor * other["histone"].X
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PreparationWarning)
        model.predict(other)
    assert any("times as large" in str(each.message) for each in found) == warns


def test_bins_that_differ_in_type_only(model, data):
    other = rebuilt(data)
    other["histone"].var["bin"] = other["histone"].var["bin"].astype(str)
    with pytest.raises(ValueError, match="differ in type only: int and str"):
        model.predict(other)
