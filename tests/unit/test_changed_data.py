"""Data that changed after training, or were normalised otherwise, are not predicted in silence."""

import warnings

import numpy as np
import pytest
import scanpy as sc

import tgem
from tgem._core.errors import ExpressionWarning, GeneAlignmentWarning, TrainingWarning
from tgem.model import TGEM


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model on disk, and the cells that it was trained on."""
    adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    TGEM.setup_anndata(adata, labels_key="cell_type")
    model = TGEM(adata)
    model.train(max_epochs=2, enable_progress_bar=False)
    folder = tmp_path_factory.mktemp("model") / "saved"
    model.save(folder)
    return folder, adata


@pytest.fixture
def own(saved):
    folder, adata = saved
    adata = adata.copy()
    return TGEM.load(folder, adata), adata


def dense(adata):
    return adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)


def test_z_scored_since_training(own):
    model, adata = own
    adata.X = dense(adata)
    sc.pp.scale(adata)
    before = set(adata.obs)
    for call in (lambda: tgem.tl.predict(adata, model), model.evaluate, model.predict):
        with pytest.raises(ValueError, match="z-scores"):
            call()
    assert set(adata.obs) == before


def test_genes_left_out_since_training(own):
    model, adata = own
    adata._inplace_subset_var(np.arange(40))
    with pytest.warns(GeneAlignmentWarning, match="40 of the model's 60 genes found"):
        found = model.predict(soft=True)
    with pytest.warns(GeneAlignmentWarning):
        expected = model.predict(adata.copy(), soft=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    adata._inplace_subset_var(np.arange(10))
    with pytest.raises(ValueError, match="at least 50%"):
        model.predict()


def test_cells_sorted_since_training(own):
    model, adata = own
    expected = model.evaluate()
    adata._inplace_subset_obs(np.random.default_rng(0).permutation(adata.n_obs))
    found = model.evaluate()
    assert (found["cells"], found["n_cells"]) == ("test", expected["n_cells"])
    assert found["accuracy"] == pytest.approx(expected["accuracy"])


def test_other_tools_follow_the_cells_too(own):
    model, adata = own
    test = set(adata.obs_names[model.test_indices])
    adata._inplace_subset_obs(np.random.default_rng(0).permutation(adata.n_obs)[:150])
    tgem.tl.attention_necessity(adata, model)
    assert set(adata.obs_names[model.test_indices]) == test & set(adata.obs_names)
    tgem.tl.confusion(adata, model)
    n_test = len(test & set(adata.obs_names))
    assert adata.uns["tgem_confusion_params"]["n_cells"] == n_test


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(np.log1p, id="logarithms twice"),
        pytest.param(lambda values: np.log1p(100 * np.expm1(values)), id="another total"),
    ],
)
def test_another_normalisation(own, change):
    model, adata = own
    query = adata.copy()
    query.X = change(dense(query))
    with pytest.warns(ExpressionWarning, match="times what it does in the training cells"):
        model.predict(query)
    query.X = dense(adata)
    model.predict(query)


def test_unchanged_data_bring_no_warning(own):
    model, adata = own
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tgem.tl.predict(adata, model)
        model.evaluate()


def test_genes_missing_when_a_model_is_loaded(saved):
    folder, adata = saved
    with pytest.warns(GeneAlignmentWarning, match="Missing genes count as average") as caught:
        TGEM.load(folder, adata[:, :50].copy())
    assert not [each for each in caught if "not expressed" in str(each.message)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_gpu": True}, "accelerator='gpu'"),
        ({"learning_rate": 0.1}, "plan_kwargs"),
        ({"accelerator": "bogus"}, "accelerator='bogus'"),
        ({"enable_checkpointing": True}, r"model\.save"),
    ],
)
def test_trainer_arguments_are_checked_first(own, monkeypatch, arguments, message):
    model, _ = own

    def started(*_args, **_kwargs):
        pytest.fail("training has begun")

    monkeypatch.setattr(type(model), "_around_training", started)
    with pytest.raises((TypeError, ValueError), match=message):
        model.train(max_epochs=1, **arguments)


@pytest.mark.parametrize("dropout", [-0.1, 1, 3, "much"])
def test_dropout_is_a_share(own, dropout):
    _, adata = own
    with pytest.raises(ValueError, match="dropout"):
        TGEM(adata, dropout=dropout)


def test_a_category_for_unlabelled_cells_that_none_has(own):
    _, adata = own
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({"type_1": "Unknown"})
    with pytest.warns(TrainingWarning, match="Did you mean 'Unknown'"):
        TGEM.setup_anndata(adata, labels_key="cell_type", unlabeled_category="unknown")


def test_how_a_saved_model_was_set_up(saved, capsys):
    folder, _ = saved
    TGEM.view_setup_args(folder)
    assert "cell_type" in capsys.readouterr().out
    with pytest.raises(NotImplementedError, match=r"TGEM\.load"):
        TGEM.convert_legacy_save(folder, folder)
