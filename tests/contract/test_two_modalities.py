"""A model of two modalities in forty lines, and how its modalities are paired."""

import mudata
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from torch import nn
from torchmetrics import MeanSquaredError, MetricCollection

from tgem.data import FeatureField
from tgem.data._splits import stratified_split
from tgem.model._base import SupervisedModel
from tgem.nn.module import SupervisedModule

# mudata announces a name of its own that will go
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")


def accept(summary, location):
    """Take any values."""


class Regression(SupervisedModule):
    input_keys = ("X",)
    target_key = "Y"

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, *inputs):
        return self.linear(inputs[0])

    def loss(self, outputs, targets):
        return nn.functional.mse_loss(outputs, targets)

    def metrics(self):
        return MetricCollection({"mse": MeanSquaredError()})


class IsoformRegression(SupervisedModel):
    """Isoforms from genes."""

    _data_type = mudata.MuData

    def __init__(self, adata=None, *, registry=None):
        super().__init__(adata, registry, {})

    @classmethod
    def setup_mudata(cls, mdata, modalities):
        cls._register(mdata, cls._get_setup_method_args(**locals()))

    @classmethod
    def _make_fields(cls, modalities):
        return [
            FeatureField(
                key, layer=None, use_raw=False, modality=modalities[modality], check=accept
            )
            for key, modality in (("X", "gene"), ("Y", "isoform"))
        ]

    def _make_module(self):
        return Regression(len(self.gene_names), self._n_targets)

    @property
    def _n_targets(self):
        states = self.registry_["field_registries"]
        return len(states["Y"]["state_registry"]["column_names"])

    def _make_split(self, dataset, split_key, **sizes):
        return stratified_split(np.zeros(len(dataset), int), **sizes)

    def _training_defaults(self):
        return {"max_epochs": 30, "batch_size": 8, "plan_kwargs": {"lr": 0.05}}

    def predict(self, mdata=None):
        return self._outputs(mdata, None, None)


@pytest.fixture
def tables(generator):
    names = [f"s{i}" for i in range(40)]
    genes = generator.random((40, 6)).astype(np.float32)
    isoforms = genes @ generator.random((6, 9)).astype(np.float32)
    return (
        AnnData(genes, pd.DataFrame(index=names), pd.DataFrame(index=[f"g{i}" for i in range(6)])),
        AnnData(
            isoforms, pd.DataFrame(index=names), pd.DataFrame(index=[f"t{i}" for i in range(9)])
        ),
    )


MODALITIES = {"gene": "rna", "isoform": "tx"}


def make_mudata(gene, isoform):
    return mudata.MuData({"rna": gene, "tx": isoform})


def trained_on(mdata):
    IsoformRegression.setup_mudata(mdata, MODALITIES)
    model = IsoformRegression(mdata)
    model.train(enable_progress_bar=False)
    return model


def test_modalities_in_another_order_are_paired_by_name(tables, generator):
    gene, isoform = tables
    straight = trained_on(make_mudata(gene.copy(), isoform.copy()))
    permuted = make_mudata(gene.copy(), isoform[generator.permutation(40)].copy())
    model = trained_on(permuted)
    assert model.history["validation_loss"].iloc[-1] < 0.05
    pd.testing.assert_frame_equal(model.history, straight.history)
    np.testing.assert_array_equal(model.predict(), straight.predict())


def test_genes_in_another_order_are_aligned_by_name(tables, generator):
    gene, isoform = tables
    model = trained_on(make_mudata(gene.copy(), isoform.copy()))
    other = make_mudata(gene[:, generator.permutation(6)].copy(), isoform.copy())
    np.testing.assert_array_equal(model.predict(other), model.predict())


def test_unpaired_modalities_are_refused_with_the_call_that_mends_it(tables):
    gene, isoform = tables
    mdata = make_mudata(gene.copy(), isoform[:30].copy())
    with pytest.raises(ValueError, match=r"10 of 40 are not in mdata\['tx'\].*isin"):
        IsoformRegression.setup_mudata(mdata, MODALITIES)
    mended = mdata[mdata.obs_names.isin(mdata["tx"].obs_names)].copy()
    assert trained_on(mended).predict().shape == (30, 9)


def test_missing_modality_names_those_there_are(tables):
    with pytest.raises(KeyError, match="'rna', 'tx'"):
        IsoformRegression.setup_mudata(make_mudata(*tables), {"gene": "genes", "isoform": "tx"})


def test_anndata_for_a_mudata_model(tables):
    with pytest.raises(TypeError, match="MuData"):
        IsoformRegression.setup_mudata(tables[0], MODALITIES)
    with pytest.raises(NotImplementedError, match="setup_mudata"):
        IsoformRegression.setup_anndata(tables[0])


def test_save_and_load(tables, tmp_path):
    model = trained_on(make_mudata(*tables))
    model.save(tmp_path / "model")
    loaded = IsoformRegression.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(make_mudata(*tables)), model.predict())
    attached = IsoformRegression.load(tmp_path / "model", make_mudata(*tables))
    np.testing.assert_array_equal(attached.predict(), model.predict())
    assert next(loaded.module.parameters()).dtype == torch.float32
