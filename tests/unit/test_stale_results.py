"""What was computed from a slot goes when the slot is written anew."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem import tl
from tgem._core import keys
from tgem._core.derived import READ_FROM, remove_derived, write_network
from tgem._core.mudata_compat import copied

OF_NETWORK = [
    keys.HUBS,
    keys.EDGE_SIGNIFICANCE,
    keys.COMMUNITIES,
    keys.STABILITY,
    keys.STABILITY_HUBS,
    keys.HUBS_ENRICHMENT,
]
NETWORK = pd.DataFrame(
    {"class": "B", "layer": 1, "source": ["a", "a", "b"], "target": ["b", "c", "c"]}
).assign(weight=[0.9, -0.5, 0.2])


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((3, 4), dtype=np.float32))
    keys.NETWORK.write(adata, NETWORK)
    for slot in OF_NETWORK:
        slot.write(adata, pd.DataFrame({"class": ["B"]}))
        adata.uns[slot.params_key()] = {"seed": 0}
    return adata


def left(adata):
    return [slot for slot in OF_NETWORK if slot.key() in adata.uns]


def test_another_network_takes_what_was_computed_from_the_former_one(adata):
    write_network(adata, keys.NETWORK, NETWORK.assign(weight=[0.9, -0.5, 0.1]), None)
    assert list(adata.uns) == [keys.NETWORK.key()]


def test_nothing_of_another_prefix_goes(adata):
    write_network(adata, keys.NETWORK, NETWORK.head(1), "other")
    assert left(adata) == OF_NETWORK


def test_the_same_network_leaves_what_was_computed_from_it(adata, tmp_path):
    write_network(adata, keys.NETWORK, NETWORK.copy(), None)
    assert left(adata) == OF_NETWORK
    del adata.uns[keys.STABILITY_HUBS.key()]  # as a file may lack some
    adata.write_h5ad(tmp_path / "data.h5ad")
    read = ad.read_h5ad(tmp_path / "data.h5ad")
    write_network(read, keys.NETWORK, NETWORK, None)
    assert left(read) == [slot for slot in OF_NETWORK if slot is not keys.STABILITY_HUBS]


def test_networks_without_edges_are_not_told_apart(adata):
    keys.NETWORK.write(adata, NETWORK.head(0))
    write_network(adata, keys.NETWORK, NETWORK.head(0), None)
    assert not left(adata)


def test_hubs_take_their_gene_sets_but_not_those_of_layers(adata):
    adata.uns[keys.HUBS_ENRICHMENT.params_key()] = {READ_FROM: keys.NETWORK.key()}
    remove_derived(adata, keys.HUBS, None)
    assert left(adata) == OF_NETWORK
    adata.uns[keys.HUBS_ENRICHMENT.params_key()] = {READ_FROM: keys.HUBS.key()}
    remove_derived(adata, keys.HUBS, None)
    assert left(adata) == OF_NETWORK[:-1]


def test_every_result_that_is_derived_says_so_in_uns():
    derived = [slot for slot in keys.SLOTS if slot.derived_from]
    patterns = {slot.pattern for slot in keys.SLOTS}
    assert derived
    for slot in derived:
        assert slot.container == "uns", slot
        assert set(slot.derived_from) <= patterns, slot


@pytest.mark.filterwarnings("ignore::tgem._core.errors.AttentionWarning")
def test_network_tool():
    adata = tgem.datasets.synthetic_expression(
        n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, n_heads=8)
    model.train(max_epochs=10, enable_progress_bar=False)
    tl.network(adata, model, n_edges=20)
    assert len(adata.uns["tgem_network"])
    tl.hubs(adata)
    tl.communities(adata, n_permutations=2)
    tl.network(adata, model, n_edges=20)
    assert keys.HUBS.key() in adata.uns
    tl.network(adata, model, n_edges=10)
    assert not {keys.HUBS.key(), keys.COMMUNITIES.key()} & set(adata.uns)


def test_attribution_takes_ranking_and_gene_sets(trained):
    model, adata = trained
    adata = adata.copy()
    tl.attribution(adata, model, method="input_x_gradient")
    tl.rank_genes(adata, n_genes=3)
    sets = {"first": list(adata.var_names[:20])}
    tl.enrich(adata, sets)
    tl.attribution(adata, model, method="input_x_gradient", baseline="zero")
    assert not {keys.RANKING.key(), keys.ENRICHMENT.key()} & set(adata.uns)
    assert not {keys.RANKING.params_key(), keys.ENRICHMENT.params_key()} & set(adata.uns)


def test_attribution_leaves_gene_sets_of_targets(trained):
    model, adata = trained
    adata = adata.copy()
    genes = list(adata.var_names)
    adata.uns["tgem_network"] = pd.DataFrame({"source": "F", "target": genes[:6], "weight": 1.0})
    tl.enrich_targets(adata, {"early": genes[:8]}, background=genes)
    tl.attribution(adata, model, method="input_x_gradient")
    assert keys.ENRICHMENT.key() in adata.uns
    write_network(adata, keys.NETWORK, adata.uns["tgem_network"].head(2), None)
    assert keys.ENRICHMENT.key() not in adata.uns


@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")
def test_regulation_of_a_single_sample_has_no_earlier_statistic():
    mdata = tgem.datasets.synthetic_splicing(n_obs=30, n_factors=6, n_isoforms=40)
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    model.train(max_epochs=2, enable_progress_bar=False)
    tl.regulation(mdata, model, n_edges=10)
    assert keys.REGULATION_STATISTIC.key() in mdata["isoform"].varm
    tl.hubs(mdata)
    names = mdata["gene"].var_names
    bound = (np.arange(len(names) * 6).reshape(-1, 6) % 5 == 0).astype(int)
    factors = mdata["gene"].uns["deepsf_attribution"]["factors"]
    evidence = pd.DataFrame(bound, names, factors)
    tl.evaluate_regulation(mdata, evidence, n_permutations=20, n_bootstrap=20)
    single = copied(mdata[:1])
    tl.regulation(single, model, n_edges=5)
    assert keys.REGULATION_STATISTIC.key() not in single["isoform"].varm
    assert keys.REGULATION_SCORE.key() in single["isoform"].varm
    gone = [keys.HUBS.key("deepsf")]
    gone += [slot.key() for slot in keys.SLOTS if "regulation_evaluation" in slot.pattern]
    assert not set(gone) & set(single.uns)
    assert set(gone) <= set(mdata.uns)
