"""Classifiers know how far to trust them: confidence, unknown cells, sets of labels."""

import hashlib
import json

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

import tgem
from tgem.model import TGEM
from tgem.model._base._calibration import fit_temperature

QUIET = {"enable_progress_bar": False}
LEFT_OUT = "type_4"
SCORES = (
    "expected_calibration_error",
    "expected_calibration_error_floor",
    "brier_score",
    "log_likelihood",
)


def simulated(**options):
    return tgem.datasets.synthetic_expression(
        n_obs=400, n_genes=60, **({"effect": 2.0, "seed": 0} | options)
    )


def fitted(adata, preset="default", **options):
    TGEM.setup_anndata(adata, labels_key="cell_type")
    model = TGEM(adata, preset=preset)
    model.train(**({"max_epochs": 4} | options), **QUIET)
    return model


@pytest.fixture(scope="module")
def without_validation():
    adata = simulated()
    return fitted(adata, train_size=0.8, validation_size=0.0), adata


@pytest.fixture(scope="module")
def three_types():
    """A model of three of four types, its data, and cells of the fourth."""
    adata = simulated(effect=3.0)
    is_known = (adata.obs["cell_type"] != LEFT_OUT).to_numpy()
    known, unseen = adata[is_known].copy(), adata[~is_known].copy()
    return fitted(known, train_size=0.6, validation_size=0.2), known, unseen


@pytest.fixture
def adata(trained):
    return trained[1].copy()


# -- confidence -----------------------------------------------------------------------------


def test_probabilities_are_those_of_logits_over_the_temperature(trained):
    model, _ = trained
    calibration = model.calibration
    assert calibration.n_cells == len(model.validation_indices) >= 30
    assert calibration.temperature != 1
    assert f"{calibration.temperature:.2f}" in str(calibration)
    p = model.predict(soft=True).to_numpy()
    logits = model._outputs(None, None, None)
    assert p == pytest.approx(softmax(logits / calibration.temperature, axis=1), abs=1e-6)
    assert (model.predict() == model.classes[logits.argmax(axis=1)]).all()


def test_altered_cells_and_other_maps_get_calibrated_probabilities(trained):
    model, data = trained
    p = model.predict(data, soft=True)
    again = model.predict_expression(model.get_expression(data))
    np.testing.assert_allclose(again, p, atol=1e-6)
    own = model.get_attention_ladder(data).log_probability["own"]
    np.testing.assert_allclose(np.exp(own), p, atol=1e-6)


def test_evaluation_agrees_with_independent_scores(trained):
    model, data = trained
    found = model.evaluate()
    cells = model.test_indices
    p = model.predict(indices=cells, soft=True).to_numpy(dtype=float)
    true = data.obs["cell_type"].to_numpy()[cells]
    codes = np.array([list(model.classes).index(label) for label in true])
    own = p[np.arange(len(p)), codes]
    assert found["log_likelihood"] == pytest.approx(np.log(own).mean(), abs=1e-5)
    brier = ((p - np.eye(4)[codes]) ** 2).sum(axis=1).mean()
    assert found["brier_score"] == pytest.approx(brier, abs=1e-5)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == codes
    error = 0.0
    for low in np.arange(15) / 15:
        within = (confidence > low) & (confidence <= low + 1 / 15)
        if within.any():
            error += within.mean() * abs(confidence[within].mean() - right[within].mean())
    assert found["expected_calibration_error"] == pytest.approx(error, abs=1e-5)
    generator = np.random.default_rng(7)
    floor = found["expected_calibration_error_floor"]
    assert floor == model.evaluate()["expected_calibration_error_floor"]
    draws = generator.random((2000, len(p))) < confidence
    bins = np.ceil(confidence * 15)
    gaps = sum(
        np.abs((draws[:, bins == each] - confidence[bins == each]).sum(axis=1))
        for each in np.unique(bins)
    )
    assert floor == pytest.approx((gaps / len(p)).mean(), rel=0.2)


def test_temperature_follows_the_validation_cells():
    # of half of the validation cells the labels are wrong: no more than half the confidence is due
    adata = simulated(effect=3.0)
    parts = np.tile(["train", "train", "validation", "test"], 100)
    adata.obs["part"] = parts
    labels = adata.obs["cell_type"].astype(str).to_numpy()
    held = np.flatnonzero(parts == "validation")[::2]
    labels[held] = np.roll(labels[held], 7)
    adata.obs["cell_type"] = pd.Categorical(labels)
    model = fitted(adata, max_epochs=1, split_key="part")
    assert model.calibration.n_cells == 100
    cells = model.validation_indices
    logits = model._outputs(None, cells, None)
    codes = np.array([list(model.classes).index(label) for label in labels[cells]])
    alone = fit_temperature(logits, codes)
    # the training cells that have set the scale before do not say so
    assert 1.1 < model.calibration.temperature < alone - 0.1
    paper = fitted(adata, preset="paper", max_epochs=1, split_key="part")
    logits = paper._outputs(None, cells, None)
    assert paper.calibration.temperature == pytest.approx(fit_temperature(logits, codes))


def test_without_validation_cells_there_is_a_reason(without_validation):
    model, _ = without_validation
    assert model.calibration.temperature == 1
    assert "without validation cells" in str(model.calibration)
    assert set(SCORES) <= set(model.evaluate())
    assert model.predict(soft=True).to_numpy().sum(axis=1) == pytest.approx(1, abs=1e-5)


# -- allowed labels -------------------------------------------------------------------------


def test_only_allowed_labels_appear(trained):
    model, _ = trained
    allowed = ["type_3", "type_1"]
    assert set(model.predict(allowed=allowed)) == set(allowed)
    p, restricted = model.predict(soft=True), model.predict(soft=True, allowed=allowed)
    assert (restricted.drop(columns=allowed) == 0).all(axis=None)
    kept = p[allowed].div(p[allowed].sum(axis=1), axis=0)
    assert restricted[allowed].to_numpy() == pytest.approx(kept.to_numpy(), abs=1e-5)
    assert set(model.predict(allowed="type_2")) == {"type_2"}
    uniform = model.predict(allowed=allowed, ablate_attention="uniform")
    assert set(uniform) <= set(allowed)


@pytest.mark.parametrize("allowed", [["type_1", "monocyte"], [], "monocyte"])
def test_labels_that_do_not_exist_are_refused(trained, allowed):
    model, _ = trained
    with pytest.raises(ValueError, match=r"`allowed`.*'type_4'"):
        model.predict(allowed=allowed)


# -- unknown cells --------------------------------------------------------------------------


def test_cells_of_an_unseen_type_are_told_from_known_ones(three_types):
    model, known, unseen = three_types
    held_out = model.get_novelty(indices=model.test_indices)
    new = model.get_novelty(unseen)
    scores = np.concatenate([held_out, new])
    assert roc_auc_score(np.repeat([0, 1], [len(held_out), len(new)]), scores) > 0.9
    labels = model.predict(unseen, reject="auto")
    assert (labels == "Unknown").mean() > 0.5
    assert set(labels[labels != "Unknown"]) <= set(model.classes)
    assert (model.predict(known, model.test_indices, reject="auto") == "Unknown").mean() < 0.2


def test_threshold_lets_the_promised_share_of_validation_cells_pass(three_types):
    model, _, _ = three_types
    novelty = model.get_novelty(indices=model.validation_indices)
    for share in (0.5, 0.9, 0.95):
        threshold = model.get_novelty_threshold(share)
        assert (novelty <= threshold + 1e-6).mean() >= share
        assert threshold in novelty
    assert model.get_rejection_threshold() == model.get_novelty_threshold(0.95)


def test_rejection_is_by_the_number_given(three_types):
    model, _, _ = three_types
    novelty = model.get_novelty()
    middle = float(np.median(novelty))
    assert ((model.predict(reject=middle) == "Unknown") == (novelty > middle)).all()
    assert (model.predict(reject=np.inf) == model.predict()).all()
    both = model.predict(reject=middle, allowed=["type_1", "type_2"])
    assert set(both) == {"type_1", "type_2", "Unknown"}


def test_novelty_needs_neither_order_nor_company(three_types):
    model, _, unseen = three_types
    novelty = model.get_novelty(unseen)
    assert novelty.dtype == np.float32
    turned = unseen[:, ::-1].copy()
    assert model.get_novelty(turned) == pytest.approx(novelty, abs=1e-4)
    some = model.get_novelty(unseen, [5, 2], batch_size=1)
    assert some == pytest.approx(novelty[[5, 2]], abs=1e-4)
    assert len(model.get_novelty(unseen, [])) == 0
    others = turned[:, :2].copy()
    others.var_names = ["other_1", "other_2"]
    extra = anndata.concat([unseen, others], axis="var")
    assert model.get_novelty(extra) == pytest.approx(novelty, abs=1e-4)


@pytest.mark.parametrize("reject", ["always", True, np.nan, [1.0]])
def test_thresholds_that_are_none_are_refused(three_types, reject):
    model, _, _ = three_types
    with pytest.raises(ValueError, match="`reject`"):
        model.predict(reject=reject)


def test_probabilities_are_not_rejected(three_types):
    model, _, _ = three_types
    with pytest.raises(ValueError, match="get_novelty"):
        model.predict(soft=True, reject="auto")


def test_a_class_of_that_name_is_in_the_way():
    adata = simulated()
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({"type_1": "Unknown"})
    model = fitted(adata, max_epochs=1)
    with pytest.raises(ValueError, match="unlabeled_category='Unknown'"):
        model.predict(reject="auto")
    assert len(model.predict()) == 400
    tgem.tl.predict(adata, model)
    assert "tgem_novelty" in adata.obs


def test_what_needs_validation_cells_says_how_to_have_some(without_validation):
    model, adata = without_validation
    for call in (
        lambda: model.predict(reject="auto"),
        model.predict_sets,
        model.get_novelty_threshold,
        lambda: tgem.tl.predict(adata, model, reject="auto"),
        lambda: tgem.tl.prediction_sets(adata, model),
    ):
        with pytest.raises(ValueError, match="validation_size"):
            call()
    assert not [name for name in (*adata.obs, *adata.obsm, *adata.uns) if "tgem" in str(name)]
    assert model.has_novelty
    assert set(model.predict(reject=1e9)) <= set(model.classes)


def test_an_untrained_model_says_so(tiny_adata):
    TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
    model = TGEM(tiny_adata)
    for call in (
        model.get_novelty,
        model.get_novelty_threshold,
        model.get_rejection_threshold,
        model.predict_sets,
        model.get_calibration_curve,
        lambda: model.predict(reject="auto"),
    ):
        with pytest.raises(RuntimeError, match="not trained"):
            call()


# -- sets of labels -------------------------------------------------------------------------


def test_sets_cover_cells_that_were_not_trained_on():
    adata = tgem.datasets.synthetic_expression(n_obs=1500, n_genes=40, effect=0.6, seed=3)
    model = fitted(adata, max_epochs=2, train_size=0.3, validation_size=0.35)
    true = adata.obs["cell_type"].to_numpy()
    own = np.array([list(model.classes).index(label) for label in true])
    sizes = []
    for alpha in (0.05, 0.1, 0.3):
        sets = model.predict_sets(alpha=alpha).to_numpy()
        covered = sets[np.arange(1500), own]
        sizes.append(sets.sum(axis=1).mean())
        n_test = len(model.test_indices)
        slack = 4 * np.sqrt(2 * alpha * (1 - alpha) / n_test)
        assert covered[model.test_indices].mean() > 1 - alpha - slack
        assert covered[model.validation_indices].mean() >= 1 - alpha
        if sizes[-1] > 2:  # the classes are hard to tell: no set is filled up
            assert covered[model.test_indices].mean() < 1 - alpha + slack
    assert sizes[0] > sizes[1] > sizes[2] >= 1
    assert sizes[1] > 2


def test_sets_hold_the_prediction_and_grow_with_the_promise(trained):
    model, data = trained
    small, large = (model.predict_sets(data, [4, 2, 9], alpha=a) for a in (0.5, 0.05))
    assert small.index.tolist() == data.obs_names[[4, 2, 9]].tolist()
    assert small.columns.tolist() == list(model.classes)
    assert small.to_numpy().dtype == bool
    assert not (small & ~large).any(axis=None)
    for cell, label in enumerate(model.predict(data, [4, 2, 9])):
        assert small.iloc[cell][label]


@pytest.mark.parametrize("alpha", [0, 1, -0.1, True])
def test_promises_that_are_none_are_refused(trained, alpha):
    with pytest.raises(ValueError, match="between 0 and 1"):
        trained[0].predict_sets(alpha=alpha)


def test_too_few_validation_cells_for_a_promise_are_counted(trained):
    model, _ = trained
    with pytest.raises(ValueError, match=r"at least 999 .* found 32.*validation_size"):
        model.predict_sets(alpha=0.001)
    with pytest.raises(ValueError, match="at least 999 validation cells"):
        model.get_novelty_threshold(0.999)


# -- saving ---------------------------------------------------------------------------------


def test_a_loaded_model_trusts_itself_as_far(three_types, tmp_path):
    model, _, unseen = three_types
    model.save(tmp_path / "model")
    loaded = TGEM.load(tmp_path / "model")
    assert loaded.calibration == model.calibration
    assert np.array_equal(loaded.get_novelty(unseen), model.get_novelty(unseen))
    assert loaded.get_novelty_threshold() == model.get_novelty_threshold()
    assert (loaded.predict(unseen, reject="auto") == model.predict(unseen, reject="auto")).all()
    assert loaded.predict_sets(unseen).equals(model.predict_sets(unseen))
    assert loaded.predict(unseen, soft=True).equals(model.predict(unseen, soft=True))


def test_models_of_earlier_versions_predict(trained, tmp_path, adata):
    model, _ = trained
    folder = tmp_path / "model"
    model.save(folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: each for name, each in weights.items() if not name.startswith("beside_weights.")},
        folder / "model.safetensors",
    )
    described = json.loads((folder / "model.json").read_text())
    del described["beside_weights"]
    described["format_version"] = 1
    content = (folder / "model.safetensors").read_bytes()
    described["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(described))
    old = TGEM.load(folder)
    assert old.calibration.temperature == 1
    assert "earlier version" in str(old.calibration)
    assert (old.predict(adata) == model.predict()).all()
    before, after = (each.get_attributions(adata, [0, 1]).values for each in (old, model))
    assert abs(before - after).max() == 0  # of the logits, which no temperature divides
    with pytest.raises(ValueError, match="earlier version"):
        old.get_novelty(adata)
    with pytest.raises(ValueError, match="earlier version"):
        old.predict(adata, reject=1.0)
    tgem.tl.predict(adata, old)
    assert "tgem_prediction" in adata.obs
    assert "tgem_novelty" not in adata.obs
    assert not old.has_novelty


def test_the_same_seed_gives_the_same_trust():
    first, again = (fitted(simulated(), max_epochs=1, seed=5) for _ in range(2))
    assert first.calibration == again.calibration
    assert np.array_equal(first.get_novelty(), again.get_novelty())


# -- tools ----------------------------------------------------------------------------------


def test_predict_writes_novelty_and_unknown(three_types, tmp_path):
    model, _, unseen = three_types
    adata = unseen.copy()
    before = adata.X.copy()
    assert tgem.tl.predict(adata, model, reject="auto") is None
    assert abs(adata.X - before).max() == 0
    prediction = adata.obs["tgem_prediction"]
    assert list(prediction.cat.categories) == [*model.classes, "Unknown"]
    assert (prediction == model.predict(unseen, reject="auto")).all()
    assert np.array_equal(adata.obs["tgem_novelty"], model.get_novelty(unseen))
    assert adata.obs["tgem_novelty"].dtype == adata.obs["tgem_confidence"].dtype == np.float32
    confidence = adata.obsm["tgem_probability"].max(axis=1)
    assert adata.obs["tgem_confidence"].to_numpy() == pytest.approx(confidence.to_numpy())
    params = adata.uns["tgem_prediction_params"]
    assert params["novelty_threshold"] == model.get_novelty_threshold()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert (again.obs["tgem_prediction"] == prediction).all()


def test_predict_gives_unknown_a_colour(three_types):
    _, known, unseen = three_types
    colored = known.copy()
    colored.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    colored.obs["cell_type"] = colored.obs["cell_type"].cat.remove_unused_categories()
    other = fitted(colored, max_epochs=1, train_size=0.6, validation_size=0.2)
    changed = tgem.tl.predict(unseen, other, reject="auto", key_added="new", copy=True)
    assert len(changed.uns["new_prediction_colors"]) == 4
    assert "new_novelty" in changed.obs
    assert "new_novelty" not in unseen.obs
    plain = tgem.tl.predict(unseen, other, allowed=["type_1", "type_2"], copy=True)
    assert set(plain.obs["tgem_prediction"]) <= {"type_1", "type_2"}
    assert len(plain.uns["tgem_prediction_colors"]) == 3
    assert list(plain.uns["tgem_prediction_params"]["allowed"]) == ["type_1", "type_2"]


def test_sets_are_written(trained, adata, tmp_path):
    model, _ = trained
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(lambda name: name + "/x")
    TGEM.setup_anndata(adata, labels_key="cell_type")
    model = TGEM(adata)
    model.train(max_epochs=1, **QUIET)
    tgem.tl.prediction_sets(adata, model, alpha=0.2)
    written = adata.obsm["tgem_prediction_set"]
    assert np.array_equal(written.to_numpy(), model.predict_sets(alpha=0.2).to_numpy())
    assert list(written) == ["type_1|x", "type_2|x", "type_3|x", "type_4|x"]
    assert (adata.obs["tgem_prediction_set_size"] == written.sum(axis=1)).all()
    assert adata.uns["tgem_prediction_set_params"]["alpha"] == 0.2
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert (again.obsm["tgem_prediction_set"] == written).all(axis=None)


def test_calibration_is_written(trained, adata, tmp_path):
    model, _ = trained
    tgem.tl.calibration(adata, model, n_bins=5)
    table = adata.uns["tgem_calibration"]
    everything = table[table["class"] == "(all)"]
    others = table[table["class"] != "(all)"]
    assert everything["n_cells"].sum() == others["n_cells"].sum() == len(model.test_indices)
    n_right = (everything["accuracy"] * everything["n_cells"]).sum()
    scores = model.evaluate()
    assert n_right / len(model.test_indices) == pytest.approx(scores["accuracy"])
    params = adata.uns["tgem_calibration_params"]
    assert {name: params[name] for name in SCORES} == {name: scores[name] for name in SCORES}
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    tgem.pl.calibration(again, show=False)
    plt.close("all")
    with pytest.raises(ValueError, match="n_bins"):
        tgem.tl.calibration(adata, model, n_bins=0)


# -- plot -----------------------------------------------------------------------------------


def test_diagram_shows_the_table(trained, adata):
    model, _ = trained
    tgem.tl.calibration(adata, model)
    table = adata.uns["tgem_calibration"]
    rows = table[table["class"] == "(all)"]
    axes = tgem.pl.calibration(adata, show=False)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == 1
    assert np.column_stack(dots[0].get_data()) == pytest.approx(
        rows[["confidence", "accuracy"]].to_numpy()
    )
    heights = np.array([bar.get_height() for bar in axes.patches])
    assert heights / heights.sum() == pytest.approx(rows["n_cells"] / rows["n_cells"].sum())
    assert f"{len(model.test_indices)} cells" in axes.get_title()
    one, two = tgem.pl.calibration(adata, classes=["type_2", "type_1"], show=False)
    assert one.get_title().startswith("type_2")
    assert two.get_title().startswith("type_1")
    _, given = plt.subplots()
    assert tgem.pl.calibration(adata, classes="type_1", ax=given, show=False) is given
    with pytest.raises(ValueError, match="type_1"):
        tgem.pl.calibration(adata, classes="monocyte", show=False)
    with pytest.raises(ValueError, match="one panel"):
        tgem.pl.calibration(adata, classes=["type_1", "type_2"], ax=given)
    plt.close("all")


def test_diagram_needs_its_table(tiny_adata):
    with pytest.raises(KeyError, match=r"tgem\.tl\.calibration"):
        tgem.pl.calibration(tiny_adata)
