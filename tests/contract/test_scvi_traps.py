"""Traps of scvi-tools that no other test springs; docs/contributing.md lists them all."""

import gc
import re
import weakref
from pathlib import Path

import numpy as np
import pytest
import scvi
import torch

import tgem
from tgem.data._matrix import readable
from tgem.model._base import ClassifierModel

QUIET = {"enable_progress_bar": False}
MODELS = [
    model
    for model in (getattr(tgem.model, name) for name in tgem.model.__all__)
    if issubclass(model, ClassifierModel)
]
DOCS = Path(__file__).parents[2] / "docs" / "contributing.md"


def make_data():
    return tgem.datasets.synthetic_expression(n_obs=60, n_genes=40, n_causal=4, seed=0)


@pytest.fixture(params=MODELS, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def test_data_that_were_only_set_up_go(cls):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    remembered = weakref.ref(adata)
    del adata
    gc.collect()
    assert remembered() is None


def test_new_data_that_were_predicted_on_go(cls):
    adata, query = make_data(), make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata)
    model.train(max_epochs=1, **QUIET)
    model.predict(query)
    remembered = weakref.ref(query)
    del query
    gc.collect()
    assert remembered() is None


def test_settings_of_scvi_tools_and_torch_are_left_alone(cls):
    adata = make_data()
    before = (scvi.settings.seed, scvi.settings.batch_size, torch.backends.cudnn.deterministic)
    cls.setup_anndata(adata, labels_key="cell_type")
    cls(adata).train(max_epochs=1, seed=5, **QUIET)
    after = (scvi.settings.seed, scvi.settings.batch_size, torch.backends.cudnn.deterministic)
    assert after == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_registry_can_be_viewed(cls, capsys):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata)
    model.view_registry()
    model.view_anndata_setup()
    printed = capsys.readouterr().out
    assert printed.count("cell_type") >= 2
    assert "adata.X" in printed


def test_registry_of_a_saved_model_is_read(cls, tmp_path):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    cls(adata).save(tmp_path / "model")
    registry = cls.load_registry(tmp_path / "model")
    assert registry["setup_args"]["labels_key"] == "cell_type"
    with pytest.raises(ValueError, match="without data"):
        cls.load(tmp_path / "model").view_registry()


def test_arguments_of_the_constructor_survive(tmp_path):
    adata = make_data()
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset="paper", n_layers=2, n_heads=3, dropout=0.1)
    model.train(max_epochs=1, **QUIET)
    model.save(tmp_path / "model")
    module = tgem.model.TGEM.load(tmp_path / "model").module
    assert len(module.attentions) == 2
    assert module.attentions[0].query.shape[0] == 3
    assert module.dropout.p == 0.1


@pytest.mark.parametrize("matrix", [object(), [[1.0]], np.matrix, "X"])
def test_kinds_of_matrix_that_cannot_be_read_are_refused(matrix):
    with pytest.raises(TypeError, match=r"adata\.X.*to_memory"):
        readable(matrix, "adata.X")


def test_loaders_read_only_what_is_registered(cls):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    manager = cls(adata).adata_manager
    batch = manager.create_torch_dataset()[[3, 1]]
    assert set(batch) == {"X", "labels"}
    assert batch["X"].dtype == np.float32
    assert batch["labels"].dtype == np.int64
    np.testing.assert_array_equal(batch["X"], adata.X[[3, 1]].toarray())


def test_every_trap_of_the_table_has_its_test():
    rows = re.findall(r"^\| (\d+) \|.*\|$", DOCS.read_text(), flags=re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 26))
    tests = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", DOCS.read_text())
    assert len(set(named)) >= 18
    for name in named:
        assert f"def {name}(" in tests, name
