"""Where the default network starts: a linear classifier, and contexts only if they hold up."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

import tgem
from tgem.model.tgem._context_gain import context_gain
from tgem.model.tgem._linear_classifiers import LOWEST, Regression, coordinates
from tgem.model.tgem._linear_start import draw, linear_start, most_tuned, stack
from tgem.model.tgem._tuned_ridge import log_likelihood, tuned_ridge


def simulated(n_obs, n_genes, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_obs) % n_classes
    centres = rng.normal(size=(n_classes, n_genes))
    levels = centres[codes] + 2 * rng.normal(size=(n_obs, n_genes))
    return levels.astype(np.float32), codes


class TestLinearStart:
    @pytest.mark.parametrize("n_genes", [10, 300])
    def test_the_turn_to_the_span_of_the_cells_changes_nothing(self, n_genes):
        levels, codes = simulated(120, n_genes, 3)
        space = coordinates(levels, np.linspace(0.5, 2, n_genes))
        found = space.of_levels(Regression(3, tolerance=1e-6).fit(space.values, codes, 0.1))
        values = levels * space.scale
        plain = LogisticRegression(C=0.1, tol=1e-6, max_iter=1000).fit(values, codes)
        np.testing.assert_allclose(found.weight, plain.coef_ * space.scale, atol=2e-4)

    def test_stack_is_the_best_sum(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 3, 500)
        good, noise = 4.0 * np.eye(3)[codes] + rng.normal(size=(2, 500, 3)) * [[[3.0]], [[50.0]]]
        shares = stack([good, noise], codes)
        assert (shares >= 0).all()
        best = log_likelihood(shares[0] * good + shares[1] * noise, codes)
        for change in ([-0.02, 0], [0.02, 0], [0, 0.02]):
            other = np.add(shares, change)
            assert log_likelihood(other[0] * good + other[1] * noise, codes) < best

    def test_predicts_as_well_as_the_best_penalty(self):
        levels, codes = simulated(400, 60, 4)
        start = linear_start(levels[:200], np.ones(60), codes[:200], n_classes=4, seed=0)
        predicted = levels[200:] @ start.of_all.weight.T + start.of_all.bias
        accuracy = np.mean(predicted.argmax(1) == codes[200:])
        best = max(
            LogisticRegression(C=c, max_iter=500)
            .fit(levels[:200], codes[:200])
            .score(levels[200:], codes[200:])
            for c in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        )
        assert accuracy >= best - 0.03

    def test_held_out_cells_are_not_fitted(self):
        levels, codes = simulated(200, 20, 4)
        start = linear_start(levels, np.ones(20), codes, n_classes=4, seed=3)
        np.testing.assert_array_equal(np.bincount(codes[start.held_out]), [10, 10, 10, 10])
        changed = levels.copy()
        changed[start.held_out] += 1e-3  # too little for another penalty
        again = linear_start(changed, np.ones(20), codes, n_classes=4, seed=3)
        np.testing.assert_allclose(again.of_rest.weight, start.of_rest.weight, rtol=0.01, atol=1e-3)
        assert not np.allclose(start.of_rest.weight, start.of_all.weight, rtol=0.01, atol=1e-3)

    def test_genes_that_vary_more_may_weigh_more(self):
        """All classes differ in the one gene that varies much; levels hide which that is."""
        rng = np.random.default_rng(0)
        codes = np.arange(60) % 2
        levels = rng.normal(size=(60, 400))
        levels[:, 0] += 1.5 * codes
        levels = ((levels - levels.mean(0)) / levels.std(0)).astype(np.float32)
        deviation = np.where(np.arange(400) == 0, 4.0, 0.1)
        told = linear_start(levels, deviation, codes, n_classes=2, seed=0)
        assert np.abs(told.of_all.weight[1]).argmax() == 0

    def test_a_class_without_cells(self):
        levels, codes = simulated(60, 8, 3)
        start = linear_start(levels, np.ones(8), 2 * codes, n_classes=5, seed=0)
        np.testing.assert_array_equal(start.of_all.bias[[1, 3]], [LOWEST, LOWEST])
        assert not start.of_all.weight[[1, 3]].any()

    def test_classes_of_one_cell_change_nothing_for_the_others(self):
        levels, codes = simulated(150, 20, 3)
        rare = np.random.default_rng(5).normal(size=(4, 20)).astype(np.float32)
        alone = linear_start(levels, np.ones(20), codes, n_classes=7, seed=0)
        both = linear_start(
            np.concatenate([levels, rare]),
            np.ones(20),
            np.concatenate([codes, [3, 4, 5, 6]]),
            n_classes=7,
            seed=0,
        )
        assert not set(both.held_out) & set(range(150, 154))
        confidence = [
            softmax(start.of_all.logits(levels), axis=1).max(1).mean() for start in (alone, both)
        ]
        assert confidence[1] > confidence[0] - 0.07

    def test_few_cells_told_apart_keep_finite_weights(self):
        codes = np.arange(30) % 3
        shares = stack([5.0 * np.eye(3)[codes], np.eye(3)[codes]], codes)
        assert shares.max() < 3

    def test_rare_classes_are_drawn_first(self):
        codes = np.r_[np.zeros(5000, dtype=int), np.ones(6, dtype=int)]
        drawn = draw(codes, 100, np.random.default_rng(0))
        assert len(drawn) == 100
        assert (codes[drawn] == 1).sum() == 6

    def test_cells_that_are_all_alike(self):
        codes = np.arange(40) % 2
        start = linear_start(np.zeros((40, 90)), np.zeros(90), codes, n_classes=2, seed=0)
        assert not start.of_all.weight.any()

    @pytest.mark.parametrize("codes", [[0, 1], [0, 0, 1], [0, 1, 2, 3], [0, 0, 0, 0, 0, 0, 1]])
    def test_very_few_cells(self, codes):
        levels = np.random.default_rng(0).normal(size=(len(codes), 5)).astype(np.float32)
        start = linear_start(levels, np.ones(5), np.array(codes), n_classes=4, seed=0)
        assert np.isfinite(start.of_all.weight).all()
        rest = np.delete(np.array(codes), start.held_out)
        assert len(np.unique(rest)) > 1 or not len(start.held_out)


class TestContextGain:
    def test_contexts_that_know_more(self):
        codes = np.arange(200) % 2
        linear = np.zeros((200, 2))
        gain = context_gain(linear, 3.0 * np.eye(2)[codes], codes)
        assert gain.weight > 1.5
        assert gain.log_likelihood > 0.5
        assert "weight" in str(gain)

    def test_contexts_of_noise_are_set_aside(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 3, 100)
        gain = context_gain(rng.normal(size=(100, 3)), rng.normal(size=(100, 3)), codes)
        assert gain.weight == 0
        assert "set aside" in str(gain)

    def test_overconfident_contexts_count_less(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 2, 2000)
        right = np.where(rng.random(2000) < 0.75, codes, 1 - codes)
        gain = context_gain(np.zeros((2000, 2)), 10.0 * np.eye(2)[right], codes)
        # three of four are right: a difference of log 3
        assert gain.weight == pytest.approx(np.log(3) / 10, rel=0.1)

    def test_the_weight_of_noise_is_rarely_told_from_zero(self):
        rng = np.random.default_rng(0)
        draws = rng.normal(size=(400, 2, 60, 3))
        codes = rng.integers(0, 3, 60)
        counted = [context_gain(linear, contexts, codes).weight > 0 for linear, contexts in draws]
        assert np.mean(counted) < 0.05  # 0.025 where the linear classifier is right

    def test_the_score_test_agrees_with_the_exact_one(self):
        """Two classes, no linear evidence: the slope is a mean of signs, whose test is known."""
        contexts = np.tile([1.0, 0.0], (100, 1))
        for n_right, counts in ((61, True), (59, False)):  # 60 of 100 are two standard errors
            codes = np.r_[np.zeros(n_right, dtype=int), np.ones(100 - n_right, dtype=int)]
            assert (context_gain(np.zeros((100, 2)), contexts, codes).weight > 0) is counts

    def test_no_cell(self):
        assert context_gain(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int)).weight == 0


class TestModel:
    @pytest.fixture
    def adata(self):
        adata = tgem.datasets.synthetic_expression(200, 60, seed=1)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        return adata

    def test_a_linear_classifier_where_attention_adds_nothing(self, adata, tmp_path):
        model = tgem.model.TGEM(adata, n_heads=2)
        assert model.attention_gain is None
        model.train(max_epochs=3, enable_progress_bar=False)
        assert len(model.train_indices) == 160
        gain = model.attention_gain
        assert gain.weight == 0
        assert "set aside" in repr(model)
        own = model.predict(soft=True)
        np.testing.assert_allclose(model.predict(soft=True, ablate_attention="uniform"), own)
        ladder = model.get_attention_ladder().log_probability
        for maps in ladder:
            np.testing.assert_array_equal(ladder[maps], ladder["own"])
        model.save(tmp_path / "model")
        assert tgem.model.TGEM.load(tmp_path / "model").attention_gain == gain

    def test_a_second_call_starts_from_the_cells_of_its_own_split(self, adata):
        model = tgem.model.TGEM(adata, n_heads=2)
        model.train(max_epochs=1, enable_progress_bar=False)
        first = model.get_class_attention()
        model.train(max_epochs=1, enable_progress_bar=False)
        np.testing.assert_allclose(model.get_class_attention(), first)

    def test_the_published_network_is_not_weighed(self, adata):
        model = tgem.model.TGEM(adata, preset="paper", n_layers=1, n_heads=1)
        model.train(max_epochs=1, enable_progress_bar=False)
        assert model.attention_gain is None
        assert "attention:" not in repr(model)

    def test_an_interrupted_training_is_finished(self, adata):
        from lightning.pytorch import Callback

        class Interrupt(Callback):
            def on_train_epoch_end(self, trainer, pl_module):
                if trainer.current_epoch == 1:
                    raise KeyboardInterrupt

        model = tgem.model.TGEM(adata, n_heads=2)
        with pytest.warns(UserWarning, match="interrupted"):
            model.train(max_epochs=9, enable_progress_bar=False, callbacks=[Interrupt()])
        whole = tgem.model.TGEM(adata, n_heads=2)
        whole.train(max_epochs=1, enable_progress_bar=False)
        np.testing.assert_allclose(model.get_class_attention(), whole.get_class_attention())
        assert len(model.train_indices) == 160


def test_markers_are_found_among_many_genes():
    """Three genes know the class; fits that favour them leave less of their weights to others."""
    rng = np.random.default_rng(0)
    codes = np.arange(300) % 3
    levels = rng.normal(size=(300, 200)).astype(np.float32)
    levels[:, :3] += 2 * np.eye(3, dtype=np.float32)[codes]
    start = linear_start(levels, np.ones(200), codes, n_classes=3, seed=0)
    plain = LogisticRegression(C=0.01, max_iter=500).fit(levels, codes).coef_
    shares = [
        np.abs(weight[:, :3]).sum() / np.abs(weight).sum()
        for weight in (start.of_all.weight, plain)
    ]
    assert shares[0] > 2 * shares[1]


def test_fewer_cells_are_tuned_on_where_there_are_many_genes():
    assert most_tuned(1_000) == 10_000
    assert most_tuned(20_000) == 2_500


@pytest.mark.parametrize("most", [80, 200])
def test_penalties_are_tuned_on_a_part_of_very_many_cells(monkeypatch, most):
    import tgem.model.tgem._linear_start as module

    tuned_on = []

    def counted(levels, *arguments, **options):
        tuned_on.append(len(levels))
        return tuned_ridge(levels, *arguments, **options)

    monkeypatch.setattr(module, "tuned_ridge", counted)
    monkeypatch.setattr(module, "MOST_CELLS_TUNED", most)
    levels, codes = simulated(120, 150, 3)
    start = linear_start(levels, np.linspace(0.5, 2, 150), codes, n_classes=3, seed=0)
    assert tuned_on == [min(most, 120)] * 2
    assert np.mean(start.of_all.logits(levels).argmax(1) == codes) > 0.9
