"""Attributions of one model beside predictions of another are named."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core import keys
from tgem._core.errors import ResultsWarning


@pytest.fixture
def adata():
    """Predictions and attributions of the same three classes, in another order."""
    adata = ad.AnnData(np.ones((3, 4), dtype=np.float32))
    table = pd.DataFrame(np.eye(4)[:, :3], index=adata.var_names, columns=["A", "B", "C"])
    for slot in (keys.ATTRIBUTION_MEAN, keys.ATTRIBUTION_MEDIAN, keys.ATTRIBUTION_SHARE):
        slot.write(adata, table)
    keys.PREDICTION.write(adata, pd.Categorical(["A", "B", "C"]))
    adata.uns[keys.ATTRIBUTION.params_key()] = params("A", "B", "C", target="predicted")
    adata.uns[keys.PREDICTION.params_key()] = params("C", "A", "B")
    return adata


def params(*classes, **settings):
    return {"classes": np.array(classes, dtype=object)} | settings


@pytest.fixture
def differing(adata):
    adata.uns[keys.PREDICTION.params_key()] = params("A", "B", "D")
    return adata


def test_ranked_genes(differing):
    with pytest.warns(ResultsWarning, match="'C' in attributions only; 'D' in predictions only"):
        tgem.tl.rank_genes(differing)


def test_report(differing, tmp_path):
    with pytest.warns(ResultsWarning, match="not of the model that made the predictions"):
        path = tgem.report(differing, tmp_path / "report.html")
    assert "not of the model that made the predictions" in path.read_text()


def test_one_model(adata, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tgem.tl.rank_genes(adata)
        path = tgem.report(adata, tmp_path / "report.html")
    assert "not of the model that made" not in path.read_text()


def test_attributions_of_one_label_have_that_class_alone(adata):
    adata.uns[keys.ATTRIBUTION.params_key()]["target"] = "C"
    adata.uns[keys.PREDICTION.params_key()] = params("A", "B", "C", "D")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tgem.tl.rank_genes(adata)


def test_other_prefix_and_no_prediction(differing):
    del differing.uns[keys.PREDICTION.params_key()]
    differing.uns[keys.PREDICTION.params_key("other")] = params("X")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tgem.tl.rank_genes(differing)
