"""Another data set is labelled after its shift against the training cells, and reported on."""

import re
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tgem
from tgem._core.errors import ExpressionWarning, GeneAlignmentWarning, TrainingWarning
from tgem.data._alignment import align_genes
from tgem.data._names import match_identifiers
from tgem.model.tgem._transfer_alignment import NewCells, find_shift
from tgem.model.tgem._transfer_judges import TEMPERATURE, combined, correlations, gene_weights

QUIET = {"enable_progress_bar": False}


@pytest.fixture(scope="module")
def source():
    """Simulated cells of four types to train on."""
    return tgem.datasets.synthetic_expression(n_obs=400, n_genes=80, effect=2.0, seed=0)


@pytest.fixture(scope="module")
def model(source):
    data = source[:250].copy()
    tgem.model.TGEM.setup_anndata(data, labels_key="cell_type")
    trained = tgem.model.TGEM(data)
    trained.train(max_epochs=2, **QUIET)
    trained.own_data = data  # which the model itself holds weakly
    return trained


@pytest.fixture
def shifted(source):
    """Other cells of the same simulation, each gene of two samples with a background of its own."""
    cells = source[250:].copy()
    background = np.abs(np.random.default_rng(1).normal(0, 4.0, (2, cells.n_vars)))
    sample = np.arange(cells.n_obs) % 2
    cells.X = sparse.csr_matrix((cells.X.toarray() + background[sample]).astype(np.float32))
    cells.obs["sample"] = np.array(["one", "two"])[sample]
    return cells


def accuracy(labels, cells):
    return float((np.asarray(labels) == cells.obs["cell_type"].astype(str).to_numpy()).mean())


@pytest.fixture(autouse=True)
def _no_totals():
    """The simulated background changes totals; that is tested by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExpressionWarning)
        yield


# -- the shift ------------------------------------------------------------------------------


def test_transfer_finds_labels_that_a_shift_hides(model, shifted):
    plain = accuracy(model.predict(shifted), shifted)
    found = model.transfer(shifted, batch_key="sample")
    assert accuracy(found.labels, shifted) > plain + 0.1


def test_without_a_shift_transfer_agrees_with_predict(model, source):
    cells = source[250:].copy()
    found = model.transfer(cells)
    assert accuracy(found.labels, cells) >= accuracy(model.predict(cells), cells) - 0.03
    assert found.report.loc["all", "shift"] < 0.2


def test_composition_is_not_taken_for_a_shift(model, source):
    cells = source[250:].copy()
    one = cells[(cells.obs["cell_type"] == cells.obs["cell_type"].iloc[0]).to_numpy()].copy()
    assert accuracy(model.transfer(one).labels, one) > 0.8


def test_data_and_model_are_not_changed(model, shifted):
    before, weights = shifted.copy(), model.module.state_dict()
    weights = {name: value.clone() for name, value in weights.items()}
    model.transfer(shifted, batch_key="sample", labels_key="cell_type")
    assert (before.X != shifted.X).nnz == 0
    assert list(before.uns) == list(shifted.uns)
    for name, value in model.module.state_dict().items():
        assert (value == weights[name]).all()


def test_batches_do_not_depend_on_each_other(model, shifted):
    both = model.transfer(shifted, batch_key="sample").probabilities
    one = shifted[shifted.obs["sample"] == "one"].copy()
    alone = model.transfer(one).probabilities
    # they stop together, so the last digits may differ
    assert (both.loc[one.obs_names].idxmax(axis=1) == alone.idxmax(axis=1)).mean() > 0.98


def test_labelled_cells_teach_what_a_type_looks_like_there(model, source):
    cells = source[100:].copy()
    own = cells.obs["cell_type"].astype(str).to_numpy()
    values = cells.X.toarray()
    of_type = own == "type_1"
    order = np.random.default_rng(2).permutation(cells.n_vars)
    values[of_type] = values[of_type][:, order]  # a type whose genes are others in these cells
    cells.X = sparse.csr_matrix(values)
    given = np.random.default_rng(0).random(cells.n_obs) < 0.4
    cells.obs["few"] = np.where(given, own, None)
    asked = of_type & ~given
    plain = model.transfer(cells).labels[asked]
    helped = model.transfer(cells, labels_key="few")
    assert (helped.labels[asked] == "type_1").mean() > (plain == "type_1").mean() + 0.1
    assert helped.report.loc["all", "n_labelled"] == given.sum()


def test_paper_preset(source, shifted):
    data = source[:250].copy()
    tgem.model.TGEM.setup_anndata(data, labels_key="cell_type")
    paper = tgem.model.TGEM(data, preset="paper", n_layers=1, n_heads=2)
    paper.train(max_epochs=3, **QUIET)
    found = paper.transfer(shifted, batch_key="sample")
    assert accuracy(found.labels, shifted) > accuracy(paper.predict(shifted), shifted)


# -- against plain loops --------------------------------------------------------------------


def test_correlations_are_pearsons(generator):
    levels, classes = generator.normal(size=(5, 9)), generator.normal(size=(3, 9))
    known = np.array([True, True, False])
    times = generator.integers(1, 4, 9)  # a gene of weight 2 counts as two genes
    found = correlations(levels, classes, known, times.astype(float))
    centre = classes[:2].mean(axis=0)
    for i in range(5):
        for c in range(2):
            cell = np.repeat(levels[i] - centre, times)
            expected = np.corrcoef(cell, np.repeat(classes[c] - centre, times))[0, 1]
            assert found[i, c] == pytest.approx(expected)
    assert (found[:, 2] == -1).all()


def test_genes_that_the_classifier_looks_at_count_more():
    found = gene_weights(np.array([[3.0, 0.0, 0.0, 0.3], [4.0, 0.0, 1.25, 0.4]]))
    np.testing.assert_allclose(found, [1, 0, 0.5, 0.1**0.5], atol=2e-3)
    assert found[1] > 0


def test_a_classifier_that_looks_at_no_gene():
    found = gene_weights(np.zeros((3, 4)))
    assert (found > 0).all()
    assert len(set(found)) == 1


def test_both_judges_count_alike():
    likeness, logits = np.array([[0.5, 0.3, -1.0]]), np.array([[2.0, 8.0, 90.0]])
    evidence = combined(likeness, logits, np.array([True, True, False]))
    np.testing.assert_allclose(
        evidence, [[0.25 / TEMPERATURE + 1, 0.15 / TEMPERATURE + 4, -np.inf]]
    )


def test_shift_by_a_plain_loop(generator):
    classes = generator.normal(size=(3, 12))
    shares = np.array([0.5, 0.3, 0.2])
    codes = generator.integers(0, 3, 60)
    cells = classes[codes] + 0.3 * generator.normal(size=(60, 12)) + 0.5
    weights = generator.normal(size=(12, 3))

    of_genes = gene_weights(weights.T)

    def scores(offsets, of_classes):
        moved = cells + offsets[0]
        known = np.ones(3, dtype=bool)
        return correlations(moved, of_classes, known, of_genes), moved @ weights

    new = NewCells(
        np.zeros(60, dtype=int),
        np.full(60, -1),
        cells.mean(0)[None],
        cells.var(0)[None],
        np.empty(0),
    )
    found = find_shift(
        new, classes, shares, scores=scores, weighted_sums=lambda weights: (weights @ cells)[None]
    )
    offset = np.zeros(12)
    evidence = scores(offset[None], classes)[0] / TEMPERATURE
    for _ in range(found.n_steps):
        p = np.exp(evidence - evidence.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        mixture = p.sum(0) + 0.05 * 60 * shares
        together = mixture / mixture.sum() @ classes - cells.mean(0)
        total, difference = 0.0, np.zeros(12)
        for c in range(3):
            n = p[:, c].sum()
            own = classes[c] - p[:, c] @ cells / n
            total += n / (n + 5)
            difference += n / (n + 5) * (n * own + 10 * together) / (n + 10)
        difference /= total
        noise = (cells.var(0) + 1 / 60).sum() / 60
        kept = max(0.0, 1 - noise / (difference @ difference))
        offset = kept * difference
        likeness, logits = scores(offset[None], classes)
        evidence = (likeness / TEMPERATURE + logits) / 2
    np.testing.assert_allclose(found.offsets[0], offset)
    assert found.kept[0] == pytest.approx(kept)


def test_classes_count_once_however_many_cells_they_have(generator):
    """A type that differs in its own way moves the others less than its share of the cells."""
    classes = 3 * generator.normal(size=(3, 40))
    codes = np.repeat([0, 1, 2], [400, 50, 50])
    own = np.zeros((3, 40))
    own[0, :10] = 1.0  # of the large class alone; all share 0.5 in the others
    own[:, 10:] = 0.5
    cells = classes[codes] + own[codes] + 0.1 * generator.normal(size=(500, 40))

    def scores(offsets, of_classes):
        moved = cells + offsets[0]
        like = correlations(moved, of_classes, np.ones(3, dtype=bool), np.ones(40))
        return like, moved @ classes.T

    new = NewCells(
        np.zeros(500, dtype=int),
        np.full(500, -1),
        cells.mean(0)[None],
        cells.var(0)[None],
        np.empty(0),
    )
    found = find_shift(
        new,
        classes,
        np.full(3, 1 / 3),
        scores=scores,
        weighted_sums=lambda weights: (weights @ cells)[None],
    )
    np.testing.assert_allclose(found.offsets[0, 10:], -0.5, atol=0.1)
    np.testing.assert_allclose(found.offsets[0, :10], -1 / 3, atol=0.15)  # not 0.8, its share


def test_a_single_cell_is_not_moved(model, source):
    found = model.transfer(source[250:251].copy())
    assert found.report.loc["all", "shift"] < 0.3
    assert found.report.loc["all", "shift_kept"] < 0.3
    assert np.isfinite(found.probabilities.to_numpy()).all()


# -- genes ----------------------------------------------------------------------------------


ENSEMBL = [f"ENSG{i:011d}" for i in range(80)]


def with_ids(cells, names, **columns):
    """The same cells under other gene names."""
    return ad.AnnData(cells.X.copy(), cells.obs, pd.DataFrame(columns, index=list(names)))


def test_identifiers_in_a_column(model, shifted):
    renamed = with_ids(shifted, ENSEMBL, symbol=shifted.var_names.to_numpy(), length=1.0)
    with pytest.warns(GeneAlignmentWarning, match=re.escape("by var['symbol']")):
        found = model.transfer(renamed)
    assert found.genes.matched_by == "var['symbol']"
    np.testing.assert_allclose(found.probabilities, model.transfer(shifted).probabilities)


def test_versions(source):
    versioned = [f"{name}.{i % 3}" for i, name in enumerate(ENSEMBL)]
    found = align_genes(ENSEMBL, pd.Index(versioned), "adata.X")
    assert not found.missing
    assert found.matched_by == "var_names without version suffixes"
    back = align_genes(versioned, pd.Index(ENSEMBL), "adata.X")
    np.testing.assert_array_equal(back.columns, np.arange(80))


def test_an_identifier_that_occurs_twice_finds_nothing():
    names = pd.Index(["a", "b", "b", "c"])
    columns, place = match_identifiers(pd.Index(["b", "c", "x"]), {"here": names})
    assert columns.tolist() == [-1, 3, -1]
    assert place == "here"


def test_names_come_first_where_they_find_enough():
    table = pd.DataFrame({"other": ["b", "a", "c"]}, index=["a", "b", "z"])
    found = align_genes(["a", "b", "c"], table.index, "adata.X", table=table)
    assert found.columns.tolist() == [0, 1, -1]
    assert found.matched_by == "var_names"


def test_another_species_is_refused(model, shifted):
    lower = with_ids(shifted, [name.lower() + "x" for name in shifted.var_names])
    with pytest.raises(ValueError, match="same species"):
        model.transfer(lower)


def test_missing_genes_are_reported(model, shifted):
    kept = np.sort(np.random.default_rng(0).permutation(80)[:56])
    with pytest.warns(GeneAlignmentWarning, match="count as average"):
        found = model.transfer(shifted[:, kept].copy(), batch_key="sample")
    assert len(found.genes.missing) == 24
    assert 0 < found.weight_found < 1
    assert "56 of the model's 80" in str(found)


# -- wrong input ----------------------------------------------------------------------------


def test_a_cell_without_batch(model, shifted):
    shifted.obs.iloc[3, shifted.obs.columns.get_loc("sample")] = None
    with pytest.raises(ValueError, match="1 of 150 missing"):
        model.transfer(shifted, batch_key="sample")


def test_batches_of_one_name_are_one(model, shifted):
    number = np.arange(shifted.n_obs) % 2
    shifted.obs["batch"] = pd.Series([1 if n else "1" for n in number], index=shifted.obs_names)
    shifted.obs["batch"] = shifted.obs["batch"].astype(object)
    assert list(model.transfer(shifted, batch_key="batch").report.index) == ["1"]


def test_unknown_columns(model, shifted):
    with pytest.raises(KeyError, match="nonsense"):
        model.transfer(shifted, batch_key="nonsense")
    with pytest.raises(KeyError, match="nonsense"):
        model.transfer(shifted, labels_key="nonsense")


def test_labels_of_another_vocabulary(model, shifted):
    with pytest.raises(ValueError, match="'one'"):
        model.transfer(shifted, labels_key="sample")
    mixed = shifted.obs["cell_type"].astype(str).to_numpy().copy()
    mixed[:7] = "platelet"
    shifted.obs["mixed"] = mixed
    with pytest.warns(TrainingWarning, match=r"7 cells .* 'platelet'"):
        model.transfer(shifted, labels_key="mixed")


def test_counts_are_refused(model, shifted):
    shifted.X = sparse.csr_matrix(np.rint(np.expm1(shifted.X.toarray())))
    with pytest.raises(ValueError, match="raw counts"):
        model.transfer(shifted)


def test_another_total_is_said(model, source):
    cells = source[250:].copy()
    cells.X = sparse.csr_matrix(np.log1p(np.expm1(cells.X.toarray()) * 20))
    with pytest.warns(ExpressionWarning, match="times what it does in the training"):
        model.transfer(cells)


def test_untrained(source):
    data = source.copy()
    tgem.model.TGEM.setup_anndata(data, labels_key="cell_type")
    with pytest.raises(RuntimeError, match="train"):
        tgem.model.TGEM(data).transfer(data)


# -- saving, and the tool -------------------------------------------------------------------


def test_saved_and_loaded(model, shifted, tmp_path):
    model.save(tmp_path / "model")
    loaded = tgem.model.TGEM.load(tmp_path / "model")
    again = loaded.transfer(shifted, batch_key="sample")
    expected = model.transfer(shifted, batch_key="sample")
    pd.testing.assert_frame_equal(again.probabilities, expected.probabilities)
    np.testing.assert_array_equal(again.latent, expected.latent)


def test_folders_of_earlier_versions(model, shifted, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "_of_training", None)
    model.save(tmp_path / "model")
    loaded = tgem.model.TGEM.load(tmp_path / "model")
    assert len(loaded.predict(shifted)) == shifted.n_obs
    with pytest.raises(ValueError, match="earlier version"):
        loaded.transfer(shifted)


def test_tool_writes_what_the_model_returns(model, shifted, tmp_path):
    found = model.transfer(shifted, batch_key="sample")
    written = tgem.tl.transfer(shifted, model, batch_key="sample", key_added="x", copy=True)
    assert "x_prediction" not in shifted.obs
    assert written.obs["x_prediction"].tolist() == found.labels.tolist()
    np.testing.assert_allclose(
        written.obs["x_confidence"], found.probabilities.max(axis=1), rtol=1e-5
    )
    np.testing.assert_array_equal(written.obsm["X_x"], found.latent)
    assert list(written.uns["x_transfer"].index) == ["one", "two"]
    np.testing.assert_allclose(written.uns["x_transfer_composition"].sum(axis=1), 1)
    assert written.uns["x_transfer_params"]["matched_by"] == "var_names"
    written.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    pd.testing.assert_frame_equal(
        back.uns["x_transfer"], written.uns["x_transfer"], check_dtype=False, check_names=False
    )


def test_slots_of_an_earlier_prediction_do_not_stay(model, shifted, source):
    cells = shifted.copy()
    tgem.tl.predict(cells, model)
    cells.uns["tgem_prediction_colors"] = ["#000000"] * len(model.classes)
    assert "tgem_novelty" in cells.obs
    tgem.tl.transfer(cells, model, batch_key="sample")
    assert "tgem_novelty" not in cells.obs  # of the cells before the shift
    assert "tgem_prediction_colors" not in cells.uns  # this model has no colours
    cells.uns["tgem_prediction_colors"] = ["#000000"] * len(model.classes)
    tgem.tl.predict(cells, model)
    assert "tgem_prediction_colors" not in cells.uns
