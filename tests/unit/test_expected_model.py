"""A tool that is given another model than its own says which tool takes it."""

import numpy as np
import pandas as pd
import pytest

import tgem
from tgem.model import TGEM, DeepSF, EpiAttention

pytestmark = [
    # mudata announces changes of its own
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    pytest.mark.filterwarnings("ignore:.*modality.*:UserWarning:mudata"),
]
LABELS = {"labels_key": "cell_type"}


@pytest.fixture(scope="module")
def models():
    """Each model with its data; no tool looks further than their kind."""
    cells = tgem.datasets.synthetic_expression(n_obs=60, n_genes=40)
    TGEM.setup_anndata(cells, **LABELS)
    samples = tgem.datasets.synthetic_splicing(n_obs=30, n_factors=6, n_isoforms=30)
    DeepSF.setup_mudata(samples)
    genes = tgem.datasets.synthetic_epigenome(n_genes=20, n_factors=6)
    EpiAttention.setup_mudata(genes, expression_key="expression")
    return {
        "TGEM": (TGEM(cells), cells),
        "DeepSF": (DeepSF(samples), samples),
        "EpiAttention": (EpiAttention(genes), genes),
    }


OF_TGEM = [
    "ablation",
    "attention",
    "attention_necessity",
    "attribution",
    "calibration",
    "class_attention",
    "confusion",
    "network",
    "predict",
    "prediction_sets",
    "stability",
    "transfer",
]
OF_DEEPSF = ["predict_isoforms", "regulation"]
OF_EPIATTENTION = [
    "predict_expression",
    "regulatory_attention",
    "regulatory_attribution",
    "regulatory_importance",
    "regulatory_network",
]
KINDS = (
    dict.fromkeys(OF_TGEM, "TGEM")
    | dict.fromkeys(OF_DEEPSF, "DeepSF")
    | dict.fromkeys(OF_EPIATTENTION, "EpiAttention")
)


@pytest.mark.parametrize("tool", KINDS)
def test_every_tool_refuses_other_models(models, tool):
    kind = KINDS[tool]
    for name, (model, data) in models.items():
        if name != kind:
            message = rf"^Expected an? {kind} model, got {name}\. Use `?\w.*\.$"
            with pytest.raises(TypeError, match=message):
                getattr(tgem.tl, tool)(data, model)
    with pytest.raises(TypeError, match=rf"got NoneType\. Use a trained `tgem\.model\.{kind}`"):
        getattr(tgem.tl, tool)(models[kind][1], None)


def test_tools_with_more_arguments(models):
    model, samples = models["DeepSF"]
    with pytest.raises(TypeError, match="Expected a TGEM model, got DeepSF"):
        tgem.tl.network_difference(samples, model, ["a", "b"])
    genes_model, genes = models["EpiAttention"]
    with pytest.raises(TypeError, match="Expected a DeepSF model, got EpiAttention"):
        tgem.tl.differential_regulation(genes, genes_model, ["a", "b"], groupby="c")


def test_hubs_of_another_model(models):
    cells = models["TGEM"][1].copy()
    edges = {"source": ["g1"], "target": ["g2"], "weight": [1.0], "class": ["all"]}
    cells.uns["tgem_network"] = pd.DataFrame(edges)
    with pytest.raises(TypeError, match="Expected a TGEM model, got DeepSF"):
        tgem.tl.hubs(cells, models["DeepSF"][0])


@pytest.mark.parametrize(
    ("tool", "given", "right"),
    [
        ("predict_isoforms", "EpiAttention", "predict_expression"),
        ("predict_expression", "DeepSF", "predict_isoforms"),
        ("predict", "DeepSF", "predict_isoforms"),
        ("attribution", "EpiAttention", "regulatory_attribution"),
        ("regulation", "EpiAttention", "regulatory_attribution"),
        ("regulatory_network", "DeepSF", "regulation"),
        ("regulatory_importance", "DeepSF", "regulation"),
        ("network", "EpiAttention", "regulatory_network"),
        ("attention", "EpiAttention", "regulatory_attention"),
        ("predict_expression", "TGEM", "predict"),
    ],
)
def test_the_right_tool_is_named(models, tool, given, right):
    model, data = models[given]
    with pytest.raises(TypeError, match=rf"Use `tgem\.tl\.{right}` for this one\."):
        getattr(tgem.tl, tool)(data, model)
    assert hasattr(tgem.tl, right)


@pytest.mark.parametrize(
    ("name", "noun"), {"TGEM": "cells", "DeepSF": "samples", "EpiAttention": "genes"}.items()
)
def test_models_call_their_observations_by_their_name(models, name, noun, monkeypatch):
    from tgem.model._base import _reading

    said = []

    def track(items, description):
        said.append(description)
        return items

    monkeypatch.setattr(_reading, "track", track)
    model, _ = models[name]
    model.train(max_epochs=1, enable_progress_bar=False)
    assert f"trained 1 epochs on {len(model.train_indices)} {noun}" in repr(model)
    model.predict(indices=np.arange(5))
    assert set(said) == {f"Reading {noun}"}
