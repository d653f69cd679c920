"""Transcription factors at genes: edges, expression, and their product."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import GeneAlignmentWarning

EDGES = pd.DataFrame(
    {
        "tf": ["F1", "F1", "F2", "F2", "F1"],
        "target": ["A", "B", "A", "F2", "A"],
        "mor": [1.0, -1.0, 1.0, 1.0, 0.5],
    }
)
EXPRESSION = pd.DataFrame(
    {"x": [1.0, 2.0, 3.0, 4.0], "y": [5.0, 6.0, 7.0, 0.0]}, index=["A", "B", "F1", "F2"]
)


def feature(adata, name):
    """Table of one feature, observations x factors."""
    part = adata[:, adata.var["feature"] == name]
    return pd.DataFrame(part.X, index=part.obs_names, columns=part.var["factor"].to_numpy())


def test_features_are_edges_expression_and_products():
    adata = tgem.pp.tf_features(EDGES, EXPRESSION, weight_key="mor")
    assert adata.obs_names.tolist() == [f"{g}|{c}" for c in "xy" for g in EXPRESSION.index]
    assert adata.obs["gene_id"].tolist() == EXPRESSION.index.tolist() * 2
    edge = feature(adata, "edge")
    assert edge["F1"].tolist() == [0.75, -1, 0, 0] * 2  # the mean of two rows
    assert edge["F2"].tolist() == [1, 0, 0, 0] * 2  # without the edge to itself
    level = feature(adata, "expression")
    assert level["F1"].tolist() == [3] * 4 + [7] * 4
    np.testing.assert_array_equal(feature(adata, "edge_x_expression"), edge * level)
    own = tgem.pp.tf_features(EDGES, EXPRESSION, keep_own_gene=True)
    assert feature(own, "edge").loc["F2|x", "F2"] == 1


def test_a_prediction_never_sees_itself():
    """Changing a gene's expression changes nothing in its own row but the level of the factor."""
    changed = EXPRESSION.copy()
    changed.loc["F2"] += 100
    before, after = (tgem.pp.tf_features(EDGES, table) for table in (EXPRESSION, changed))
    for name in ("edge", "edge_x_expression"):
        a, b = feature(before, name), feature(after, name)
        np.testing.assert_array_equal(a.loc[["F2|x", "F2|y"]], b.loc[["F2|x", "F2|y"]])


def test_several_tables_files_and_one_cell_type(tmp_path):
    EDGES.to_csv(tmp_path / "motif.csv.gz", index=False)
    EDGES.rename(columns={"tf": "source"}).iloc[:2].to_csv(tmp_path / "chip.tsv", sep="\t")
    tables = {"motif": tmp_path / "motif.csv.gz", "chip": str(tmp_path / "chip.tsv")}
    adata = tgem.pp.tf_features(tables, EXPRESSION["x"], ["B", "A"], transform="log1p")
    assert adata.obs_names.tolist() == ["B", "A"]
    assert "cell_type" not in adata.obs
    names = ["motif", "chip", "expression", "motif_x_expression", "chip_x_expression"]
    assert adata.var["feature"].tolist() == names * 2
    assert feature(adata, "chip").to_numpy().tolist() == [[1, 0], [1, 0]]
    np.testing.assert_allclose(feature(adata, "expression")["F1"], np.log(4), rtol=1e-6)
    few = tgem.pp.tf_features(tables, EXPRESSION["x"], ["B", "A"], min_targets=2)
    assert few.var["factor"].unique().tolist() == ["F1"]
    adata.write_h5ad(tmp_path / "x.h5ad")
    stated = ad.read_h5ad(tmp_path / "x.h5ad").uns["epi_preparation"]
    assert stated["settings"]["transform"] == "log1p"
    assert stated["n_targets"].loc["F1"].to_dict() == {"motif": 2, "chip": 2}


def test_factors_without_expression_are_reported():
    with pytest.warns(GeneAlignmentWarning, match="1 of 2 factors have no row .*'F2'"):
        adata = tgem.pp.tf_features(EDGES, EXPRESSION.drop("F2"))
    assert adata.var["factor"].unique().tolist() == ["F1"]


@pytest.mark.parametrize(
    ("edges", "expression", "message"),
    [
        (EDGES.rename(columns={"tf": "x"}), EXPRESSION, "with a column 'factor', 'tf'"),
        (EDGES.iloc[:0], EXPRESSION, "found 0 rows"),
        (EDGES.assign(tf=[None, *"abcd"]), EXPRESSION, "1 rows without, the first is row 0"),
        (EDGES, EXPRESSION.set_axis(["A", "A", "F1", "F2"]), "every gene once"),
        (EDGES, EXPRESSION.replace(1.0, np.nan), "finite values .* 1 genes: 'A'"),
        (EDGES, EXPRESSION.astype(str).replace("1.0", "low"), "Expected numbers"),
        (EDGES, EXPRESSION.set_axis(list("WXYZ")), "Expected targets .*'W'.*'A'"),
        (EDGES, EXPRESSION.drop(["F1", "F2"]), "none of them in `expression`"),
        (EDGES, {"A": 1}, "a Series of genes or a DataFrame"),
        ({"expression": EDGES}, EXPRESSION, "none of them 'expression'"),
    ],
)
def test_bad_tables(edges, expression, message):
    with pytest.raises(ValueError, match=message):
        tgem.pp.tf_features(edges, expression)


def test_bad_options():
    with pytest.raises(KeyError, match=r"'weight'.*'mor'"):
        tgem.pp.tf_features(EDGES, EXPRESSION, weight_key="weight")
    with pytest.raises(ValueError, match="on a log scale already"):
        tgem.pp.tf_features(EDGES, EXPRESSION - 2, transform="log1p")


def test_dorothea(shared_data):
    edges = pd.read_csv(shared_data / "regulators" / "dorothea_abc.csv.gz")
    names = sorted({*edges["tf"], *edges["target"]})
    expression = pd.Series(np.random.default_rng(0).gamma(2, size=len(names)), index=names)
    genes = sorted(set(edges["target"]))[:500]
    adata = tgem.pp.tf_features(edges, expression, genes, weight_key="mor", min_targets=3)
    row = edges[(edges["target"].isin(genes)) & (edges["tf"] != edges["target"])]
    row = row[row["tf"].isin(adata.var["factor"])]
    edge = feature(adata, "edge")
    assert (edge.to_numpy() != 0).sum() == len(row[["tf", "target"]].drop_duplicates())
