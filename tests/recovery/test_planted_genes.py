"""Attributions find the genes that were planted."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import tgem


# The published normalisation jumps just above zero expression: 50 steps see it only roughly.
@pytest.mark.filterwarnings("ignore::tgem._core.errors.ConvergenceWarning")
@pytest.mark.parametrize(("preset", "expected"), [("default", 0.9), ("paper", 0.4)])
def test_causal_genes_have_the_largest_attributions(preset, expected):
    adata = tgem.datasets.synthetic_expression(n_obs=600, n_genes=200, seed=3)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset=preset)
    training = {"plan_kwargs": {"lr": 1e-3}, "max_epochs": 15} if preset == "paper" else {}
    model.train(enable_progress_bar=False, **training)
    assert model.evaluate()["accuracy"] > 0.75
    test = adata[model.test_indices].copy()
    tgem.tl.attribution(test, model)
    precision = [
        average_precision_score(
            adata.var["causal_class"] == label, test.varm["tgem_attribution"][label]
        )
        for label in model.classes
    ]
    assert np.mean(precision) >= expected


def test_shuffled_labels_find_nothing():
    adata = tgem.datasets.synthetic_expression(n_obs=400, n_genes=200, seed=3)
    adata.obs["cell_type"] = adata.obs["cell_type"].sample(frac=1, random_state=0).to_numpy()
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(enable_progress_bar=False)
    assert model.evaluate()["accuracy"] < 0.5
    tgem.tl.attribution(adata, model, n_steps=10)
    precision = [
        average_precision_score(
            adata.var["causal_class"] == label, adata.varm["tgem_attribution"][label]
        )
        for label in model.classes
        if adata.varm["tgem_attribution"][label].notna().all()  # some cell is typed as it
    ]
    assert np.mean(precision) < 0.5
