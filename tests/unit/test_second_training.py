"""A model that is trained twice keeps its test cells for itself."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback

import tgem
from tgem._core.errors import TrainingWarning
from tgem._core.mudata_compat import copied

QUIET = {"enable_progress_bar": False}
SMALL = {"preset": "paper", "n_layers": 1, "n_heads": 1}
PARTS = ("train_indices", "validation_indices", "test_indices")


@pytest.fixture
def adata():
    return tgem.datasets.synthetic_expression(n_obs=120, n_genes=40, seed=3)


@pytest.fixture
def model(adata):
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, **SMALL)
    model.train(max_epochs=2, seed=0, **QUIET)
    return model


def parts(model):
    return [np.array(getattr(model, name)) for name in PARTS]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def train_without_warning(model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        model.train(max_epochs=1, **options, **QUIET)


@pytest.fixture(params=["in memory", "loaded"])
def kept(request, model, adata, tmp_path):
    """The model as it is, and saved and loaded."""
    if request.param == "in memory":
        return model
    model.save(tmp_path / "kept")
    return tgem.model.TGEM.load(tmp_path / "kept", adata=adata)


@pytest.mark.parametrize("options", [{}, {"train_size": 0.72}, {"validation_size": 0.08}])
def test_another_seed_keeps_the_split(kept, options):
    model, first = kept, parts(kept)
    train_without_warning(model, seed=1, **options)
    assert_same(parts(model), first)


def test_cells_that_weigh_attention_are_never_trained_on(adata, monkeypatch):
    import tgem.model._base._training as base

    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)  # whose attention is weighed by training cells held out

    seen = []

    def remembered(*args, split, **options):
        seen.append(split.train)
        return fit(*args, split=split, **options)

    fit = base.fit
    monkeypatch.setattr(base, "fit", remembered)
    model.train(max_epochs=1, seed=1, **QUIET)
    model.train(max_epochs=1, seed=2, **QUIET)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert len(seen[0]) < len(model.train_indices)


def test_other_shares_draw_a_new_split_and_warn(kept, adata, tmp_path):
    model, first = kept, kept.train_indices
    with pytest.warns(TrainingWarning, match="validation and test cells were trained on by an ear"):
        model.train(max_epochs=1, train_size=0.5, seed=1, **QUIET)
    assert len(model.train_indices) < len(first)
    # the new split stays, and so does what is wrong with it
    second = parts(model)
    model.save(tmp_path / "again")
    loaded = tgem.model.TGEM.load(tmp_path / "again", adata=adata)
    for each in (model, loaded):
        with pytest.warns(TrainingWarning, match="trained on by an earlier call"):
            each.train(max_epochs=1, seed=2, **QUIET)
        assert_same(parts(each), second)


def test_a_column_replaces_the_split(model, adata):
    column = pd.Series("train", index=adata.obs_names)
    column.iloc[model.train_indices[:10]] = "test"
    column.iloc[model.test_indices] = "validation"
    adata.obs["mine"] = column
    with pytest.warns(TrainingWarning, match=r"^10 of the \d+ validation and test cells"):
        model.train(max_epochs=1, split_key="mine", **QUIET)
    assert len(model.test_indices) == 10


def test_a_column_that_says_the_same_does_not_warn(adata):
    tgem.pp.split(adata, "cell_type", seed=1)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, **SMALL)
    model.train(max_epochs=1, split_key="tgem_split", **QUIET)
    first = parts(model)
    train_without_warning(model, split_key="tgem_split", seed=1)
    train_without_warning(model, seed=2)
    assert_same(parts(model), first)
    with pytest.warns(TrainingWarning, match="trained on by an earlier call"):
        model.train(max_epochs=1, train_size=0.4, **QUIET)


def test_other_cells_are_split_anew(model, adata, tmp_path):
    model.save(tmp_path / "model")
    other = tgem.datasets.synthetic_expression(n_obs=70, n_genes=40, seed=4)
    other.obs_names = [f"other{i}" for i in range(70)]
    loaded = tgem.model.TGEM.load(tmp_path / "model", adata=other)
    train_without_warning(loaded)
    assert max(map(max, parts(loaded))) < 70
    assert sum(map(len, parts(loaded))) == 70


def test_new_labels_are_trained_on(adata):
    labels = adata.obs["cell_type"].copy()
    adata.obs["cell_type"] = labels.where(np.arange(120) < 80)
    with pytest.warns(TrainingWarning, match="40 of 120 cells have no label"):
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, **SMALL)
    model.train(max_epochs=1, **QUIET)
    adata.obs["cell_type"] = labels
    with pytest.warns(TrainingWarning, match="trained on by an earlier call"):
        model.train(max_epochs=1, **QUIET)
    assert sum(map(len, parts(model))) == 120


def test_a_new_model_draws_by_its_own_seed(model, adata):
    other = tgem.model.TGEM(adata, **SMALL)
    train_without_warning(other, seed=1)
    assert not np.array_equal(other.test_indices, model.test_indices)


def test_models_saved_without_the_record_say_what_they_know(model, adata, tmp_path):
    import json

    model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    description = json.loads(path.read_text())
    del description["split_record"], description["validation"]
    path.write_text(json.dumps(description))
    loaded = tgem.model.TGEM.load(tmp_path / "model", adata=adata)
    assert "trained 2 epochs" in repr(loaded)
    with pytest.warns(TrainingWarning, match="trained on by an earlier call"):
        loaded.train(max_epochs=1, seed=1, **QUIET)


class TestRepr:
    def test_validation_scores_are_those_of_the_finished_model(self, tmp_path):
        adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=40, effect=0.7, seed=3)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata)
        model.train(max_epochs=3, validation_size=0.2, train_size=0.6, **QUIET)
        cells = model.validation_indices
        accuracy = model.evaluate(indices=cells)["accuracy"]
        logits = model._outputs(None, cells, None)
        codes = model._dataset(None).read("labels", cells)
        shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -shifted[np.arange(len(codes)), codes].mean()
        assert f"validation_loss {loss:.3f}, validation_accuracy {accuracy:.3f}" in repr(model)
        # the curve is of another network: the one before the last step
        assert model.history["validation_loss"].iloc[-1] != pytest.approx(loss, abs=1e-3)
        model.save(tmp_path / "model")
        assert repr(tgem.model.TGEM.load(tmp_path / "model")) == repr(model)

    def test_without_validation_cells_none_are_claimed(self, adata):
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, **SMALL)
        model.train(max_epochs=1, train_size=1.0, validation_size=0.0, **QUIET)
        assert repr(model).splitlines()[1] == "trained 1 epochs on 120 cells"


def test_weights_of_another_network_name_the_version_that_saved_them(model, adata, tmp_path):
    import hashlib
    import json

    from safetensors.torch import load_file, save_file

    model = tgem.model.TGEM(adata)
    model.save(tmp_path / "model")
    path, description = tmp_path / "model" / "model.safetensors", tmp_path / "model" / "model.json"
    weights = load_file(path)
    del weights["context_gain"]  # as before it existed
    weights["of_old"] = weights["gene_mean"].clone()
    weights["gene_scale"] = weights["gene_scale"][:-1].clone()
    save_file(weights, path)
    saved = json.loads(description.read_text())
    saved["versions"]["tgem"] = "0.0.7"
    saved["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    description.write_text(json.dumps(saved))
    with pytest.raises(
        ValueError, match=r"saved by tgem 0\.0\.7 .*no 'context_gain'; .*'of_old'"
    ) as e:
        tgem.model.TGEM.load(tmp_path / "model")
    assert "differently shaped 'gene_scale'. Train it again" in str(e.value)


class Stopped(RuntimeError):
    pass


class StopsAt(Callback):
    def __init__(self, epoch, error):
        self.epoch, self.error = epoch, error

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            raise self.error

    def on_train_epoch_start(self, trainer, module):
        if self.epoch < 0:
            raise self.error


@pytest.mark.filterwarnings("ignore:.*trained on by an earlier call")
@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"plan_kwargs": {"lr": -1.0}}, ValueError),
        ({"plan_kwargs": {"nope": 1}}, TypeError),
        ({"early_stopping": True, "train_size": 0.9, "validation_size": 0.0}, ValueError),
        ({"callbacks": [StopsAt(0, Stopped())]}, Stopped),
        ({"callbacks": [StopsAt(-1, KeyboardInterrupt())]}, KeyboardInterrupt),
    ],
)
def test_a_training_that_fails_changes_nothing(adata, preset, options, error):
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset=preset)
    model.train(max_epochs=2, seed=0, **QUIET)
    first, before = parts(model), model.predict(soft=True)
    history, state = model.history["train_loss"].copy(), model.module.state_dict()
    state = {name: value.clone() for name, value in state.items()}
    with pytest.raises(error):
        model.train(max_epochs=2, seed=1, **options, **QUIET)
    assert_same(parts(model), first)
    assert not model.module.training
    for name, value in model.module.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    pd.testing.assert_frame_equal(model.predict(soft=True), before)
    pd.testing.assert_series_equal(model.history["train_loss"], history)
    train_without_warning(model, seed=1)  # the split is the first one's
    assert_same(parts(model), first)


def test_a_loaded_model_knows_the_cells_it_was_trained_on(model, adata, tmp_path):
    model.save(tmp_path / "model")
    loaded = tgem.model.TGEM.load(tmp_path / "model")
    found = loaded.evaluate(adata)
    assert found["n_cells"] == len(model.test_indices)
    assert found["accuracy"] == model.evaluate()["accuracy"]
    n_test = (model.test_indices < 60).sum()
    assert loaded.evaluate(adata[:60].copy())["n_cells"] == n_test
    others = adata[:60].copy()
    others.obs_names = "other " + others.obs_names
    assert loaded.evaluate(others)["n_cells"] == 60


def test_a_loaded_model_of_isoforms_knows_its_samples(tmp_path):
    mdata = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=5, n_isoforms=40)
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    model.train(max_epochs=2, **QUIET)
    model.save(tmp_path / "model")
    loaded = tgem.model.DeepSF.load(tmp_path / "model")
    assert loaded.evaluate(mdata)["n_samples"] == len(model.test_indices)
    assert loaded.evaluate(mdata) == pytest.approx(model.evaluate())
    assert model.evaluate(copied(mdata[::-1])) == pytest.approx(model.evaluate())
    n_test = (model.test_indices > 0).sum()
    assert loaded.evaluate(copied(mdata[1:]))["n_samples"] == n_test


def test_a_model_of_an_epigenome_knows_its_genes():
    mdata = tgem.datasets.synthetic_epigenome(n_genes=60, n_marks=2, n_bins=5, n_factors=5)
    tgem.model.EpiAttention.setup_mudata(mdata, expression_key="expression")
    model = tgem.model.EpiAttention(mdata)
    model.train(max_epochs=2, **QUIET)
    expected = model.evaluate()
    assert expected.loc["all", "n_genes"] == len(model.test_indices)
    pd.testing.assert_frame_equal(model.evaluate(copied(mdata[::-1])), expected)
