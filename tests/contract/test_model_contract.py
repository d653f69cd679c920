"""What every exported model promises. A new model is tested by being exported."""

import gc
import json
import pickle
import subprocess
import sys
import weakref

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import tgem
from tgem._core.errors import GeneAlignmentWarning
from tgem.model._base import ClassifierModel

QUIET = {"enable_progress_bar": False}
MODELS = [
    model
    for model in (getattr(tgem.model, name) for name in tgem.model.__all__)
    if issubclass(model, ClassifierModel)
]


def make_data(n_obs=120, n_genes=40, seed=0):
    return tgem.datasets.synthetic_expression(
        n_obs=n_obs, n_genes=n_genes, n_causal=4, effect=2.5, seed=seed
    )


def make_trained(cls, adata=None, seed=0, **options):
    adata = make_data() if adata is None else adata
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata)
    model.train(max_epochs=3, seed=seed, **QUIET, **options)
    return model, adata


@pytest.fixture(scope="module", params=MODELS, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture(scope="module")
def trained_model(cls):
    return make_trained(cls)


@pytest.fixture
def query():
    """New cells without labels."""
    adata = make_data(n_obs=30, seed=5)
    del adata.obs["cell_type"]
    adata.obs_names = "new_" + adata.obs_names
    return adata


def snapshot(adata):
    return pickle.dumps([adata.X.toarray(), adata.obs, adata.var, sorted(adata.uns), adata.shape])


class TestSetup:
    def test_setup_writes_only_two_identifiers(self, cls):
        adata = make_data()
        before = snapshot(adata)
        uns = set(adata.uns)
        cls.setup_anndata(adata, labels_key="cell_type")
        assert {key for key in adata.uns if key not in uns} == {
            "_scvi_uuid",
            "_scvi_manager_uuid",
        }
        for key in ("_scvi_uuid", "_scvi_manager_uuid"):
            del adata.uns[key]
        assert snapshot(adata) == before

    def test_without_labels_constructs_and_training_says_what_is_missing(self, cls):
        adata = make_data()
        cls.setup_anndata(adata)
        model = cls(adata)
        with pytest.raises(ValueError, match="Training needs labels"):
            model.train(max_epochs=1, **QUIET)

    def test_unknown_column_names_those_there_are(self, cls):
        with pytest.raises(KeyError, match="cell_type"):
            cls.setup_anndata(make_data(), labels_key="celltype")

    def test_constructing_without_setup(self, cls):
        with pytest.raises(ValueError, match="setup_anndata"):
            cls(make_data())

    def test_data_go_when_the_model_goes(self, cls):
        model, adata = make_trained(cls)
        remembered = weakref.ref(adata)
        assert model.adata is adata
        del model, adata
        gc.collect()
        assert remembered() is None

    def test_repr_says_what_it_is(self, cls, trained_model):
        model, adata = trained_model
        assert cls.__name__ in repr(model)
        assert f"{adata.n_vars} genes" in repr(model)
        assert "trained 3 epochs" in repr(model)
        cls.setup_anndata(adata, labels_key="cell_type")
        assert "not trained" in repr(cls(adata))


class TestTraining:
    def test_same_seed_same_model(self, cls):
        first, _adata = make_trained(cls, seed=3)
        second, _ = make_trained(cls, seed=3)
        np.testing.assert_array_equal(first.predict(soft=True), second.predict(soft=True))
        np.testing.assert_array_equal(first.train_indices, second.train_indices)

    def test_other_seed_other_model(self, cls):
        first, _ = make_trained(cls, seed=3)
        second, _ = make_trained(cls, seed=4)
        assert (
            np.abs(first.predict(soft=True).to_numpy() - second.predict(soft=True)).max().max() > 0
        )
        assert not np.array_equal(first.train_indices, second.train_indices)

    def test_global_random_state_is_left_alone(self, cls):
        torch.manual_seed(11)
        expected = torch.rand(3)
        torch.manual_seed(11)
        make_trained(cls)
        torch.testing.assert_close(torch.rand(3), expected)

    def test_history_has_losses_of_both_parts(self, trained_model):
        model, _ = trained_model
        assert len(model.history) == 3
        assert model.history[["train_loss", "validation_loss"]].notna().all().all()

    def test_training_again_goes_on(self, cls):
        model, _ = make_trained(cls)
        reached = {name: weight.clone() for name, weight in model.module.named_parameters()}
        model.train(max_epochs=5, plan_kwargs={"lr": 1e-9}, **QUIET)
        assert len(model.history) == 8
        for name, weight in model.module.named_parameters():
            torch.testing.assert_close(weight, reached[name], rtol=0, atol=1e-5)

    def test_parts_are_stratified_and_disjoint(self, trained_model):
        model, adata = trained_model
        parts = [model.train_indices, model.validation_indices, model.test_indices]
        assert sorted(np.concatenate(parts)) == list(range(adata.n_obs))
        shares = adata.obs["cell_type"].iloc[model.train_indices].value_counts(normalize=True)
        whole = adata.obs["cell_type"].value_counts(normalize=True)
        assert (shares - whole).abs().max() < 0.05

    def test_split_column_is_followed(self, cls):
        adata = make_data()
        tgem.pp.split(adata, "cell_type", group_key="donor", seed=1)
        model, _ = make_trained(cls, adata, split_key="tgem_split")
        train = set(adata.obs["donor"].iloc[model.train_indices])
        assert train.isdisjoint(adata.obs["donor"].iloc[model.test_indices])

    def test_early_stopping_follows_the_validation_loss(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        model = cls(adata)
        model.train(
            max_epochs=60,
            early_stopping=True,
            early_stopping_patience=1,
            plan_kwargs={"lr": 0.5, "schedule": "constant"},
            **QUIET,
        )
        loss = model.history["validation_loss"].to_numpy()
        assert len(loss) < 60
        assert loss[-1] >= loss.min()

    def test_early_stopping_needs_validation_cells(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        with pytest.raises(ValueError, match="validation"):
            cls(adata).train(train_size=1.0, validation_size=0.0, early_stopping=True, **QUIET)

    def test_without_validation_cells(self, cls):
        model, _ = make_trained(cls, train_size=0.9, validation_size=0.0)
        assert "validation_loss" not in model.history

    def test_callers_callbacks_are_not_changed(self, cls):
        callbacks = []
        make_trained(cls, callbacks=callbacks)
        assert callbacks == []

    def test_interruption_keeps_the_weights(self, cls):
        from lightning.pytorch import Callback

        class Interrupt(Callback):
            def on_train_epoch_end(self, trainer, module):
                if trainer.current_epoch == 2:
                    raise KeyboardInterrupt

        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        model = cls(adata)
        with pytest.warns(match="interrupted after 2 epochs"):
            model.train(max_epochs=50, callbacks=[Interrupt()], **QUIET)
        assert len(model.predict()) == adata.n_obs

    def test_one_class_is_refused(self, cls):
        adata = make_data()
        adata.obs["cell_type"] = "T cell"
        cls.setup_anndata(adata, labels_key="cell_type")
        with pytest.raises(ValueError, match="at least two classes"):
            cls(adata).train(max_epochs=1, **QUIET)

    def test_unlabelled_cells_are_left_out_and_predicted(self, cls):
        adata = make_data()
        labels = adata.obs["cell_type"].astype(str)
        labels.iloc[:20] = "Unknown"
        adata.obs["cell_type"] = labels
        cls.setup_anndata(adata, labels_key="cell_type", unlabeled_category="Unknown")
        model = cls(adata)
        model.train(max_epochs=1, **QUIET)
        assert not set(range(20)) & set(model.train_indices)
        assert "Unknown" not in model.predict()
        assert len(model.predict()) == adata.n_obs

    def test_data_changed_after_setup_are_refused(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        model = cls(adata)
        adata._inplace_subset_var(np.arange(30))
        with pytest.raises(ValueError, match="30 of the model's 40 genes"):
            model.train(max_epochs=1, **QUIET)


class TestPrediction:
    def test_untrained_is_refused(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        with pytest.raises(RuntimeError, match=r"train\(\)"):
            cls(adata).predict()

    def test_probabilities(self, trained_model):
        model, adata = trained_model
        soft = model.predict(soft=True)
        assert list(soft.index) == list(adata.obs_names)
        np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(soft.columns[soft.to_numpy().argmax(1)], model.predict())

    def test_query_needs_no_setup_and_is_left_alone(self, trained_model, query):
        model, _ = trained_model
        before = snapshot(query)
        assert len(model.predict(query)) == query.n_obs
        assert snapshot(query) == before

    def test_gene_order_does_not_matter(self, trained_model, query, generator):
        model, _ = trained_model
        shuffled = query[:, generator.permutation(query.n_vars)].copy()
        np.testing.assert_array_equal(
            model.predict(shuffled, soft=True), model.predict(query, soft=True)
        )

    def test_missing_genes_count_as_average(self, trained_model, query, generator):
        model, _ = trained_model
        kept = generator.permutation(query.n_vars)[:32]
        absent = np.setdiff1d(np.arange(query.n_vars), kept)
        filled = query.copy()
        dense = filled.X.toarray()
        training = model.get_expression(indices=model.train_indices)
        dense[:, absent] = training.mean(axis=0)[absent]
        filled.X = sparse.csr_matrix(dense)
        with pytest.warns(GeneAlignmentWarning, match="32 of the model's 40 genes found"):
            predicted = model.predict(query[:, kept].copy(), soft=True)
        np.testing.assert_allclose(predicted, model.predict(filled, soft=True), atol=1e-5)

    def test_too_few_genes_are_refused(self, trained_model, query):
        model, _ = trained_model
        with pytest.raises(ValueError, match="at least 50%"):
            model.predict(query[:, :15].copy())

    def test_extra_genes_are_not_looked_at(self, trained_model, query):
        model, _ = trained_model
        other = query.copy()
        other.var_names = [f"other{i}" for i in range(query.n_vars)]
        both = ad.concat([query, other], axis=1)
        np.testing.assert_array_equal(
            model.predict(both, soft=True), model.predict(query, soft=True)
        )

    def test_counts_are_refused(self, trained_model, query):
        model, _ = trained_model
        query.X = query.layers["counts"]
        with pytest.raises(ValueError, match="raw counts"):
            model.predict(query)

    def test_batch_size_does_not_matter(self, trained_model, query):
        model, _ = trained_model
        np.testing.assert_allclose(
            model.predict(query, soft=True, batch_size=7),
            model.predict(query, soft=True),
            atol=1e-6,
        )

    @pytest.mark.parametrize("indices", [[3, 1, 2, 1], np.arange(30) % 3 == 0, []], ids=str)
    def test_indices_keep_their_order(self, trained_model, query, indices):
        model, _ = trained_model
        whole = model.predict(query, soft=True).to_numpy()
        chosen = model.predict(query, indices, soft=True)
        np.testing.assert_allclose(
            chosen,
            whole[np.asarray(indices, dtype=np.asarray(indices).dtype if len(indices) else int)],
            atol=1e-6,
        )

    def test_index_out_of_range(self, trained_model, query):
        model, _ = trained_model
        with pytest.raises(IndexError, match="between 0 and 29"):
            model.predict(query, [30])

    def test_storage_does_not_matter(self, trained_model, query, tmp_path):
        model, _ = trained_model
        expected = model.predict(query, soft=True)
        path = tmp_path / "query.h5ad"
        query.write_h5ad(path)
        backed = ad.read_h5ad(path, backed="r")
        dense = query.copy()
        dense.X = query.X.toarray().astype(np.float64)
        csc = query.copy()
        csc.X = query.X.tocsc()
        for other in (backed, dense, csc, query[:]):
            np.testing.assert_allclose(model.predict(other, soft=True), expected, atol=1e-6)
        order = [5, 2, 9, 2]
        np.testing.assert_allclose(
            model.predict(backed, order, soft=True), expected.iloc[order], atol=1e-6
        )
        backed.file.close()

    def test_latent_representation(self, trained_model, query):
        model, _ = trained_model
        latent = model.get_latent_representation(query)
        assert latent.shape[0] == query.n_obs
        assert latent.dtype == np.float32
        assert np.isfinite(latent).all()

    def test_evaluation_is_on_held_out_cells(self, trained_model):
        model, adata = trained_model
        scores = model.evaluate()
        assert scores["cells"] == "test"
        assert scores["n_cells"] == len(model.test_indices)
        predicted = model.predict(indices=model.test_indices)
        true = adata.obs["cell_type"].iloc[model.test_indices].to_numpy()
        assert scores["accuracy"] == pytest.approx((predicted == true).mean())
        assert scores["confusion"].to_numpy().sum() == scores["n_cells"]

    def test_copies_of_training_cells_are_no_test_cells(self, trained_model):
        model, adata = trained_model
        assert model.evaluate(adata.copy())["n_cells"] == len(model.test_indices)
        some = model.evaluate(adata[:50].copy())
        assert (some["cells"], some["n_cells"]) == ("test", (model.test_indices < 50).sum())
        with pytest.warns(match="5 of 5 observations have names that the model was trained on"):
            model.evaluate(adata[model.train_indices[:5]].copy())

    def test_test_cells_are_known_in_any_order(self, trained_model, tmp_path):
        model, adata = trained_model
        scores = model.evaluate()
        model.save(tmp_path / "model")
        moved = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
        load = type(model).load
        for found in (
            model.evaluate(moved),
            load(tmp_path / "model").evaluate(moved),
            load(tmp_path / "model", moved).evaluate(),
        ):
            assert (found["cells"], found["n_cells"]) == ("test", scores["n_cells"])
            assert found["accuracy"] == pytest.approx(scores["accuracy"])
        part = load(tmp_path / "model", moved[:60].copy())
        is_test = np.isin(moved.obs_names[:60], adata.obs_names[model.test_indices])
        assert part.evaluate()["n_cells"] == is_test.sum()

    def test_training_on_with_cells_in_another_order_keeps_the_split(self, trained_model, tmp_path):
        model, adata = trained_model
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model", adata[::-1].copy())
        loaded.train(max_epochs=1, enable_progress_bar=False)
        for part in ("train", "validation", "test"):
            here, there = (
                set(each.adata.obs_names[getattr(each, f"{part}_indices")])
                for each in (model, loaded)
            )
            assert here == there

    def test_other_cells_of_the_same_names_are_all_scored(self, trained_model, query):
        model, adata = trained_model
        query.obs_names = adata.obs_names[: query.n_obs]
        query.obs["cell_type"] = "type_1"
        with pytest.warns(match="only happen to have the same names"):
            scores = model.evaluate(query)
        assert (scores["cells"], scores["n_cells"]) == ("all", query.n_obs)

    @pytest.mark.filterwarnings("ignore:Observation names are not unique")
    def test_a_name_of_two_cells_is_no_ones(self, tmp_path, cls):
        adata = make_data()
        names = [f"cell {number // 2}" for number in range(adata.n_obs)]
        adata.obs_names = names
        cls.setup_anndata(adata, labels_key="cell_type")
        model = cls(adata)
        model.train(max_epochs=1, **QUIET)
        scores = model.evaluate()
        assert (scores["cells"], scores["n_cells"]) == ("test", len(model.test_indices))
        assert model.evaluate(adata.copy())["n_cells"] == len(model.test_indices)
        assert model.evaluate(adata[::-1].copy())["cells"] == "all"

    def test_a_model_saved_without_names_says_so(self, trained_model, tmp_path):
        model, adata = trained_model
        model.save(tmp_path / "model")
        path = tmp_path / "model" / "model.json"
        described = json.loads(path.read_text())
        described["split_record"]["cells"] = described["split_record"].pop("names")
        path.write_text(json.dumps(described))
        loaded = type(model).load(tmp_path / "model")
        with pytest.warns(match="saved by an earlier version"):
            assert loaded.evaluate(adata)["cells"] == "all"
        loaded = type(model).load(tmp_path / "model", adata.copy())
        assert loaded.evaluate()["accuracy"] == model.evaluate()["accuracy"]

    def test_evaluation_names_unknown_labels(self, trained_model, query):
        model, _ = trained_model
        query.obs["cell_type"] = "alien"
        with pytest.raises(ValueError, match="alien"):
            model.evaluate(query)


class TestAttribution:
    def test_zero_expression_has_zero_attribution_and_sums_are_complete(self, trained_model, query):
        model, _ = trained_model
        result = model.get_attributions(query)
        values = result.values.toarray()
        assert values[query.X.toarray() == 0].max() == 0
        assert values[query.X.toarray() == 0].min() == 0
        assert np.abs(result.residual).max() < 1e-3 * np.abs(result.change).max()

    def test_target_class(self, trained_model, query):
        model, _ = trained_model
        label = model.classes[1]
        assert (model.get_attributions(query, target=label, n_steps=5).targets == 1).all()
        with pytest.raises(ValueError, match="alien"):
            model.get_attributions(query, target="alien")

    def test_mean_baseline(self, trained_model):
        model, adata = trained_model
        result = model.get_attributions(baseline="mean", n_steps=20)
        mean = sparse.csr_matrix(adata.X.mean(axis=0))
        logits = (
            model.module(torch.from_numpy(mean.toarray().astype(np.float32))).detach().numpy()[0]
        )
        cell = model.module(torch.from_numpy(adata.X[:1].toarray())).detach().numpy()[0]
        target = result.targets[0]
        assert result.values[0].sum() == pytest.approx(cell[target] - logits[target], abs=1e-3)


class TestSaving:
    def test_round_trip(self, cls, trained_model, query, tmp_path):
        model, _ = trained_model
        model.save(tmp_path / "model")
        loaded = cls.load(tmp_path / "model")
        np.testing.assert_array_equal(
            loaded.predict(query, soft=True), model.predict(query, soft=True)
        )
        pd.testing.assert_frame_equal(loaded.history, model.history)
        np.testing.assert_array_equal(loaded.test_indices, model.test_indices)
        assert repr(loaded) == repr(model)

    def test_load_with_data(self, cls, trained_model, tmp_path):
        model, _adata = trained_model
        model.save(tmp_path / "model")
        again = make_data()
        loaded = cls.load(tmp_path / "model", again)
        np.testing.assert_array_equal(loaded.predict(), model.predict())
        assert loaded.evaluate()["accuracy"] == model.evaluate()["accuracy"]
        loaded.train(max_epochs=1, **QUIET)

    def test_load_without_data_asks_for_them(self, cls, trained_model, tmp_path):
        trained_model[0].save(tmp_path / "model")
        with pytest.raises(ValueError, match="pass `adata`"):
            cls.load(tmp_path / "model").predict()

    def test_new_process_predicts_the_same(self, cls, trained_model, query, tmp_path):
        model, _ = trained_model
        model.save(tmp_path / "model")
        query.write_h5ad(tmp_path / "query.h5ad")
        code = (
            "import anndata, tgem, sys, numpy as np\n"
            f"model = tgem.model.{cls.__name__}.load(r'{tmp_path / 'model'}')\n"
            f"query = anndata.read_h5ad(r'{tmp_path / 'query.h5ad'}')\n"
            "query = query[:, np.random.default_rng(1).permutation(query.n_vars)].copy()\n"
            f"np.save(r'{tmp_path / 'soft.npy'}', model.predict(query, soft=True).to_numpy())\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        np.testing.assert_allclose(
            np.load(tmp_path / "soft.npy"), model.predict(query, soft=True), atol=1e-6
        )

    def test_files_are_plain_data(self, trained_model, tmp_path):
        trained_model[0].save(tmp_path / "model")
        assert {path.name for path in (tmp_path / "model").iterdir()} == {
            "model.json",
            "model.safetensors",
        }
        json.loads((tmp_path / "model" / "model.json").read_text())

    def test_existing_model_is_not_overwritten(self, trained_model, tmp_path):
        model, _ = trained_model
        model.save(tmp_path / "model")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            model.save(tmp_path / "model")
        model.save(tmp_path / "model", overwrite=True)

    def test_untrained_model_saves(self, cls, tmp_path):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        cls(adata).save(tmp_path / "model")
        assert not cls.load(tmp_path / "model").is_trained

    def test_absent_and_damaged_models(self, cls, trained_model, tmp_path):
        with pytest.raises(FileNotFoundError, match="found none"):
            cls.load(tmp_path / "nothing")
        folder = tmp_path / "model"
        trained_model[0].save(folder)
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
        with pytest.raises(ValueError, match="checksum"):
            cls.load(folder)
        description = json.loads((folder / "model.json").read_text())
        for changed, message in (
            ({"class": "Other"}, "holds a Other model"),
            ({"format": "zip"}, "does not describe a tgem model"),
            ({"format_version": 99}, "Update tgem"),
        ):
            (folder / "model.json").write_text(json.dumps(description | changed))
            with pytest.raises(ValueError, match=message):
                cls.load(folder)
        (folder / "model.json").write_text("{")
        with pytest.raises(ValueError, match="damaged"):
            cls.load(folder)
