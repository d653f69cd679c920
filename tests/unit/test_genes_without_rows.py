"""Genes of the model that the data's `.var` does not hold, or holds under another name."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import GeneAlignmentWarning


def trained_on(adata, **setup):
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type", **setup)
    model = tgem.model.TGEM(adata)
    model.train(max_epochs=2, enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def with_raw():
    """All genes in `.raw`, the first 15 in `.X`: the usual state after scanpy."""
    full = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    full.raw = full.copy()
    adata = full[:, :15].copy()
    return trained_on(adata, use_raw=True), adata, full


@pytest.fixture(scope="module")
def by_ensembl():
    adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    adata.var_names = [f"ENSG{number:011d}" for number in range(60)]
    return trained_on(adata), adata


def test_all_genes_of_raw_are_ranked_and_tested(with_raw, tmp_path):
    model, adata, full = with_raw
    some = adata.copy()
    tgem.tl.attribution(some, model, n_steps=3, add_layer=True)
    whole = full.raw.to_adata()
    tgem.tl.attribution(whole, model, n_steps=3)
    assert some.varm["tgem_attribution"].shape == (15, 4)
    np.testing.assert_allclose(
        some.varm["tgem_attribution"], whole.varm["tgem_attribution"].iloc[:15]
    )
    some.write_h5ad(tmp_path / "some.h5ad")
    sets = {"late": list(full.var_names[30:50]), "early": list(full.var_names[:20])}
    for adata_ in (some, ad.read_h5ad(tmp_path / "some.h5ad"), whole):
        tgem.tl.rank_genes(adata_, n_genes=20)
        tgem.tl.enrich(adata_, sets)
        assert adata_.uns["tgem_enrichment_params"]["n_background"] == 60
        for key in ("tgem_rank_genes", "tgem_enrichment"):
            pd.testing.assert_frame_equal(adata_.uns[key], whole.uns.get(key, adata_.uns[key]))
    axes = tgem.pl.attribution(some, kind="dotplot", show=False)
    assert len(axes.get_xticklabels()) == len(
        tgem.pl.attribution(whole, kind="dotplot", show=False).get_xticklabels()
    )


def test_tables_with_room_for_less_say_so(with_raw):
    model, adata, _ = with_raw
    some = adata.copy()
    with pytest.warns(GeneAlignmentWarning, match="45 of the model's 60 genes are not in"):
        tgem.tl.class_attention(some, model)
    np.testing.assert_allclose(
        some.varm["tgem_class_attention"], model.get_class_attention().iloc[:15]
    )
    with pytest.warns(GeneAlignmentWarning, match="get_attention_summary"):
        tgem.tl.attention(some, model)


def test_genes_found_without_their_version_have_their_rows(by_ensembl):
    model, adata = by_ensembl
    own, query = adata.copy(), adata[:, ::-1].copy()
    query.var_names = query.var_names + ".2"
    tgem.tl.attribution(own, model, n_steps=3, add_layer=True)
    with pytest.warns(GeneAlignmentWarning, match="not by their names"):
        tgem.tl.attribution(query, model, n_steps=3, add_layer=True)
    table = query.varm["tgem_attribution"].iloc[::-1]
    assert table.notna().all(axis=None)
    np.testing.assert_allclose(table, own.varm["tgem_attribution"], atol=1e-6)
    layers = [data.layers["tgem_attribution"].toarray() for data in (query, own)]
    np.testing.assert_allclose(layers[0][:, ::-1], layers[1], atol=1e-6)
    for data in (own, query):
        tgem.tl.rank_genes(data)
    pd.testing.assert_frame_equal(query.uns["tgem_rank_genes"], own.uns["tgem_rank_genes"])


def test_genes_that_were_not_measured_are_not_ranked(by_ensembl):
    model, adata = by_ensembl
    query = adata[:, :50].copy()
    query.var_names = query.var_names + ".2"
    with pytest.warns(GeneAlignmentWarning):
        tgem.tl.attribution(query, model, n_steps=3)
    tgem.tl.rank_genes(query, n_genes=60)
    assert set(query.uns["tgem_rank_genes"]["gene"]) == set(adata.var_names[:50])


def test_a_ranking_without_genes_is_not_drawn(by_ensembl):
    _, adata = by_ensembl
    empty = adata.copy()
    empty.uns["tgem_rank_genes"] = pd.DataFrame(
        columns=["class", "gene", "rank", "mean", "median", "share_expressing"]
    )
    with pytest.raises(ValueError, match="Expected genes in the ranking"):
        tgem.pl.rank_genes(empty, show=False)
