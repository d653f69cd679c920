"""The list of splicing factors, and marking them by symbol or identifier."""

import re
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import GeneAlignmentWarning
from tgem._core.mudata_compat import columns_stay

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")

FLAG = tgem.pp.flag_splicing_factors


def genes(symbols, names=None, column="gene_symbol"):
    names = [f"ENSG{number:011d}.3" for number in range(len(symbols))] if names is None else names
    var = pd.DataFrame({column: symbols} if column else {}, index=names)
    return anndata.AnnData(np.ones((2, len(names)), dtype=np.float32), var=var)


def test_list_is_clean_and_every_source_is_in_the_references():
    table = tgem.pp.splicing_factors()
    assert list(table) == ["symbol", "class", "previous", "source"]
    assert table["symbol"].is_unique
    assert (table[["symbol", "class", "source"]] != "").all().all()
    earlier = table["previous"].str.split(";").explode()
    earlier = earlier[earlier != ""]
    assert earlier.is_unique
    assert not set(earlier) & set(table["symbol"])
    assert table["symbol"].str.fullmatch(r"[A-Z0-9]+").all()
    bibliography = Path(__file__).parents[2] / "docs" / "references.bib"
    known = re.findall(r"@\w+\{(\w+),", bibliography.read_text())
    assert set(table["source"]) <= set(known)
    families = table.groupby("class")["symbol"].agg(set)
    assert families["SR protein"] == {f"SRSF{number}" for number in range(1, 13)}
    assert {"SF3B1", "U2AF1", "SF1"} <= families["spliceosome: U2"]


@pytest.mark.parametrize("column", ["gene_symbol", "gene_name", None])
def test_symbols_in_a_column_or_as_names(column):
    symbols = ["SRSF1", "GAPDH", "PUM1", "PTBP1"]
    adata = genes(symbols, None if column else symbols, column)
    assert FLAG(adata) is None
    assert adata.var["splicing_factor"].tolist() == [True, False, False, True]
    assert adata.var["splicing_factor_class"].tolist()[::3] == ["SR protein", "PTB family"]
    assert adata.var["splicing_factor_class"].isna().tolist() == [False, True, True, False]


def test_chosen_classes_and_column():
    adata = genes(["SRSF1", "PUM1", "PTBP1"])
    FLAG(adata, classes="RNA stability and translation", key_added="decay")
    assert adata.var["decay"].tolist() == [False, True, False]
    assert "splicing_factor" not in adata.var
    with pytest.raises(ValueError, match=r"`classes` among 'SR protein'.*got 'helper'"):
        FLAG(adata, classes=["helper"])
    with pytest.raises(ValueError, match="got none"):
        FLAG(adata, classes=[])


def test_earlier_symbols_only_where_the_current_one_is_absent():
    old = genes(["SFRS1", "CUGBP1", "HNRPA1", "GAPDH"])
    FLAG(old)
    assert old.var["splicing_factor"].tolist() == [True, True, True, False]
    both = genes(["SRSF1", "SFRS1"])
    FLAG(both)
    assert both.var["splicing_factor"].tolist() == [True, False]


def test_mouse_symbols_need_ignore_case():
    adata = genes(["Srsf1", "Gapdh", "Hnrnpa2b1"])
    with pytest.raises(ValueError, match="ignore_case=True"):
        FLAG(adata)
    assert "splicing_factor" not in adata.var
    FLAG(adata, ignore_case=True)
    assert adata.var["splicing_factor"].tolist() == [True, False, True]


def test_own_list_of_symbols_and_identifiers_of_any_version():
    adata = genes(["A", "B", "C", "D"])
    FLAG(adata, factors=["B", "ENSG00000000002.9"])
    assert adata.var["splicing_factor"].tolist() == [False, True, True, False]
    assert adata.var["splicing_factor_class"].dropna().unique().tolist() == ["given"]
    with pytest.warns(GeneAlignmentWarning, match="1 of 2 factors are not in the data: 'Z'"):
        FLAG(adata, factors=["A", "Z"])
    with pytest.raises(ValueError, match="found none"):
        FLAG(adata, factors=["Y", "Z"])
    with pytest.raises(ValueError, match="got both"):
        FLAG(adata, factors=["A"], classes=["hnRNP"])
    for wrong in ("A", pd.DataFrame({"symbol": ["A"]})):
        with pytest.raises(TypeError, match=r"factors=table\['symbol'\]"):
            FLAG(adata, factors=wrong)


def test_mudata_copy_and_file(tmp_path):
    gene = genes(["SRSF1", "GAPDH"])
    mdata = mudata.MuData({"rna": gene})
    with pytest.raises(KeyError, match=r"'gene' in mdata, found 'rna'"):
        FLAG(mdata)
    changed = FLAG(mdata, modality="rna", copy=True)
    assert "splicing_factor" not in mdata["rna"].var
    changed.write_h5mu(tmp_path / "flagged.h5mu")
    var = mudata.read_h5mu(tmp_path / "flagged.h5mu")["rna"].var
    assert var["splicing_factor"].tolist() == [True, False]
    with pytest.raises(TypeError, match="MuData or AnnData"):
        FLAG(pd.DataFrame({"a": [1]}))
    with pytest.raises(KeyError, match="nothing"):
        FLAG(gene, symbol_key="nothing")
    gene.var["gene_symbol"] = ["SRSF1", None]
    FLAG(gene)
    assert gene.var["splicing_factor"].tolist() == [True, False]


def test_real_genes_carry_every_symbol_of_the_list(shared_data):
    with columns_stay():
        mdata = mudata.read_h5mu(shared_data / "isoform" / "macrophage.h5mu", backed="r")
        gene = anndata.AnnData(var=mdata["gene"].var[["gene_symbol"]].copy())
    mdata.file.close()
    FLAG(gene, classes=tgem.pp.splicing_factors()["class"].unique().tolist())
    found = set(gene.var.loc[gene.var["splicing_factor"], "gene_symbol"])
    assert found == set(tgem.pp.splicing_factors()["symbol"])
