"""Hubs of the networks that AnnData and MuData hold."""

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest

from tgem import net, tl
from tgem._core import keys
from tgem._core.mudata_compat import columns_stay

COLUMNS = ["class", "gene", "degree", "strength", "rank", "p_value", "fdr"]
GENES = [f"g{at:02d}" for at in range(30)]


def network(seed, hub=None, classes=("B cell", "CD4+/CD25 T Reg")):
    """Eighty random edges of each class; a hub takes the first of them."""
    generator = np.random.default_rng(seed)
    pairs = [(a, b) for a in GENES for b in GENES if a != b]
    parts = []
    for label in classes:
        order = generator.permutation(len(pairs))
        if hub and label == classes[0]:
            order = sorted(order, key=lambda at: hub not in pairs[at])
        rows = pd.DataFrame([pairs[at] for at in order[:80]], columns=["source", "target"])
        rows.insert(0, "class", label)
        rows.insert(1, "layer", generator.integers(1, 4, size=80))
        parts.append(rows.assign(weight=generator.normal(size=80)))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def adata():
    data = ad.AnnData(np.ones((3, 30), dtype=np.float32), var=pd.DataFrame(index=GENES))
    data.uns["tgem_network"] = network(0, hub="g07")
    return data


@pytest.fixture
def splicing():
    """Two factors and the isoforms of two genes, as DeepSF's network lists them."""
    gene = ad.AnnData(np.ones((3, 2), dtype=np.float32), var=pd.DataFrame(index=["SRSF1", "G"]))
    with columns_stay():
        mdata = md.MuData({"gene": gene})
    mdata.uns["deepsf_network"] = pd.DataFrame(
        {
            "source": ["SRSF1", "SRSF1", "SRSF1", "TARDBP", "TARDBP"],
            "target": ["G-1", "G-2", "SRSF1-1", "G-1", "SRSF1-1"],
            "weight": [0.5, -0.25, 0.5, 1.0, 2.0],
            "gene": ["G", "G", "SRSF1", "G", "SRSF1"],
            "t_statistic": [3.0, -2.0, 1.0, 2.0, 5.0],
        }
    )
    return mdata


def test_without_null_nothing_is_tested(adata):
    assert tl.hubs(adata) is None
    found = adata.uns["tgem_hubs"]
    assert found.columns.tolist() == COLUMNS
    assert found[["p_value", "fdr"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(found[COLUMNS[:5]], net.hubs(adata.uns["tgem_network"]))
    params = adata.uns["tgem_hubs_params"]
    assert params["direction"] == "both"
    assert "null" not in params


def test_null_networks_find_the_planted_hub(adata):
    tl.hubs(adata, null=[network(seed) for seed in range(1, 21)])
    found = adata.uns["tgem_hubs"]
    significant = found.loc[found["fdr"] < 0.05, ["class", "gene"]].values.tolist()
    assert significant == [["B cell", "g07"]]
    assert adata.uns["tgem_hubs_params"]["n_null"] == 20
    tl.hubs(adata, null=(network(seed) for seed in range(1, 21)), statistic="strength")
    assert adata.uns["tgem_hubs_params"]["statistic"] == "strength"
    assert not found["p_value"].equals(adata.uns["tgem_hubs"]["p_value"])


def test_degree_null_is_seeded(adata):
    first, again, other = (
        tl.hubs(adata, null="degree", n_permutations=50, seed=seed, copy=True).uns["tgem_hubs"]
        for seed in (0, 0, 1)
    )
    assert "tgem_hubs" not in adata.uns
    pd.testing.assert_frame_equal(first, again)
    assert not first["p_value"].equals(other["p_value"])
    assert first["p_value"].between(0, 1).all()


def test_factors_by_isoforms_and_by_genes(splicing):
    tl.hubs(splicing)
    rows = splicing.uns["deepsf_hubs"][COLUMNS[:5]].values.tolist()
    assert rows == [["all", "SRSF1", 3, 1.25, 1], ["all", "TARDBP", 2, 3.0, 2]]
    assert splicing.uns["deepsf_hubs_params"]["direction"] == "out"
    copied = tl.hubs(splicing, null="degree", n_permutations=9, copy=True)
    assert copied.uns["deepsf_hubs"]["p_value"].notna().all()
    assert splicing.uns["deepsf_hubs"]["p_value"].isna().all()
    pd.testing.assert_frame_equal(copied.obs, splicing.obs)
    assert copied["gene"] is not splicing["gene"]
    # a factor may regulate its own gene
    tl.hubs(splicing, targets="gene")
    rows = splicing.uns["deepsf_hubs"][COLUMNS[:5]].values.tolist()
    assert rows == [["all", "TARDBP", 2, 3.0, 1], ["all", "SRSF1", 2, 1.25, 2]]
    null = splicing.uns["deepsf_network"].assign(source=["A", "B", "C", "D", "E"])
    tl.hubs(splicing, targets="gene", null=[null] * 20)
    assert (splicing.uns["deepsf_hubs"]["p_value"] == 1 / (7 * 20 + 1)).all()


def test_prefixes(adata):
    adata.uns["mine_network"] = network(1)
    tl.hubs(adata, key_added="mine")
    assert "mine_hubs" in adata.uns
    assert "tgem_hubs" not in adata.uns
    adata.uns["epi_network"] = network(2)
    with pytest.raises(
        ValueError, match=r"one result, found 'tgem_network', 'epi_network'.*key_added"
    ):
        tl.hubs(adata)
    tl.hubs(adata, key_added="epi")
    pd.testing.assert_frame_equal(adata.uns["epi_hubs"][COLUMNS[:5]], net.hubs(network(2)))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"key_added": "absent"}, KeyError, r"absent_network.*tgem\.tl\.network.*tl\.regulation"),
        ({"direction": "up"}, ValueError, "`direction` to be one of"),
        ({"targets": "isoform"}, ValueError, "`targets` to be one of"),
        ({"targets": "gene"}, ValueError, r"column 'gene' in `network`.*'class', 'layer'"),
        ({"null": "labels"}, ValueError, "`null` to be one of 'degree'"),
        ({"null": []}, ValueError, "at least 1 networks in `null_tables`, got 0"),
        ({"null": network(1)}, TypeError, "list of networks"),
        ({"null": [network(1, classes=("B cell",))]}, ValueError, "null networks of class 'CD4"),
        ({"null": "degree", "statistic": "degree"}, ValueError, "keeps every degree"),
        ({"statistic": "strength"}, ValueError, "`null` beside statistic='strength'"),
        ({"null": "degree", "n_permutations": 0}, ValueError, "`n_permutations`"),
    ],
)
def test_bad_input_changes_nothing(adata, settings, error, message):
    before = set(adata.uns)
    with pytest.raises(error, match=message):
        tl.hubs(adata, **settings)
    assert set(adata.uns) == before


def test_survives_the_disk(adata, splicing, tmp_path):
    tl.hubs(adata, null=[network(seed) for seed in range(1, 4)])
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = ad.read_h5ad(tmp_path / "x.h5ad")
    expected = adata.uns["tgem_hubs"]
    found = back.uns["tgem_hubs"].astype({"class": object, "gene": object})
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected, check_index_type=False, check_dtype=False
    )
    # and the stored network gives the same hubs
    again = tl.hubs(back, null=[network(seed) for seed in range(1, 4)], copy=True)
    pd.testing.assert_frame_equal(again.uns["tgem_hubs"], expected)
    tl.hubs(splicing)
    with columns_stay():
        splicing.write_h5mu(tmp_path / "x.h5mu")
        stored = md.read_h5mu(tmp_path / "x.h5mu")
    assert stored.uns["deepsf_hubs"]["degree"].tolist() == [3, 2]


def test_no_edges(adata):
    adata.uns["tgem_network"] = adata.uns["tgem_network"].iloc[:0]
    for null in (None, "degree", [network(1)]):
        tl.hubs(adata, null=null)
        assert adata.uns[keys.HUBS.key()].columns.tolist() == COLUMNS
        assert adata.uns[keys.HUBS.key()].empty
