"""`tgem.tl.enrich` tests the right genes against the right background, and writes it well."""

import re
from importlib.metadata import version

import anndata as ad
import gseapy
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from tgem import pl
from tgem._core import keys
from tgem._core.errors import GeneSetWarning
from tgem._core.tables import summarized_attributions
from tgem.enrich import PRERANK_COLUMNS, RESULT_COLUMNS, over_representation, prerank
from tgem.tl._enrich import enrich
from tgem.tl._enrich_hubs import enrich_hubs
from tgem.tl._hubs import hubs

pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2")

GENES = [f"G{i}" for i in range(40)]
LABELS = ["CD4+/CD25 T Reg", "B cell", "unseen"]
SETS = {"first": GENES[:6], "last": [*GENES[30:36], "ABSENT"], "unknown": ["G38", "G39"]}


@pytest.fixture
def adata():
    """Attributions of two classes, one that no cell was given, and two genes never seen."""
    adata = ad.AnnData(np.zeros((3, 40), dtype=np.float32), var=pd.DataFrame(index=GENES))
    falling = np.linspace(1.0, -1.0, 40)
    table = np.column_stack([falling, -falling, np.full(40, np.nan)])
    table[38:] = np.nan
    columns = keys.column_names(LABELS)
    keys.ATTRIBUTION_MEAN.write(adata, pd.DataFrame(table, index=GENES, columns=columns))
    adata.uns[keys.ATTRIBUTION.params_key()] = {"classes": np.array(LABELS, dtype=object)}
    return adata


def test_tests_the_top_genes_of_each_class_against_the_known_genes(adata):
    assert enrich(adata, SETS, n_genes=8) is None
    table = keys.ENRICHMENT.read(adata)
    assert list(table.columns) == ["class", "source", *RESULT_COLUMNS]
    rows = table[["class", "source", "Term", "Overlap", "Genes"]].to_numpy().tolist()
    assert rows == [
        ["CD4+/CD25 T Reg", "attribution", "first", "6/6", "G0;G1;G2;G3;G4;G5"],
        ["B cell", "attribution", "last", "6/6", "G35;G34;G33;G32;G31;G30"],
    ]
    # 38 genes are known to the model, 8 are drawn, and 6 of 6 are hit.
    np.testing.assert_allclose(table["P-value"], hypergeom.sf(5, 38, 6, 8))


def test_params_say_what_was_done(adata):
    enrich(adata, SETS, n_genes=8)
    params = adata.uns[keys.ENRICHMENT.params_key()]
    assert params["classes"].tolist() == LABELS
    numbers = {name: params[name] for name in ("n_genes", "n_sets", "n_background")}
    assert numbers == {"n_genes": 8, "n_sets": 2, "n_background": 38}
    assert params["tgem_version"] == version("tgem")


def test_sets_too_small_are_named_and_counted(adata):
    sets = {**SETS, "four": GENES[10:14], "one": [*GENES[:1], "ABSENT"]}
    message = r"2 of 5 gene sets were not tested.*'four \(4\)', 'one \(1\)'.*Lower `min_size`"
    with pytest.warns(GeneSetWarning, match=message):
        enrich(adata, sets, n_genes=8)
    params = adata.uns[keys.ENRICHMENT.params_key()]
    counted = {name: params[name] for name in ("n_sets", "n_sets_too_small", "min_size")}
    assert counted == {"n_sets": 2, "n_sets_too_small": 3, "min_size": 5}
    table = keys.ENRICHMENT.read(adata)
    assert set(table["Term"]) == {"first", "last"}
    assert (table["Adjusted P-value"] > 1.9 * table["P-value"]).all()  # the other set counts
    enrich(adata, sets, n_genes=8, min_size=1)
    assert set(keys.ENRICHMENT.read(adata)["Term"]) == {"first", "last", "one"}


def test_only_positive_attributions_count(adata):
    enrich(adata, {"all": GENES}, n_genes=1000, classes=["B cell"])
    positive = GENES[20:38][::-1]
    table = keys.ENRICHMENT.read(adata)
    assert table["Genes"].tolist() == [";".join(positive)]
    direct = over_representation(positive, {"all": GENES}, GENES[:38])
    assert table["P-value"].tolist() == direct["P-value"].tolist()


def test_classes_by_exact_label_in_the_order_given(adata):
    enrich(adata, {"all": GENES}, classes=["B cell", "CD4+/CD25 T Reg"])
    assert keys.ENRICHMENT.read(adata)["class"].tolist() == ["B cell", "CD4+/CD25 T Reg"]
    enrich(adata, {"all": GENES}, classes="CD4+/CD25 T Reg")
    assert keys.ENRICHMENT.read(adata)["class"].tolist() == ["CD4+/CD25 T Reg"]


def test_without_params_the_columns_are_the_labels(adata):
    del adata.uns[keys.ATTRIBUTION.params_key()]
    enrich(adata, SETS, n_genes=8, classes=["CD4+|CD25 T Reg"])
    assert keys.ENRICHMENT.read(adata)["class"].tolist() == ["CD4+|CD25 T Reg"]


def test_gmt_file_gives_the_same(adata, tmp_path):
    lines = ["\t".join([name, "", *genes]) for name, genes in SETS.items()]
    path = tmp_path / "sets.gmt"
    path.write_text("\n".join(lines))
    from_file = enrich(adata, path, n_genes=8, copy=True)
    enrich(adata, SETS, n_genes=8)
    assert keys.ENRICHMENT.read(from_file).equals(keys.ENRICHMENT.read(adata))


def test_key_added_reads_and_writes_its_own_slots(adata):
    other = keys.ATTRIBUTION_MEAN.read(adata).iloc[:, [1, 0, 2]].set_axis(["x", "y", "z"], axis=1)
    keys.ATTRIBUTION_MEAN.write(adata, other, "other")
    enrich(adata, SETS, n_genes=8, key_added="other")
    assert keys.ENRICHMENT.key() not in adata.uns
    assert keys.ENRICHMENT.read(adata, "other")["class"].tolist() == ["x", "y"]
    assert keys.ENRICHMENT.params_key("other") in adata.uns


def test_copy_leaves_the_original_alone(adata):
    before = set(adata.uns)
    changed = enrich(adata, SETS, copy=True)
    assert set(adata.uns) == before
    assert len(keys.ENRICHMENT.read(changed))


def test_nothing_shared_with_the_top_genes_is_an_empty_table(adata):
    enrich(adata, {"middle": ["G20"]}, n_genes=2, min_size=1)
    table = keys.ENRICHMENT.read(adata)
    assert table.shape == (0, 10)
    assert adata.uns[keys.ENRICHMENT.params_key()]["n_sets"] == 1


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("sets", [SETS, {"middle": ["G20"]}], ids=["rows", "empty"])
def test_round_trip(adata, tmp_path, suffix, sets):
    enrich(adata, sets, n_genes=8, min_size=1)
    path = tmp_path / f"data.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    read = getattr(ad, f"read_{suffix}")(path)
    written, found = keys.ENRICHMENT.read(adata), keys.ENRICHMENT.read(read)
    assert list(found.columns) == list(written.columns)
    assert found.to_numpy().tolist() == written.to_numpy().tolist()
    for column in written:
        kinds = {type(value) for value in written[column]}
        assert kinds <= {str} or kinds <= {float}, column
    assert read.uns[keys.ENRICHMENT.params_key()]["classes"].tolist() == LABELS
    enrich(read, sets, n_genes=8, min_size=1)  # and from what was read
    assert keys.ENRICHMENT.read(read).to_numpy().tolist() == written.to_numpy().tolist()


class TestErrors:
    @pytest.fixture(autouse=True)
    def unchanged(self, adata):
        before = set(adata.uns)
        yield
        assert set(adata.uns) == before

    def test_no_attributions(self, adata):
        with pytest.raises(KeyError, match=r"tgem\.tl\.attribution"):
            enrich(adata, SETS, key_added="absent")

    @pytest.mark.parametrize("classes", [["B cell", "T cell"], []])
    def test_unknown_class(self, adata, classes):
        message = re.escape("Known: 'CD4+/CD25 T Reg', 'B cell', 'unseen'.")
        with pytest.raises(ValueError, match=message) as error:
            enrich(adata, SETS, classes=classes)
        assert ("'T cell'" in str(error.value)) == bool(classes)

    @pytest.mark.parametrize("n_genes", [0, -1, 2.5, True])
    def test_n_genes(self, adata, n_genes):
        with pytest.raises(ValueError, match="`n_genes` to be a whole number of at least 1"):
            enrich(adata, SETS, n_genes=n_genes)

    def test_no_common_gene_shows_both_sides(self, adata):
        message = r"none of the 2 genes in 1 sets \('CD3D', 'CD3E'\).*38 genes .*'G0', 'G1'"
        with pytest.raises(ValueError, match=message):
            enrich(adata, {"T": ["CD3D", "CD3E"]})

    def test_hint_at_case(self, adata):
        with pytest.raises(ValueError, match="match when case is ignored"):
            enrich(adata, {"T": ["g1", "g2"]})

    def test_no_set_is_large_enough(self, adata):
        message = r"at least 7 of the 38 genes .* 3 sets have 0 to 6\. Lower `min_size`"
        with pytest.raises(ValueError, match=message):
            enrich(adata, SETS, min_size=7)

    def test_set_of_genes_that_the_model_does_not_know(self, adata):
        with pytest.raises(ValueError, match="none of the 2 genes"):
            enrich(adata, {"unknown": SETS["unknown"]})


def test_hint_at_ensembl_identifiers(adata):
    adata.var_names = [f"ENSG{i:011d}" for i in range(40)]
    table = keys.ATTRIBUTION_MEAN.read(adata).set_axis(adata.var_names, axis=0)
    keys.ATTRIBUTION_MEAN.write(adata, table)
    with pytest.raises(ValueError, match=r"Ensembl identifiers: set adata\.var_names"):
        enrich(adata, {"T": ["CD3D"]})


class TestSymbols:
    """The sets know genes by a column of ``.var``."""

    @pytest.fixture
    def coded(self, adata):
        adata.var["gene_symbol"] = pd.Categorical(GENES)
        adata.var["chromosome"] = "G1"
        adata.var["length"] = 7
        adata.var_names = [f"ENSG{i:011d}" for i in range(40)]
        table = keys.ATTRIBUTION_MEAN.read(adata).set_axis(adata.var_names, axis=0)
        keys.ATTRIBUTION_MEAN.write(adata, table)
        return adata

    @pytest.mark.parametrize("method", ["over_representation", "prerank"])
    @pytest.mark.parametrize("of_raw", [False, True])
    def test_same_as_by_name(self, adata, coded, method, of_raw):
        named = coded.copy()
        named.var_names = GENES
        table = keys.ATTRIBUTION_MEAN.read(named).set_axis(GENES, axis=0)
        keys.ATTRIBUTION_MEAN.write(named, table)
        settings = {"method": method, "n_genes": 8, "n_permutations": 50}
        enrich(named, SETS, **settings)
        assert "matched_by" not in named.uns[keys.ENRICHMENT.params_key()]
        if of_raw:
            coded.raw = coded
            del coded.var["gene_symbol"]
        where = f"{'raw.' if of_raw else ''}var['gene_symbol']"
        with pytest.warns(GeneSetWarning, match=f"by adata.{re.escape(where)}, not by the genes'"):
            enrich(coded, SETS, **settings)
        pd.testing.assert_frame_equal(keys.ENRICHMENT.read(coded), keys.ENRICHMENT.read(named))
        assert coded.uns[keys.ENRICHMENT.params_key()]["matched_by"] == where

    @pytest.mark.filterwarnings("ignore:Gene sets were matched")
    def test_of_one_symbol_the_gene_farthest_from_0_counts(self, coded):
        symbols = coded.var["gene_symbol"].astype(object)
        symbols.iloc[39], symbols.iloc[20] = np.nan, "G1"
        coded.var["gene_symbol"] = symbols
        enrich(coded, SETS, n_genes=8)
        table = keys.ENRICHMENT.read(coded).set_index(["class", "Term"])
        assert table.loc[(LABELS[0], "first"), "Genes"] == "G0;G1;G2;G3;G4;G5"
        assert coded.uns[keys.ENRICHMENT.params_key()]["n_background"] == 37

    @pytest.mark.filterwarnings("ignore:Gene sets were matched")
    def test_hubs(self, coded):
        genes = coded.var_names
        edges = {"class": "B", "layer": 1, "source": genes[:6], "target": genes[6]}
        coded.uns["tgem_network"] = pd.DataFrame(edges | {"weight": 1.0})
        hubs(coded, direction="out")
        enrich_hubs(coded, SETS, background=genes, min_size=2)
        found = coded.uns["tgem_hubs_enrichment"][["Term", "Overlap"]]
        assert found.to_numpy().tolist() == [["first", "6/6"]]
        params = coded.uns["tgem_hubs_enrichment_params"]
        assert params["matched_by"] == "var['gene_symbol']"

    def test_no_column_either(self, coded):
        del coded.var["gene_symbol"]
        with pytest.raises(ValueError, match=r'column such as adata\.var\["gene_symbol"\]'):
            enrich(coded, {"T": ["CD3D"]})


def test_the_table_of_an_earlier_call_is_kept_under_another_prefix(adata):
    enrich(adata, SETS, n_genes=8)
    adata.uns["go_enrichment"] = adata.uns["tgem_enrichment"]
    enrich(adata, {"other": GENES[:6]}, n_genes=8)
    ax = pl.enrich(adata, key_added="go", show=False)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "last"]
    plt.close(ax.figure)


def test_all_attributions_missing(adata):
    keys.ATTRIBUTION_MEAN.write(adata, keys.ATTRIBUTION_MEAN.read(adata) * np.nan)
    with pytest.raises(ValueError, match="those of all 40 genes are missing"):
        enrich(adata, SETS)


class TestPrerank:
    def test_both_ends_of_the_ranking_of_each_class(self, adata):
        enrich(adata, SETS, method="prerank", n_permutations=100)
        table = keys.ENRICHMENT.read(adata)
        assert list(table.columns) == ["class", "source", *PRERANK_COLUMNS]
        assert set(table["source"]) == {"attribution"}
        sign = table.set_index(["class", "Term"])["NES"].gt(0).to_dict()
        assert sign == {
            ("CD4+/CD25 T Reg", "first"): True,
            ("CD4+/CD25 T Reg", "last"): False,
            ("B cell", "first"): False,
            ("B cell", "last"): True,
        }
        lead = table.set_index(["class", "Term"])["Lead_genes"]
        assert lead["B cell", "last"] == "G35;G34;G33;G32;G31;G30"

    def test_ranks_every_gene_that_the_model_knows(self, adata):
        enrich(adata, SETS, method="prerank", n_permutations=20, classes=["B cell"])
        ranking = summarized_attributions(adata, None)["B cell"].dropna()
        assert len(ranking) == 38
        direct = prerank(ranking, SETS, n_permutations=20)
        found = keys.ENRICHMENT.read(adata)[list(PRERANK_COLUMNS)]
        pd.testing.assert_frame_equal(found, direct)

    def test_params(self, adata):
        enrich(adata, SETS, method="prerank", n_permutations=20, min_size=6, seed=3)
        params = adata.uns[keys.ENRICHMENT.params_key()]
        assert params.pop("classes").tolist() == LABELS
        params.pop("tgem_version")
        assert params == {
            "method": "prerank",
            "n_permutations": 20,
            "min_size": 6,
            "max_size": 500,
            "seed": 3,
            "n_sets": 2,
            "n_sets_too_small": 1,
            "n_background": 38,
        }

    def test_round_trip(self, adata, tmp_path):
        enrich(adata, SETS, method="prerank", n_permutations=20)
        adata.write_h5ad(tmp_path / "data.h5ad")
        read = ad.read_h5ad(tmp_path / "data.h5ad")
        written, found = keys.ENRICHMENT.read(adata), keys.ENRICHMENT.read(read)
        assert found.to_numpy().tolist() == written.to_numpy().tolist()

    @pytest.mark.parametrize("signed", [False, np.False_])
    def test_attributions_without_signs_are_refused(self, adata, signed):
        adata.uns[keys.ATTRIBUTION.params_key()] |= {"signed": signed, "method": "vargrad"}
        with pytest.raises(ValueError, match=r"'vargrad' are never negative.*over_representation"):
            enrich(adata, SETS, method="prerank")
        assert keys.ENRICHMENT.key() not in adata.uns
        enrich(adata, SETS)
        adata.uns[keys.ATTRIBUTION.params_key()]["signed"] = True
        enrich(adata, SETS, method="prerank", n_permutations=20)

    def test_sets_of_the_wrong_size(self, adata):
        with pytest.raises(ValueError, match=r"with 7 to 37 of the 38 .* 3 sets have 0 to 6"):
            enrich(adata, SETS, method="prerank", min_size=7)

    def test_only_a_class_without_cells(self, adata):
        enrich(adata, SETS, method="prerank", classes=["unseen"])
        assert keys.ENRICHMENT.read(adata).shape == (0, 2 + len(PRERANK_COLUMNS))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"method": "gsea"}, "'over_representation', 'prerank', got 'gsea'"),
            ({"min_size": 0}, "`min_size` to be a whole number"),
            ({"n_permutations": 0.5}, "`n_permutations` to be a whole number"),
        ],
    )
    def test_wrong_arguments(self, adata, arguments, message):
        with pytest.raises(ValueError, match=message):
            enrich(adata, SETS, **arguments)


@pytest.mark.parametrize(
    ("method", "column"), [("over_representation", "Adjusted P-value"), ("prerank", "FDR q-val")]
)
def test_gseapy_draws_the_table(adata, method, column):
    enrich(adata, SETS, method=method, n_genes=8, n_permutations=50)
    with mpl.rc_context():
        ax = gseapy.dotplot(keys.ENRICHMENT.read(adata), x="class", column=column, cutoff=0.5)
    assert {label.get_text() for label in ax.get_xticklabels()} == {"CD4+/CD25 T Reg", "B cell"}
    assert {label.get_text() for label in ax.get_yticklabels()} == {"first", "last"}
