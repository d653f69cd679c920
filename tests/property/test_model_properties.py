"""What holds for every data set and every model."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import tgem
from tgem._core.errors import ExpressionWarning
from tgem.model._base import ClassifierModel

sys.path.insert(0, str(Path(__file__).parents[1]))
from strategies import STORAGES, expressions, permutations

MODELS = [
    model
    for model in (getattr(tgem.model, name) for name in tgem.model.__all__)
    if issubclass(model, ClassifierModel)
]
GENES = [f"GENE{i + 1:04d}" for i in range(40)]
TOLERANCE = 1e-6

# simulated cells may be empty, which a model says
pytestmark = pytest.mark.filterwarnings("ignore::tgem._core.errors.ExpressionWarning")
quickly = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", params=MODELS, ids=lambda cls: cls.__name__)
def model(request):
    adata = tgem.datasets.synthetic_expression(n_obs=120, n_genes=40, n_causal=4, seed=0)
    assert list(adata.var_names) == GENES
    request.param.setup_anndata(adata, labels_key="cell_type")
    trained = request.param(adata)
    trained.train(max_epochs=3, enable_progress_bar=False)
    return trained


def probabilities(model, adata, *args, **kwargs):
    return model.predict(adata, *args, soft=True, **kwargs).to_numpy()


@quickly
@given(data=st.data())
def test_order_of_genes(model, data):
    adata = data.draw(expressions(GENES))
    order = data.draw(permutations(len(GENES)))
    np.testing.assert_allclose(
        probabilities(model, adata[:, order].copy()), probabilities(model, adata), atol=TOLERANCE
    )


@quickly
@given(data=st.data())
def test_order_of_cells(model, data):
    adata = data.draw(expressions(GENES))
    order = data.draw(permutations(adata.n_obs))
    expected = probabilities(model, adata)[order]
    np.testing.assert_allclose(probabilities(model, adata[order].copy()), expected, atol=TOLERANCE)
    np.testing.assert_allclose(probabilities(model, adata, order), expected, atol=TOLERANCE)


@quickly
@given(data=st.data(), batch_size=st.integers(1, 20))
def test_batch_size(model, data, batch_size):
    adata = data.draw(expressions(GENES))
    np.testing.assert_allclose(
        probabilities(model, adata, batch_size=batch_size),
        probabilities(model, adata),
        atol=TOLERANCE,
    )


@quickly
@given(adata=expressions(GENES), storage=st.sampled_from(sorted(STORAGES)))
def test_storage(model, adata, storage):
    values = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    other = adata.copy()
    other.X = STORAGES[storage](values)
    np.testing.assert_allclose(
        probabilities(model, other), probabilities(model, adata), atol=TOLERANCE
    )


@quickly
@given(data=st.data())
def test_subset_is_a_subset_of_the_whole(model, data):
    adata = data.draw(expressions(GENES))
    chosen = data.draw(st.lists(st.integers(0, adata.n_obs - 1), min_size=1, unique=True))
    np.testing.assert_allclose(
        probabilities(model, adata[chosen].copy()),
        probabilities(model, adata)[chosen],
        atol=TOLERANCE,
    )


@quickly
@given(data=st.data())
def test_attributions_follow_the_order_of_genes_and_cells(model, data):
    adata = data.draw(expressions(GENES, max_obs=4))
    genes, cells = data.draw(permutations(len(GENES))), data.draw(permutations(adata.n_obs))
    expected = model.get_attributions(adata, n_steps=8)
    result = model.get_attributions(adata[cells][:, genes].copy(), n_steps=8)
    # genes come back in the model's order
    assert list(result.genes) == GENES
    np.testing.assert_allclose(result.values.toarray(), expected.values.toarray()[cells], atol=1e-5)
    np.testing.assert_array_equal(result.targets, expected.targets[cells])


@quickly
@given(adata=expressions(GENES), n_missing=st.integers(1, 20), seed=st.integers(0, 99))
def test_missing_genes_are_average(model, adata, n_missing, seed):
    missing = np.random.default_rng(seed).choice(len(GENES), n_missing, replace=False)
    values = adata.X.toarray() if sparse.issparse(adata.X) else np.array(adata.X)
    training = model.get_expression(indices=model.train_indices)
    values[:, missing] = training.mean(axis=0)[missing]
    filled = adata.copy()
    filled.X = values
    kept = np.setdiff1d(np.arange(len(GENES)), missing)
    with pytest.warns(match=f"{n_missing} missing"):
        found = probabilities(model, adata[:, kept].copy())
    np.testing.assert_allclose(found, probabilities(model, filled), atol=TOLERANCE)


@quickly
@given(adata=expressions(GENES))
def test_empty_cells_are_said(model, adata):
    values = adata.X.toarray() if sparse.issparse(adata.X) else np.array(adata.X)
    values[-1] = 0
    values[0, 0] = 0.5
    if adata.n_obs == 1:
        return
    adata.X = values
    n_empty = int((values.max(axis=1) == 0).sum())
    with pytest.warns(ExpressionWarning, match=f"{n_empty} of {adata.n_obs} cells"):
        assert np.isfinite(probabilities(model, adata)).all()
