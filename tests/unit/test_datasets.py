"""The simulator plants what it says, and the bundled markers are well formed."""

import re
from importlib.resources import files

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import f_oneway

from tgem.datasets import immune_markers, synthetic_expression
from tgem.enrich import read_gene_sets

pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2")


@pytest.fixture(scope="module")
def simulated():
    return synthetic_expression(n_obs=2000, seed=3)


def class_p_values(adata):
    values, labels = adata.X.toarray(), adata.obs["cell_type"].to_numpy()
    groups = [values[labels == label] for label in np.unique(labels)]
    return f_oneway(*groups).pvalue


class TestImmuneMarkers:
    def test_sets_are_well_formed(self):
        markers = immune_markers()
        assert len(markers) == 15
        for name, genes in markers.items():
            assert 8 <= len(genes) <= 15, name
            assert len(set(genes)) == len(genes), name
            assert all(re.fullmatch(r"[A-Z][A-Z0-9]+(-[A-Z0-9]+)?", gene) for gene in genes), name

    def test_agrees_with_the_gmt_reader(self):
        path = files("tgem.datasets") / "immune_markers.gmt"
        assert immune_markers() == read_gene_sets(str(path))

    def test_each_set_names_a_reference_with_its_year(self):
        text = (files("tgem.datasets") / "immune_markers.gmt").read_text(encoding="utf-8")
        for line in text.splitlines():
            assert re.search(r"\b(19|20)\d\d\b", line.split("\t")[1]), line

    @pytest.mark.parametrize(
        ("cell_type", "gene"),
        [
            ("B cell", "MS4A1"),
            ("Regulatory T", "FOXP3"),
            ("CD8 T cytotoxic", "CD8A"),
            ("CD14 monocyte", "CD14"),
            ("NK cell", "NCAM1"),
            ("Erythroid", "HBB"),
        ],
    )
    def test_textbook_markers(self, cell_type, gene):
        assert gene in immune_markers()[cell_type]

    def test_result_is_the_callers_own(self):
        immune_markers()["B cell"].clear()
        assert immune_markers()["B cell"]


class TestStructure:
    def test_shapes_names_and_types(self):
        adata = synthetic_expression(n_obs=50, n_genes=90, n_classes=3, n_causal=5, n_decoys=4)
        assert adata.shape == (50, 90)
        assert sparse.issparse(adata.X)
        assert adata.X.format == "csr"
        assert adata.X.dtype == adata.layers["counts"].dtype == np.float32
        assert (adata.var_names[0], adata.obs_names[-1]) == ("GENE0001", "cell_0050")
        assert list(adata.obs["cell_type"].cat.categories) == ["type_1", "type_2", "type_3"]
        assert adata.obs["cell_type"].value_counts().tolist() == [17, 17, 16]
        assert adata.obs["donor"].nunique() == 4
        assert adata.var["causal_class"].value_counts().to_dict() == {
            "": 75,
            "type_1": 5,
            "type_2": 5,
            "type_3": 5,
        }
        assert (adata.var["causal"] == (adata.var["causal_class"] != "")).all()
        assert adata.var["decoy"].sum() == 4
        assert not (adata.var["decoy"] & adata.var["causal"]).any()
        assert adata.uns["synthetic_expression"]["n_genes"] == 90

    def test_values_are_log_counts_per_10000(self, simulated):
        counts = simulated.layers["counts"].toarray()
        np.testing.assert_array_equal(counts, np.round(counts))
        expected = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
        np.testing.assert_allclose(simulated.X.toarray(), expected, rtol=1e-5)

    def test_seed_decides(self):
        first, again, other = (synthetic_expression(n_obs=40, seed=seed) for seed in (1, 1, 2))
        assert (first.X != again.X).nnz == 0
        assert first.var.equals(again.var)
        assert (first.X != other.X).nnz > 0

    @pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
    def test_round_trip(self, tmp_path, suffix):
        adata = synthetic_expression(n_obs=30, n_genes=60)
        path = tmp_path / f"data.{suffix}"
        getattr(adata, f"write_{suffix}")(path)
        read = getattr(ad, f"read_{suffix}")(path)
        assert (read.X != adata.X).nnz == 0
        assert read.var["causal_class"].astype(str).tolist() == adata.var["causal_class"].tolist()
        assert read.uns["synthetic_expression"] == adata.uns["synthetic_expression"]

    @pytest.mark.parametrize("mean_count", [0.2, 0.5, 0.8])
    def test_sparsity_is_that_of_single_cells(self, mean_count):
        adata = synthetic_expression(n_obs=300, mean_count=mean_count)
        assert 0.6 < 1 - adata.X.nnz / np.prod(adata.shape) < 0.9


class TestPlantedTruth:
    def test_causal_genes_and_no_others_tell_the_classes(self, simulated):
        p_values, causal = class_p_values(simulated), simulated.var["causal"].to_numpy()
        assert p_values[causal].max() < 1e-10
        null = p_values[~causal]
        assert null.min() > 1e-5
        assert 0.01 < (null < 0.05).mean() < 0.12

    def test_fold_change_of_causal_genes(self, simulated):
        counts = simulated.layers["counts"].toarray()
        labels = simulated.obs["cell_type"].to_numpy()
        for label in np.unique(labels):
            marked = (simulated.var["causal_class"] == label).to_numpy()
            own, other = labels == label, labels != label
            ratio = counts[own][:, marked].sum() / own.sum()
            ratio /= counts[other][:, marked].sum() / other.sum()
            assert np.log(ratio) == pytest.approx(1.5, abs=0.2)

    @pytest.mark.parametrize("seed", [0, 1])
    def test_strong_effect_does_not_leak_through_normalisation(self, seed):
        adata = synthetic_expression(n_obs=2000, effect=3.0, seed=seed)
        null = class_p_values(adata)[~adata.var["causal"].to_numpy()]
        assert null.min() > 1e-5

    def test_class_does_not_change_the_total(self):
        adata = synthetic_expression(
            4000, 8, n_causal=2, n_decoys=0, n_programs=0, effect=3.0, mean_count=5.0
        )
        totals = np.asarray(adata.layers["counts"].sum(axis=1)).ravel()
        means = [totals[adata.obs["cell_type"] == f"type_{i}"].mean() for i in range(1, 5)]
        assert max(means) / min(means) < 1.15

    def test_no_effect_plants_nothing(self):
        adata = synthetic_expression(n_obs=1000, effect=0.0)
        assert class_p_values(adata).min() > 1e-5

    def test_decoys_are_high_and_the_most_variable(self, simulated):
        decoy, causal = simulated.var["decoy"].to_numpy(), simulated.var["causal"].to_numpy()
        values = simulated.X.toarray()
        assert np.median(values.mean(axis=0)[decoy]) > np.quantile(values.mean(axis=0), 0.9)
        assert np.median(values.var(axis=0)[decoy]) > np.quantile(values.var(axis=0)[causal], 0.75)

    def test_programs_correlate_their_genes(self, simulated):
        correlation = np.corrcoef(simulated.X.toarray().T)
        program = simulated.var["program"].to_numpy()
        inside = correlation[np.ix_(program == 0, program == 0)]
        across = correlation[np.ix_(program == 0, program == 1)]
        outside = np.triu_indices(len(inside), k=1)
        assert inside[outside].mean() > across.mean() + 0.05
        assert (program[simulated.var["causal"]] == -1).all()

    def test_donors_hold_all_classes(self, simulated):
        table = simulated.obs.groupby(["donor", "cell_type"], observed=False).size()
        assert table.min() > 0.6 * len(simulated.obs) / len(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_obs": 0}, "`n_obs` to be at least 1, got 0"),
        ({"n_classes": 1}, "`n_classes` to be at least 2, got 1"),
        ({"n_obs": 3}, "each of the 4 classes, got n_obs=3"),
        ({"n_genes": 39}, "40 in all, got n_genes=39"),
        ({"n_genes": 200.5}, "`n_genes` to be a whole number, got 200.5"),
        ({"n_causal": True}, "`n_causal` to be a whole number"),
        ({"n_decoys": -1}, "`n_decoys` to be at least 0"),
        ({"effect": -1.0}, "`effect` to be a finite number of at least 0"),
        ({"effect": float("nan")}, "`effect` to be a finite number"),
        ({"mean_count": 0.0}, "`mean_count` to be a finite number of at least 1e-06"),
        ({"effect": "large"}, "`effect` to be a finite number"),
        ({"seed": -1}, "`seed` to be at least 0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        synthetic_expression(**arguments)


def test_extremes():
    assert synthetic_expression(n_genes=40).var["program"].eq(-1).all()
    adata = synthetic_expression(n_obs=20, n_programs=0, n_decoys=0, mean_count=0.001)
    assert np.isfinite(adata.X.toarray()).all()  # some cells are empty
