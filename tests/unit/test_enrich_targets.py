"""Gene sets of the genes that factors regulate."""

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
        ({"symbols": None}, "Give the names that the sets use"),
        ({"min_targets": 100}, "Lower `min_targets`"),
    ],
)
def test_mistakes_leave_the_data_alone(adata, sets, change, match):
    options = {"background": adata.var_names, "symbols": adata.var["symbol"]} | change
    with pytest.raises(ValueError, match=match):
        tgem.tl.enrich_targets(adata, sets, **options)
    assert set(adata.uns) == {"deepsf_network"}


def test_copy(adata, sets):
    changed = tgem.tl.enrich_targets(
        adata, sets, background=adata.var_names, symbols=adata.var["symbol"], copy=True
    )
    assert "deepsf_enrichment" in changed.uns
    assert "deepsf_enrichment" not in adata.uns
