"""Everything that users bring: right, or refused in clear words and left as it was."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tgem
from tgem._core.errors import ExpressionWarning, TgemWarning, TrainingWarning
from tgem.model._base import ClassifierModel

QUIET = {"enable_progress_bar": False}
MODELS = [
    model
    for model in (getattr(tgem.model, name) for name in tgem.model.__all__)
    if issubclass(model, ClassifierModel)
]

pytestmark = [
    pytest.mark.filterwarnings("ignore:Observation names are not unique"),
    pytest.mark.filterwarnings("ignore:Variable names are not unique"),
    pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning"),
    pytest.mark.filterwarnings("ignore:Moving element from .uns"),
]


# -- the data ---------------------------------------------------------------------------------


def make_data(n_obs=60, seed=0):
    return tgem.datasets.synthetic_expression(
        n_obs=n_obs, n_genes=40, n_causal=4, effect=2.5, seed=seed
    )


def values_of(adata):
    return adata.X.toarray() if sparse.issparse(adata.X) else np.array(adata.X)


def with_values(adata, values):
    adata = adata.copy()
    adata.X = values
    return adata


@pytest.fixture(scope="module", params=MODELS, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture(scope="module")
def model(cls):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=2, **QUIET)
    return trained


@pytest.fixture
def query():
    adata = make_data(n_obs=24, seed=7)
    adata.obs_names = "new_" + adata.obs_names
    return adata


def fingerprint(adata):
    """Every byte and every type that a failed call could have changed."""

    def of(value):
        if sparse.issparse(value):
            parts = value.tocoo()
            return (
                type(value).__name__,
                value.dtype.str,
                value.shape,
                parts.data.tobytes(),
                parts.row.tobytes(),
                parts.col.tobytes(),
            )
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.flags["C_CONTIGUOUS"], value.tobytes()
        if isinstance(value, pd.DataFrame):
            return value.to_csv(), tuple(map(str, value.dtypes)), tuple(value.index)
        if isinstance(value, dict):
            return tuple((key, of(value[key])) for key in value)
        return repr(value)

    matrices = {"X": adata.X, **adata.layers, **adata.obsm, **adata.varm}
    raw = None if adata.raw is None else (of(adata.raw.X), tuple(adata.raw.var_names))
    return of(matrices), of(adata.obs), of(adata.var), of(dict(adata.uns)), raw, adata.shape


# -- storages that must make no difference ----------------------------------------------------


def backed(write):
    def make(adata, folder):
        path = folder / "cells.h5ad"
        write(adata).write_h5ad(path)
        return ad.read_h5ad(path, backed="r")

    return make


def old_format(adata, folder):
    """The tables as compound data sets, as anndata wrote them before version 0.7."""
    path = folder / "old.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = values_of(adata)
        labels = adata.obs["cell_type"].astype(str)
        rows = [(name.encode(), labels[name].encode()) for name in adata.obs_names]
        file["obs"] = np.array(rows, dtype=[("index", "S20"), ("cell_type", "S20")])
        genes = [(name.encode(),) for name in adata.var_names]
        file["var"] = np.array(genes, dtype=[("index", "S20")])
    return ad.read_h5ad(path)


def raw_and_z_scores(adata, _):
    scaled = with_values(adata, values_of(adata) * 1.0)
    scaled.raw = adata
    return scaled


def zarr_round_trip(adata, folder):
    adata.write_zarr(folder / "cells.zarr")
    return ad.read_zarr(folder / "cells.zarr")


STORAGES = {
    "dense": lambda a, _: with_values(a, values_of(a)),
    "float64": lambda a, _: with_values(a, values_of(a).astype(np.float64)),
    "fortran": lambda a, _: with_values(a, np.asfortranarray(values_of(a))),
    "csr": lambda a, _: with_values(a, sparse.csr_matrix(a.X)),
    "csc": lambda a, _: with_values(a, sparse.csc_matrix(a.X)),
    "csr array": lambda a, _: with_values(a, sparse.csr_array(a.X)),
    "csc array": lambda a, _: with_values(a, sparse.csc_array(a.X)),
    "csr float64": lambda a, _: with_values(a, sparse.csr_matrix(a.X).astype(np.float64)),
    "explicit zeros": lambda a, _: with_values(a, explicit_zeros(a.X)),
    "unsorted indices": lambda a, _: with_values(a, unsorted_indices(a.X)),
    "view of cells": lambda a, _: a[::-1][::-1],
    "view of genes": lambda a, _: a[:, ::-1],
    "backed csr": backed(lambda a: a),
    "backed csc": backed(lambda a: with_values(a, sparse.csc_matrix(a.X))),
    "backed dense": backed(lambda a: with_values(a, values_of(a))),
    "h5ad of old": old_format,
    "zarr": zarr_round_trip,
    "raw present": raw_and_z_scores,
}
VIEWS = {"view of cells", "view of genes"}


def explicit_zeros(matrix):
    stored = sparse.csr_matrix(np.where(matrix.toarray() == 0, 1e-9, matrix.toarray()))
    stored.data[stored.data == np.float32(1e-9)] = 0
    return stored.astype(np.float32)


def unsorted_indices(matrix):
    matrix = matrix.copy()
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        matrix.indices[part] = matrix.indices[part][::-1].copy()
        matrix.data[part] = matrix.data[part][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


def close(adata):
    if adata.isbacked:
        adata.file.close()


@pytest.mark.parametrize("storage", STORAGES)
class TestStorage:
    def test_prediction(self, model, query, storage, tmp_path):
        other = STORAGES[storage](query, tmp_path)
        expected = model.predict(query, soft=True)
        np.testing.assert_allclose(model.predict(other, soft=True), expected, atol=1e-6)
        close(other)

    def test_unsorted_rows(self, model, query, storage, tmp_path):
        other = STORAGES[storage](query, tmp_path)
        rows = [9, 3, 17, 3, 0]
        expected = model.predict(query, soft=True).iloc[rows]
        np.testing.assert_allclose(model.predict(other, rows, soft=True), expected, atol=1e-6)
        close(other)

    def test_attribution(self, model, query, storage, tmp_path):
        other = STORAGES[storage](query, tmp_path)
        expected = model.get_attributions(query, [5, 1], n_steps=4).values.toarray()
        values = model.get_attributions(other, [5, 1], n_steps=4).values.toarray()
        np.testing.assert_allclose(values, expected, atol=1e-5)
        close(other)

    def test_training(self, cls, storage, tmp_path):
        adata = make_data()
        expected = self.train(cls, adata.copy())
        other = STORAGES[storage](adata, tmp_path)
        if storage in VIEWS:
            with pytest.raises(ValueError, match=r"adata\.copy\(\)"):
                cls.setup_anndata(other, labels_key="cell_type")
            return
        found = self.train(cls, other)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        close(other)

    def train(self, cls, adata):
        cls.setup_anndata(adata, labels_key="cell_type")
        trained = cls(adata)
        trained.train(max_epochs=1, **QUIET)
        return trained.predict(soft=True).to_numpy()


@pytest.mark.filterwarnings("ignore:The expression of the cells adds up")  # of ones, it does not
@pytest.mark.parametrize("dtype", ["float16", "bool", "int8", "uint8", "int64"])
def test_narrow_and_whole_types(model, query, dtype):
    values = values_of(query)
    narrow = values.astype(np.float16) if dtype == "float16" else (values > 0).astype(dtype)
    same = with_values(query, narrow.astype(np.float32))
    np.testing.assert_allclose(
        model.predict(with_values(query, narrow), soft=True),
        model.predict(same, soft=True),
        atol=1e-6,
    )


# -- values ------------------------------------------------------------------------------------


def replaced(row, column, value):
    def change(values):
        values[row, column] = value
        return values

    return change


REFUSED_VALUES = {
    "NaN": (replaced(3, 4, np.nan), "1 NaN or infinite"),
    "infinity": (replaced(3, 4, np.inf), "1 NaN or infinite"),
    "minus infinity": (replaced(0, 0, -np.inf), "1 NaN or infinite"),
    "NaN in the last cell": (replaced(-1, -1, np.nan), "1 NaN or infinite"),
    "all NaN": (lambda v: v * np.nan, "NaN or infinite"),
    "raw counts": (lambda v: np.rint(np.expm1(v) / 100), "raw counts"),
    "large counts": (lambda v: np.rint(np.expm1(v)) + 1, "raw counts"),
    "counts per million": (lambda v: np.expm1(v) * 100.5, "look linear"),
    "one huge value": (replaced(2, 2, 1e30), "look linear"),
}
ACCEPTED_VALUES = {
    "a gene of zeros": replaced(slice(None), 3, 0),
    "a constant gene": replaced(slice(None), 3, 1.5),
    "tiny values": lambda v: v * 1e-30,
    "log2": lambda v: v / np.log(2),
    "zeros and ones": lambda v: (v > 0).astype(np.float32),
}
WARNED_VALUES = {
    "a cell of zeros": (replaced(1, slice(None), 0), "express none"),
    "all zero": (lambda v: v * 0, "express none"),
}
FORMS = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", REFUSED_VALUES)
class TestRefusedValues:
    def make(self, case, form):
        change, message = REFUSED_VALUES[case]
        adata = make_data()
        values = change(values_of(adata)).astype(np.float32)
        return with_values(adata, FORMS[form](values)), message

    def test_setup(self, cls, case, form):
        adata, message = self.make(case, form)
        before = fingerprint(adata)
        with pytest.raises(ValueError, match=message):
            cls.setup_anndata(adata, labels_key="cell_type")
        assert fingerprint(adata) == before

    def test_prediction(self, model, case, form):
        adata, message = self.make(case, form)
        before = fingerprint(adata)
        for call in (model.predict, model.get_latent_representation, model.get_attributions):
            with pytest.raises(ValueError, match=message):
                call(adata)
        with pytest.raises(ValueError, match=message):
            tgem.tl.predict(adata, model)
        assert fingerprint(adata) == before


@pytest.mark.parametrize("case", ACCEPTED_VALUES)
class TestAcceptedValues:
    def test_training_and_prediction(self, cls, case):
        adata = make_data()
        adata.X = ACCEPTED_VALUES[case](values_of(adata)).astype(np.float32)
        cls.setup_anndata(adata, labels_key="cell_type")
        trained = cls(adata)
        trained.train(max_epochs=1, **QUIET)
        assert np.isfinite(trained.predict(soft=True)).all().all()
        assert np.isfinite(trained.get_attributions(indices=[0], n_steps=4).values.toarray()).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", WARNED_VALUES)
def test_warned_values(model, query, case, form):
    change, message = WARNED_VALUES[case]
    adata = with_values(query, FORMS[form](change(values_of(query)).astype(np.float32)))
    with pytest.warns(ExpressionWarning, match=message):
        assert np.isfinite(model.predict(adata, soft=True)).all().all()


@pytest.mark.parametrize("form", FORMS)
def test_z_scores_for_a_model_of_log_values(model, query, form):
    values = values_of(query)
    scaled = FORMS[form]((values - values.mean(0)).astype(np.float32))
    with pytest.raises(ValueError, match="z-scores"):
        model.predict(with_values(query, scaled))


def test_log_values_for_a_model_of_z_scores(cls, query):
    adata = make_data()
    values = values_of(adata)
    adata.X = (values - values.mean(0)) / np.maximum(values.std(0), 1e-3)
    with pytest.warns(ExpressionWarning, match="negative values"):
        cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, **QUIET)
    with pytest.warns(ExpressionWarning, match="prepare the new data as the training data"):
        trained.predict(query)


# -- shapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["no cells", "no genes", "nothing"])
class TestEmpty:
    def make(self, shape):
        adata = make_data()
        cells = slice(0, 0) if shape != "no genes" else slice(None)
        genes = slice(0, 0) if shape != "no cells" else slice(None)
        return adata[cells, genes].copy()

    def test_setup(self, cls, shape):
        with pytest.raises(ValueError, match="cells and genes"):
            cls.setup_anndata(self.make(shape), labels_key="cell_type")

    def test_prediction(self, model, shape):
        for call in (model.predict, model.get_attributions, model.evaluate):
            with pytest.raises(ValueError, match="cells and genes"):
                call(self.make(shape))

    def test_tools(self, model, shape):
        for tool in (tgem.tl.predict, tgem.tl.attribution, tgem.tl.confusion):
            with pytest.raises(ValueError, match="cells and genes"):
                tool(self.make(shape), model)


def test_one_cell(model, query):
    one = query[:1].copy()
    np.testing.assert_allclose(
        model.predict(one, soft=True), model.predict(query, soft=True)[:1], atol=1e-6
    )
    tgem.tl.predict(one, model)
    tgem.tl.attribution(one, model, n_steps=3)
    assert one.obsm["tgem_attribution"].shape == (1, 40)


def test_one_gene(cls):
    adata = make_data()
    adata = adata[:, [int(np.argmax((values_of(adata) > 0).sum(0)))]].copy()
    adata.X = values_of(adata) + 0.5
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, **QUIET)
    assert np.isfinite(trained.predict(soft=True)).all().all()


@pytest.mark.parametrize("n_cells", [1, 2])
def test_a_rare_class(cls, n_cells):
    adata = make_data()
    labels = adata.obs["cell_type"].astype(str)
    labels.iloc[:n_cells] = "rare"
    adata.obs["cell_type"] = labels
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, **QUIET)
    assert "rare" in set(adata.obs["cell_type"].iloc[trained.train_indices])
    assert "rare" in trained.classes


def test_as_many_classes_as_cells(cls):
    adata = make_data(n_obs=12)
    adata.obs["cell_type"] = [f"t{i}" for i in range(12)]
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, **QUIET)
    assert trained.predict(soft=True).shape == (12, 12)
    with pytest.raises(ValueError, match="trained on all"):
        trained.evaluate()


def test_batch_larger_than_the_data(cls):
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, batch_size=1000, **QUIET)
    assert trained.is_trained


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True])
def test_impossible_batch_sizes(cls, model, query, batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        model.predict(query, batch_size=batch_size)
    adata = make_data()
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(ValueError, match="batch_size"):
        cls(adata).train(batch_size=batch_size, **QUIET)


# -- names -------------------------------------------------------------------------------------


NAMES = {
    "unicode": lambda names: [f"é-{name}-日本" for name in names],
    "numbers": lambda names: [str(i) for i in range(len(names))],
    "slashes and spaces": lambda names: [f"a/b c {name}" for name in names],
    "very long": lambda names: [name * 50 for name in names],
    "empty string": lambda names: ["", *names[1:]],
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("axis", ["obs", "var"])
def test_names(cls, case, axis, tmp_path):
    adata = make_data()
    setattr(adata, f"{axis}_names", NAMES[case](list(getattr(adata, f"{axis}_names"))))
    cls.setup_anndata(adata, labels_key="cell_type")
    trained = cls(adata)
    trained.train(max_epochs=1, **QUIET)
    trained.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model")
    shuffled = adata[:, ::-1].copy()
    np.testing.assert_allclose(
        loaded.predict(shuffled, soft=True), trained.predict(soft=True), atol=1e-6
    )


def test_duplicate_genes(cls, model, query):
    names = list(query.var_names)
    names[1] = names[0]
    query.var_names = names
    before = fingerprint(query)
    for call in (lambda: cls.setup_anndata(query), lambda: model.predict(query)):
        with pytest.raises(ValueError, match="var_names_make_unique"):
            call()
    assert fingerprint(query) == before


def test_duplicate_cells(model, query):
    expected = model.predict(query, soft=True)
    query.obs_names = ["same"] * query.n_obs
    np.testing.assert_array_equal(model.predict(query, soft=True), expected)
    tgem.tl.predict(query, model)
    tgem.tl.attribution(query, model, n_steps=3)
    assert query.obsm["tgem_probability"].shape == expected.shape


def test_no_gene_in_common(model, query):
    query.var_names = [f"ENSG{i:011d}" for i in range(query.n_vars)]
    before = fingerprint(query)
    with pytest.raises(ValueError, match="0 of the model's 40 genes found"):
        model.predict(query)
    assert fingerprint(query) == before


# -- places ------------------------------------------------------------------------------------


class TestPlaces:
    def test_layer(self, cls, query):
        adata = make_data()
        adata.layers["log"] = adata.X
        adata.X = adata.layers["counts"]
        cls.setup_anndata(adata, labels_key="cell_type", layer="log")
        trained = cls(adata)
        trained.train(max_epochs=1, **QUIET)
        with pytest.raises(KeyError, match="counts"):
            trained.predict(query)
        query.layers["log"] = query.X
        assert len(trained.predict(query)) == query.n_obs

    def test_layer_of_counts(self, cls):
        with pytest.raises(ValueError, match=r"adata\.layers\['counts'\].*raw counts"):
            cls.setup_anndata(make_data(), layer="counts")

    def test_raw_with_more_genes(self, cls):
        adata = make_data()
        adata.raw = adata
        adata = adata[:, :10].copy()
        cls.setup_anndata(adata, labels_key="cell_type", use_raw=True)
        trained = cls(adata)
        assert len(trained.gene_names) == 40
        trained.train(max_epochs=1, **QUIET)
        tgem.tl.attribution(adata, trained, n_steps=3)
        assert adata.obsm["tgem_attribution"].shape == (60, 40)
        assert adata.varm["tgem_attribution"].shape[0] == 10

    def test_no_x(self, cls):
        adata = make_data()
        adata.X = None
        with pytest.raises(ValueError, match="found none"):
            cls.setup_anndata(adata)

    @pytest.mark.parametrize("thing", [None, 3, "file.h5ad", np.zeros((3, 3)), pd.DataFrame()])
    def test_other_objects(self, cls, model, thing):
        with pytest.raises(TypeError, match="AnnData"):
            cls.setup_anndata(thing)
        with pytest.raises(TypeError, match="AnnData"):
            tgem.tl.predict(thing, model)

    def test_setup_by_another_tool_is_no_setup(self, cls):
        adata = make_data()
        adata.uns["_scvi_uuid"] = "of another model"
        with pytest.raises(ValueError, match="set up"):
            cls(adata)

    def test_two_set_ups_of_one_object(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        first = cls(adata)
        cls.setup_anndata(adata, labels_key="donor")
        second = cls(adata)
        first.train(max_epochs=1, **QUIET)
        second.train(max_epochs=1, **QUIET)
        assert set(first.classes) == set(adata.obs["cell_type"])
        assert set(second.classes) == set(adata.obs["donor"])

    def test_two_models_of_one_set_up(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        first, second = cls(adata), cls(adata)
        first.train(max_epochs=1, **QUIET)
        with pytest.raises(RuntimeError):
            second.predict()

    def test_copy_needs_its_own_setup(self, cls):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        with pytest.raises(ValueError, match="copy"):
            cls(adata.copy())

    def test_data_assigned_to_a_model(self, cls, query):
        adata = make_data()
        cls.setup_anndata(adata, labels_key="cell_type")
        trained = cls(adata)
        trained.train(max_epochs=1, **QUIET)
        expected = trained.predict(query, soft=True)
        trained.adata = query
        np.testing.assert_array_equal(trained.predict(soft=True), expected)


# -- labels ------------------------------------------------------------------------------------


def as_labels(make):
    return lambda column: pd.Series(make(column.cat.codes), index=column.index)


LABELS = {
    "strings": lambda c: c.astype(str),
    "objects": lambda c: c.astype(str).astype(object),
    "pandas strings": lambda c: c.astype(str).astype("string"),
    "categories": lambda c: c,
    "ordered categories": lambda c: c.cat.as_ordered(),
    "unused categories": lambda c: c.cat.add_categories(["never"]),
    "whole numbers": as_labels(lambda codes: codes.to_numpy().astype(np.int64)),
    "small whole numbers": as_labels(lambda codes: codes.to_numpy().astype(np.int8)),
    "whole floats": as_labels(lambda codes: codes.to_numpy().astype(np.float32)),
    "booleans": as_labels(lambda codes: codes.to_numpy() > 1),
    "categories of numbers": as_labels(lambda codes: pd.Categorical(codes.to_numpy() * 10)),
    "digits as strings": as_labels(lambda codes: [str(code) for code in codes]),
    "unicode": as_labels(lambda codes: [f"Zelle {code}: αβ T" for code in codes]),
    "slashes": as_labels(lambda codes: [f"CD4+/CD{code}" for code in codes]),
    "some missing": as_labels(lambda codes: [None if c == 3 else f"t{c}" for c in codes]),
}


@pytest.mark.parametrize("case", LABELS)
class TestLabels:
    def make(self, case):
        adata = make_data()
        adata.obs["label"] = LABELS[case](adata.obs["cell_type"])
        return adata

    def test_train_save_load_evaluate(self, cls, case, tmp_path):
        adata = self.make(case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)  # of missing labels
            cls.setup_anndata(adata, labels_key="label")
            trained = cls(adata)
            trained.train(max_epochs=3, **QUIET)
            trained.save(tmp_path / "model")
            loaded = cls.load(tmp_path / "model")
            scores = loaded.evaluate(self.make(case), trained.test_indices)
        assert list(loaded.classes) == list(trained.classes)
        assert set(trained.classes) <= set(adata.obs["label"].dropna())
        assert "never" not in trained.classes
        predicted = trained.predict(indices=trained.test_indices)
        true = adata.obs["label"].iloc[trained.test_indices].to_numpy()
        assert scores["accuracy"] == pytest.approx((predicted == true).mean())

    def test_written_and_read(self, cls, case, tmp_path):
        adata = self.make(case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TgemWarning)
            cls.setup_anndata(adata, labels_key="label")
            trained = cls(adata)
            trained.train(max_epochs=1, **QUIET)
            tgem.tl.predict(adata, trained)
            tgem.tl.confusion(adata, trained)
            tgem.tl.attribution(adata, trained, n_steps=2)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        again = ad.read_h5ad(tmp_path / "cells.h5ad")
        assert (again.obs["tgem_prediction"] == adata.obs["tgem_prediction"]).all()
        assert list(again.obsm["tgem_probability"]) == list(adata.obsm["tgem_probability"])


class TestLabelsOfNewData:
    def test_unseen_labels_are_left_out_of_the_scores(self, model, query):
        labels = query.obs["cell_type"].astype(str)
        labels.iloc[:5] = "new type"
        query.obs["cell_type"] = labels
        with pytest.warns(TrainingWarning, match=r"5 cells.*new type"):
            assert model.evaluate(query)["n_cells"] == query.n_obs - 5

    def test_other_order_and_unused_categories(self, model, query):
        expected = model.evaluate(query)["accuracy"]
        column = query.obs["cell_type"]
        query.obs["cell_type"] = column.cat.set_categories([*column.cat.categories[::-1], "x"])
        assert model.evaluate(query)["accuracy"] == expected

    def test_a_subset_of_the_classes(self, model, query):
        label = query.obs["cell_type"].iloc[0]
        part = query[(query.obs["cell_type"] == label).to_numpy()].copy()
        scores = model.evaluate(part)
        assert scores["n_cells"] == part.n_obs
        assert scores["balanced_accuracy"] == pytest.approx(scores["accuracy"])

    def test_no_column(self, model, query):
        del query.obs["cell_type"]
        assert len(model.predict(query)) == query.n_obs
        with pytest.raises(ValueError, match="no column 'cell_type'"):
            model.evaluate(query)


def test_missing_labels_as_text_are_named(trained):
    adata = trained[1].copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object)
    adata.obs.iloc[:4, adata.obs.columns.get_loc("cell_type")] = np.nan
    adata.obs["cell_type"] = adata.obs["cell_type"].map(str)
    with pytest.warns(TrainingWarning, match="unlabeled_category='nan'"):
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type", unlabeled_category="nan")


@pytest.mark.parametrize("key_added", ["", "a/b"])
def test_prefixes_that_no_file_can_hold(trained, key_added):
    model, data = trained
    cells = data.copy()
    with pytest.raises(ValueError, match="without a slash"):
        tgem.tl.predict(cells, model, key_added=key_added)
    assert not [name for name in cells.obs if "prediction" in name]


def test_labels_of_another_type(trained):
    _, data = trained
    numbers = data.copy()
    codes = numbers.obs["cell_type"].cat.codes
    numbers.obs["cell_type"] = codes.to_numpy()
    tgem.model.TGEM.setup_anndata(numbers, labels_key="cell_type")
    other = tgem.model.TGEM(numbers, preset="paper", n_layers=1, n_heads=1)
    other.train(max_epochs=1, enable_progress_bar=False)
    texts = data[:50].copy()
    texts.obs_names = "new_" + texts.obs_names
    texts.obs["cell_type"] = codes[:50].astype(str).to_numpy()
    with pytest.raises(ValueError, match="another type: int and str"):
        other.evaluate(texts)


def test_new_data_without_the_layer(trained):
    _, data = trained
    layered = data.copy()
    layered.layers["ln"] = layered.X
    tgem.model.TGEM.setup_anndata(layered, layer="ln", labels_key="cell_type")
    model = tgem.model.TGEM(layered, preset="paper", n_layers=1, n_heads=1)
    model.train(max_epochs=1, enable_progress_bar=False)
    with pytest.raises(KeyError, match="set up with that layer"):
        model.predict(data)
