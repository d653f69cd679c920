"""What DeepSF promises of its data, its results, and what it leaves alone."""

import gc
import subprocess
import sys
import warnings
import weakref

import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import tgem
from tgem._core.errors import GeneAlignmentWarning
from tgem.model import DeepSF

pytestmark = [
    # mudata announces changes of its own
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    pytest.mark.filterwarnings("ignore:.*modality.*:UserWarning:mudata"),
]
QUIET = {"enable_progress_bar": False}
SIZES = {"n_obs": 40, "n_factors": 6, "n_isoforms": 70}
DECODERS = ("usage", "additive", "sigmoid")


def make_data(seed=0, **sizes):
    return tgem.datasets.synthetic_splicing(**(SIZES | sizes), seed=seed)


def rebuilt(mdata, gene=None, isoform=None):
    """The same data with another modality."""
    return mudata.MuData(
        {
            "gene": mdata["gene"].copy() if gene is None else gene,
            "isoform": mdata["isoform"].copy() if isoform is None else isoform,
        }
    )


def trained_on(mdata, *, max_epochs=2, seed=0, **options):
    DeepSF.setup_mudata(mdata)
    model = DeepSF(mdata, hidden=(8, 4), **options)
    model.train(max_epochs=max_epochs, seed=seed, **QUIET)
    return model


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module", params=DECODERS)
def model(request, data):
    return trained_on(data, decoder=request.param)


def snapshot(mdata):
    parts = []
    for table in mdata.mod.values():
        dense = table.X.toarray() if sparse.issparse(table.X) else table.X
        parts += [dense.tobytes(), table.obs.to_csv(), table.var.to_csv(), sorted(table.uns)]
        parts += [sorted(map(str, table.layers)), sorted(table.varm), sorted(table.obsm)]
    return [*parts, mdata.obs.to_csv(), sorted(mdata.uns), list(mdata.obsm)]


# -- one model, one result ---------------------------------------------------------------------


def test_same_seed_same_model_other_seed_another(data):
    first, second, third = (trained_on(data, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.predict(), second.predict())
    np.testing.assert_array_equal(first.train_indices, second.train_indices)
    assert not np.array_equal(first.predict(), third.predict())


def test_save_and_load(model, data, tmp_path):
    model.save(tmp_path / "model")
    loaded = DeepSF.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(data), model.predict())
    assert loaded.decoder == model.decoder
    attached = DeepSF.load(tmp_path / "model", data)
    np.testing.assert_array_equal(attached.predict(), model.predict())
    np.testing.assert_array_equal(attached.get_regulation().mean, model.get_regulation().mean)


def test_a_new_process_predicts_the_same(data, tmp_path):
    model = trained_on(data)
    model.save(tmp_path / "model")
    data.write_h5mu(tmp_path / "data.h5mu")
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import mudata, numpy as np, tgem\n"
        f"mdata = mudata.read_h5mu(r'{tmp_path / 'data.h5mu'}')\n"
        f"model = tgem.model.DeepSF.load(r'{tmp_path / 'model'}')\n"
        f"np.save(r'{tmp_path / 'prediction.npy'}', model.predict(mdata))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "prediction.npy"), model.predict(), rtol=1e-5)


def test_data_go_when_the_model_goes():
    mdata = make_data()
    model = trained_on(mdata, max_epochs=1)
    remembered = weakref.ref(mdata)
    del mdata, model
    gc.collect()
    assert remembered() is None


def test_training_again_goes_on(data):
    model = trained_on(data)
    model.train(max_epochs=3, **QUIET)
    assert len(model.history) == 5


def test_untrained_models_say_so(data):
    DeepSF.setup_mudata(data)
    model = DeepSF(data)
    assert "not trained" in repr(model)
    for call in (model.predict, model.evaluate, model.get_usage, model.get_regulation):
        with pytest.raises(RuntimeError, match="not trained"):
            call()


def test_repr_says_what_was_set_aside(model):
    assert "6 splicing factors" in repr(model)
    assert "only one of their gene" in repr(model)


# -- names -------------------------------------------------------------------------------------


def test_everything_in_another_order_is_matched_by_name(model, data, generator):
    gene, isoform = data["gene"], data["isoform"]
    other = rebuilt(
        data,
        gene[generator.permutation(gene.n_obs)][:, generator.permutation(gene.n_vars)].copy(),
        isoform[generator.permutation(gene.n_obs)][:, generator.permutation(isoform.n_vars)].copy(),
    )
    expected = pd.DataFrame(model.predict(), data.obs_names)
    found = pd.DataFrame(model.predict(other), other.obs_names)
    pd.testing.assert_frame_equal(found.loc[expected.index], expected, rtol=1e-4, atol=1e-5)
    every = np.arange(data.n_obs)
    for indices in (None, every):  # by default those held out, wherever they are
        scores = model.evaluate(other, indices), model.evaluate(data, indices)
        assert scores[0]["mse"] == pytest.approx(scores[1]["mse"], rel=1e-5)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asfortranarray])
def test_storage_makes_no_difference(model, data, form):
    other = data.copy()
    for table in other.mod.values():
        table.X = form(table.X)
    np.testing.assert_allclose(model.predict(other), model.predict(), rtol=1e-5)


def test_backed_data_are_predicted(model, data, tmp_path):
    data.write_h5mu(tmp_path / "data.h5mu")
    backed = mudata.read_h5mu(tmp_path / "data.h5mu", backed="r")
    np.testing.assert_allclose(model.predict(backed), model.predict(), rtol=1e-5)
    backed.file.close()


def test_versions_are_left_away_where_that_makes_names_match():
    mdata = make_data()
    ids = {name: f"ENSG{i:011d}" for i, name in enumerate(mdata["gene"].var_names)}
    plain, versioned = mdata.copy(), mdata.copy()
    for each, suffix in ((plain, ""), (versioned, ".7")):
        each["gene"].var_names = [ids[name] for name in mdata["gene"].var_names]
        each["isoform"].var["gene_id"] = [
            ids[name] + suffix for name in mdata["isoform"].var["gene_id"]
        ]
    expected = trained_on(plain, max_epochs=1).predict()
    with pytest.warns(GeneAlignmentWarning, match="without the version suffix"):
        model = trained_on(versioned, max_epochs=1)
    np.testing.assert_array_equal(model.predict(), expected)
    query = plain.copy()
    query["gene"].var_names = query["gene"].var_names + ".3"
    np.testing.assert_array_equal(model.predict(query), expected)


def test_missing_factors_are_reported_and_held_at_their_mean(data):
    model = trained_on(data, max_epochs=5)
    lost = model.factor_names[0]
    gene = data["gene"]
    fewer = rebuilt(data, gene[:, gene.var_names != lost].copy())
    with pytest.warns(GeneAlignmentWarning, match=rf"1 of the model's 6.*{lost}"):
        found = model.predict(fewer)
    same = data.copy()
    train = gene[model.train_indices, lost].X
    table = same["gene"].X.copy()
    table[:, gene.var_names.get_loc(lost)] = 2 ** np.log2(1 + train).mean() - 1
    same["gene"].X = table
    np.testing.assert_allclose(found, model.predict(same), rtol=1e-3, atol=1e-3)


def test_too_few_factors_are_refused(model, data):
    gene = data["gene"]
    fewer = rebuilt(data, gene[:, 4:].copy())
    with pytest.raises(ValueError, match="found 2"):
        model.predict(fewer)


def test_isoforms_of_missing_genes_are_missing(model, data):
    gene, lost = data["gene"], model.isoform_genes[0]
    fewer = rebuilt(data, gene[:, gene.var_names != lost].copy())
    with pytest.warns(GeneAlignmentWarning, match="predicted as missing"):
        prediction = model.predict(fewer)
    of_lost = np.asarray(model.isoform_genes == lost)
    assert np.isnan(prediction[:, of_lost]).all()
    np.testing.assert_allclose(prediction[:, ~of_lost], model.predict()[:, ~of_lost], rtol=1e-5)


def test_prediction_needs_genes_only(model, data):
    genes = mudata.MuData({"gene": data["gene"].copy()})
    np.testing.assert_allclose(model.predict(genes), model.predict(), rtol=1e-5)
    with pytest.raises(ValueError, match="measured isoforms"):
        model.evaluate(genes)


def test_rows_asked_for_come_in_their_order(model):
    rows = [7, 2, 7]
    np.testing.assert_allclose(model.predict(indices=rows), model.predict()[rows], rtol=1e-5)
    mask = np.zeros(40, bool)
    mask[[3, 9]] = True
    np.testing.assert_allclose(model.get_usage(indices=mask), model.get_usage()[[3, 9]], rtol=1e-5)
    assert model.predict(indices=[]).shape == (0, len(model.isoform_names))


# -- the data stay as they are -----------------------------------------------------------------


def test_set_up_and_getters_write_nothing_but_identifiers():
    mdata = make_data()
    before = snapshot(mdata)
    DeepSF.setup_mudata(mdata)
    model = DeepSF(mdata, hidden=(8, 4))
    model.train(max_epochs=1, **QUIET)
    model.predict()
    model.get_regulation()
    model.knockdown(model.factor_names[0])
    for key in ("_scvi_uuid", "_scvi_manager_uuid"):
        del mdata.uns[key]
    assert snapshot(mdata) == before


def changed(modality, change):
    def make():
        mdata = make_data()
        table = mdata[modality]
        table.X = change(table.X.copy())
        return mdata

    return make


def with_value(value):
    def change(values):
        values[3, 4] = value
        return values

    return change


def without(modality, column):
    def make():
        mdata = make_data()
        del mdata[modality].var[column]
        return mdata

    return make


def no_factor():
    mdata = make_data()
    mdata["gene"].var["splicing_factor"] = False
    return mdata


def unpaired():
    mdata = make_data()
    return rebuilt(mdata, isoform=mdata["isoform"][:30].copy())


def twice(modality):
    def make():
        mdata = make_data()
        table = mdata[modality].copy()
        names = table.var_names.to_list()
        table.var_names = [names[1], *names[1:]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return rebuilt(mdata, **{modality: table})

    return make


def unknown_genes():
    mdata = make_data()
    mdata["isoform"].var["gene_id"] = "other_" + mdata["isoform"].var["gene_id"]
    return mdata


def single_isoforms():
    mdata = make_data()
    table = mdata["isoform"]
    return rebuilt(mdata, isoform=table[:, ~table.var["gene_id"].duplicated()].copy())


REFUSED = {
    "log genes": (changed("gene", lambda x: np.log2(1 + x)), ValueError, "look like logarithms"),
    "log isoforms": (changed("isoform", np.log1p), ValueError, "look like logarithms"),
    "counts": (changed("isoform", lambda x: np.rint(x) + 1), ValueError, "read counts"),
    "not TPM": (changed("gene", lambda x: x * 1e5), ValueError, "sums to"),
    "negative": (changed("gene", with_value(-1)), ValueError, "never negative"),
    "NaN": (changed("isoform", with_value(np.nan)), ValueError, r"1 missing \(NaN\)"),
    "infinite": (changed("gene", with_value(np.inf)), ValueError, "1 infinite"),
    "no factor column": (without("gene", "splicing_factor"), KeyError, "protein_coding"),
    "no gene column": (without("isoform", "gene_id"), KeyError, "length"),
    "no factor": (no_factor, ValueError, "no True"),
    "unpaired samples": (unpaired, ValueError, "10 of 40 are not in"),
    "gene twice": (twice("gene"), ValueError, "unique genes"),
    "isoform twice": (twice("isoform"), ValueError, "unique isoforms"),
    "unknown genes": (unknown_genes, ValueError, "found none of them"),
    "no choice": (single_isoforms, ValueError, "two or more isoforms"),
}


@pytest.mark.filterwarnings("ignore:.*var_names are not unique:UserWarning")
@pytest.mark.filterwarnings("ignore:.*names are not unique:UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_set_up_and_left_as_they_were(case):
    make, error, message = REFUSED[case]
    mdata = make()
    before = snapshot(mdata)
    with pytest.raises(error, match=message):
        DeepSF.setup_mudata(mdata)
    assert snapshot(mdata) == before


@pytest.mark.parametrize("case", ["log genes", "counts", "not TPM", "negative", "NaN", "infinite"])
def test_refused_at_prediction(model, case):
    make, error, message = REFUSED[case]
    mdata = make()
    before = snapshot(mdata)
    with pytest.raises(error, match=message):
        model.predict(mdata)
    with pytest.raises(error, match=message):
        tgem.tl.predict_isoforms(mdata, model)
    assert snapshot(mdata) == before


def test_isoforms_without_a_gene_are_set_aside_and_reported():
    mdata = make_data()
    lost = mdata["isoform"].var["gene_id"].iloc[-1]
    gene = mdata["gene"]
    fewer = rebuilt(mdata, gene[:, gene.var_names != lost].copy())
    with pytest.warns(GeneAlignmentWarning, match="their gene is not in the gene modality"):
        model = trained_on(fewer, max_epochs=1)
    assert lost not in set(model.isoform_genes)
    assert "their gene is not in" in repr(model)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"modalities": {"gene": "rna", "isoform": "isoform"}}, KeyError, "Found: 'gene'"),
        ({"modalities": {"rna": "gene"}}, ValueError, "Expected `modalities`"),
        ({"gene_layer": "tpm"}, KeyError, "counts"),
        ({"isoform_layer": "counts"}, ValueError, "read counts"),
    ],
)
def test_wrong_arguments_of_set_up(arguments, error, message):
    with pytest.raises(error, match=message):
        DeepSF.setup_mudata(make_data(), **arguments)


def test_anndata_is_refused(data):
    with pytest.raises(TypeError, match="MuData"):
        DeepSF.setup_mudata(data["gene"])
    with pytest.raises(NotImplementedError, match="setup_mudata"):
        DeepSF.setup_anndata(data["gene"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decoder": "linear"}, "`decoder`"),
        ({"decoder": "psi"}, "values in 0 to 1"),
        ({"hidden": (8, 0)}, "`hidden`"),
    ],
)
def test_wrong_arguments_of_the_constructor(data, arguments, message):
    DeepSF.setup_mudata(data)
    with pytest.raises(ValueError, match=message):
        DeepSF(data, **arguments)


def test_split_column_is_followed(data):
    data.obs["part"] = np.where(np.arange(40) < 30, "train", "test")
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(8, 4))
    model.train(max_epochs=1, split_key="part", **QUIET)
    np.testing.assert_array_equal(model.test_indices, np.arange(30, 40))
    with pytest.raises(KeyError, match="part"):
        model.train(max_epochs=1, split_key="absent", **QUIET)


def test_split_column_with_other_words(data):
    data = data.copy()
    data.obs["part"] = np.where(np.arange(40) < 30, "fit", "test")
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(8, 4))
    found = r"mdata.obs\['part'\], found 'fit'.*`train_size`"
    with pytest.raises(ValueError, match=found) as error:
        model.train(max_epochs=1, split_key="part", **QUIET)
    assert "pp.split" not in str(error.value)  # which takes no MuData


def test_reference_without_samples_names_column_and_values(model, data):
    data = data.copy()
    data.obs["arm"] = ["a"] * 20 + ["b"] * 20
    data.obs["part"] = ["x"] * 20 + ["y"] * 20
    for reference, message in (
        ({"arm": "c"}, r"'c' in mdata.obs\['arm'\].*Values there: 'a', 'b'"),
        ({"arm": "a", "part": "y"}, r"'a' in .*'arm'.* and 'y' in .*'part'.*all of"),
        ({}, "empty dictionary"),
        ([], "got none"),
    ):
        with pytest.raises(ValueError, match=message):
            model.get_regulation(data, reference=reference)


def test_scaling_is_learnt_from_training_samples_only(data):
    data.obs["part"] = np.where(np.arange(40) < 30, "train", "test")
    DeepSF.setup_mudata(data)
    model = DeepSF(data, hidden=(8, 4))
    model.train(max_epochs=1, split_key="part", **QUIET)
    levels = np.log2(1 + data["gene"][:30, model.factor_names].X)
    np.testing.assert_allclose(model.module.factor_mean, levels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.module.factor_scale, levels.std(0), rtol=1e-3)


# -- slots -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")  # few epochs
def test_tools_write_slots_that_survive_a_round_trip(model, data, tmp_path):
    written = tgem.tl.regulation(data, model, n_edges=15, copy=True)
    tgem.tl.predict_isoforms(written, model)
    written.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")
    found = model.get_regulation()
    isoform = read["isoform"]
    scores = pd.DataFrame(
        isoform.varm["deepsf_attribution"],
        isoform.var_names,
        isoform.uns["deepsf_attribution"]["factors"],
    )
    np.testing.assert_allclose(
        scores.loc[model.isoform_names, model.factor_names], found.effect.T, rtol=1e-5
    )
    assert scores.drop(index=model.isoform_names).isna().all().all()
    assert isoform.varm["deepsf_attribution"].dtype == np.float32
    gene = pd.DataFrame(read["gene"].varm["deepsf_attribution_max"], read["gene"].var_names)
    name = model.isoform_genes[0]
    expected = np.abs(found.effect[:, model.isoform_genes == name]).max(axis=1)
    np.testing.assert_allclose(gene.loc[name], expected, rtol=1e-5)
    network = read.uns["deepsf_network"]
    columns = ["source", "target", "weight", "gene", "t_statistic", "r_squared", "reliable"]
    assert list(network) == columns
    assert (network["weight"].abs().diff().dropna() <= 0).all()
    assert read.uns["deepsf_network_params"]["decoder"] == model.decoder
    layer = pd.DataFrame(isoform.layers["deepsf_prediction"], columns=isoform.var_names)
    np.testing.assert_allclose(layer[model.isoform_names], model.predict(), rtol=1e-5)
    assert "deepsf_network" not in data.uns


@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")  # few epochs
def test_key_added_keeps_both_results(model, data):
    written = tgem.tl.regulation(data, model, n_edges=5, key_added="other", copy=True)
    assert "other_network" in written.uns
    assert "deepsf_network" not in written.uns
    assert "other_attribution" in written["gene"].varm


def test_tools_refuse_an_anndata(model):
    with pytest.raises(TypeError, match="MuData"):
        tgem.tl.regulation(AnnData(np.ones((2, 2))), model)
