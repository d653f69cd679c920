"""Gene sets of the genes that factors regulate."""

import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import tgem


@pytest.fixture
def adata():
    genes = [f"ENSG{i:03d}" for i in range(40)]
    edges = [("SRSF1", gene, 1.0) for gene in genes[:8]]
    edges += [("RBM47", gene, -1.0) for gene in genes[20:26]]
    edges += [("MBNL1", gene, 0.1) for gene in genes[:3]]
    var = pd.DataFrame({"symbol": [f"S{i}" for i in range(40)]}, index=genes)
    adata = AnnData(np.zeros((1, 40), dtype=np.float32), var=var)
    adata.uns["deepsf_network"] = pd.DataFrame(edges, columns=["source", "target", "weight"])
    return adata


@pytest.fixture
def sets():
    return {"first": [f"S{i}" for i in range(10)], "middle": [f"S{i}" for i in range(18, 28)]}


def test_targets_of_each_factor(adata, sets):
    tgem.tl.enrich_targets(adata, sets, background=adata.var_names, symbols=adata.var["symbol"])
    table = adata.uns["deepsf_enrichment"]
    best = table.sort_values("P-value").groupby("class").first()
    assert best["Term"].to_dict() == {"SRSF1": "first", "RBM47": "middle"}  # MBNL1 has too few
    assert best["Overlap"].to_dict() == {"SRSF1": "8/10", "RBM47": "6/10"}
    assert (table["source"] == "targets").all()
    assert tgem.pl.enrich(adata, key_added="deepsf", show=False) is not None


def test_isoforms_count_once_per_gene(adata, sets):
    network = adata.uns["deepsf_network"]
    twice = pd.concat([network, network]).reset_index(drop=True)
    twice["gene"] = twice["target"]
    twice["target"] = [f"ENST{i}" for i in range(len(twice))]
    adata.uns["deepsf_network"] = twice
    tgem.tl.enrich_targets(adata, sets, background=adata.var_names, symbols=adata.var["symbol"])
    table = adata.uns["deepsf_enrichment"].set_index(["class", "Term"])
    assert table.loc[("SRSF1", "first"), "Overlap"] == "8/10"


def test_classes_stand_before_their_factors(adata, sets):
    network = adata.uns["deepsf_network"]
    adata.uns["epi_network"] = pd.concat(
        [network.assign(**{"class": name}) for name in ("K562", "H1")], ignore_index=True
    )
    tgem.tl.enrich_targets(
        adata,
        sets,
        background=adata.var_names,
        symbols=adata.var["symbol"],
        key_added="epi",
        n_sources=1,
    )
    assert set(adata.uns["epi_enrichment"]["class"]) == {"K562: SRSF1", "H1: SRSF1"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"background": ["ENSG000"]}, "not among its 1 genes"),
        ({"background": None}, "Give them as `background`"),
        ({"symbols": None}, "Give the names that the sets use"),
        ({"min_targets": 100}, "Lower `min_targets`"),
    ],
)
def test_mistakes_leave_the_data_alone(adata, sets, change, match):
    options = {"background": adata.var_names, "symbols": adata.var["symbol"]} | change
    with pytest.raises(ValueError, match=match):
        tgem.tl.enrich_targets(adata, sets, **options)
    assert set(adata.uns) == {"deepsf_network"}


@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")  # few epochs
def test_genes_with_one_isoform_are_no_background(tmp_path):
    data = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=6, n_isoforms=120)
    isoform = data["isoform"]
    # of every other gene only the first isoform is measured
    hosts = isoform.var["gene_id"].astype(str)
    genes = hosts.unique()
    kept = ~(hosts.isin(genes[::2]) & hosts.duplicated()).to_numpy()
    data = mudata.MuData({"gene": data["gene"], "isoform": isoform[:, kept].copy()})
    tgem.model.DeepSF.setup_mudata(data)
    model = tgem.model.DeepSF(data)
    model.train(max_epochs=5, enable_progress_bar=False)
    tgem.tl.regulation(data, model)
    data.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")

    several = sorted(set(hosts[kept][hosts[kept].duplicated()]))
    assert set(model.isoform_genes) == set(several)
    assert len(model.gene_names) > 2 * len(several)
    sets = {"several isoforms": several[:-1]}
    tgem.tl.enrich_targets(read, sets)  # every factor is linked to every gene
    assert read.uns["deepsf_enrichment_params"]["n_background"] == len(several)
    assert (read.uns["deepsf_enrichment"]["P-value"] > 0.9).all()
    tgem.tl.enrich_targets(read, sets, background=model.gene_names)
    assert (read.uns["deepsf_enrichment"]["P-value"] < 1e-6).all()


def test_genes_without_a_symbol_keep_their_name(adata, sets):
    symbols = adata.var["symbol"].astype(object)
    symbols.iloc[[3, 20]] = np.nan
    symbols.iloc[21] = ""
    sets["first"].append("ENSG003")
    tgem.tl.enrich_targets(adata, sets, symbols=symbols, background=adata.var_names)
    found = adata.uns["deepsf_enrichment"].set_index(["class", "Term"])
    assert "ENSG003" in found.loc[("SRSF1", "first"), "Genes"].split(";")
    assert adata.uns["deepsf_enrichment_params"]["n_background"] == 40


def test_copy(adata, sets):
    changed = tgem.tl.enrich_targets(
        adata, sets, background=adata.var_names, symbols=adata.var["symbol"], copy=True
    )
    assert "deepsf_enrichment" in changed.uns
    assert "deepsf_enrichment" not in adata.uns
