"""Entropy of attention and attention received, against maps that are written out."""

from copy import deepcopy

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import tgem

QUIET = {"enable_progress_bar": False}
N_GENES = 20


def make_model(preset, **options):
    adata = tgem.datasets.synthetic_expression(
        n_obs=60, n_genes=N_GENES, n_causal=3, n_decoys=4, seed=0
    )
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(
        {"type_1": "CD4+/CD25 T Reg"}
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset=preset, **options)
    model.train(max_epochs=8, **QUIET)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.module.named_parameters():
            if name.endswith(("query", "key")) and "attention" in name:
                weight.add_(torch.randn(weight.shape, generator=generator))
    return model, adata


@pytest.fixture(scope="module")
def default():
    return make_model("default", n_heads=3)


@pytest.fixture(scope="module")
def paper():
    return make_model("paper", n_heads=2, n_layers=2)


def dense(model):
    """For each layer: queries and maps, the diagonal zero, of all cells."""
    module, hidden = deepcopy(model.module).double(), torch.from_numpy(model.get_expression())
    others, hidden = 1 - torch.eye(N_GENES).double(), hidden.double()
    layers = []
    with torch.no_grad():
        if not hasattr(module, "attentions"):
            levels = module.levels(hidden).clamp(-3, 3)[:, None]
            q, k = levels * module.attention.query, module.attention.key[None]
            return [(q, (q[..., None] * k[..., None, :]).softmax(-1) * others)]
        for layer in module.attentions:
            q, k, v = (hidden[:, None] * w for w in (layer.query, layer.key, layer.value))
            maps = (q[..., None] * k[..., None, :]).softmax(-1) * others
            layers.append((q, maps))
            y = torch.einsum("h,nhg->ng", layer.head_weight, (maps @ v[..., None])[..., 0])
            hidden = hidden + module.norm(y)
    return layers


def dense_entropy(q, maps):
    """Share of the largest entropy, missing where the query is 0."""
    rows = maps / maps.sum(-1, keepdim=True)
    entropy = -torch.xlogy(rows, rows).sum(-1) / np.log(N_GENES - 1)
    return torch.where(q == 0, torch.nan, entropy)


@pytest.mark.parametrize("which", ["default", "paper"])
def test_entropy_equals_the_dense_one(which, request):
    model, adata = request.getfixturevalue(which)
    expected = torch.cat([dense_entropy(q, maps) for q, maps in dense(model)], dim=1)
    cells = model.get_attention_entropy()
    np.testing.assert_allclose(cells, expected.nanmean(-1), atol=1e-5)
    assert cells.index.equals(adata.obs_names)
    genes = model.get_attention_entropy(of="genes")
    np.testing.assert_allclose(genes, expected.nanmean(0).T, atol=1e-5)
    assert genes.index.tolist() == list(model.gene_names)
    assert cells.columns.equals(genes.columns)
    assert (cells.to_numpy() < 0.99).any()


def test_genes_that_are_not_expressed_do_not_count(paper):
    model, _ = paper
    assert torch.cat([(q == 0).flatten() for q, _ in dense(model)]).any()
    all_genes = torch.cat(
        [dense_entropy(torch.ones_like(q), maps) for q, maps in dense(model)], dim=1
    )
    cells = model.get_attention_entropy()["layer1_head1"].to_numpy()
    assert (cells < all_genes.mean(-1)[:, 0].numpy()).mean() > 0.9


@pytest.mark.parametrize("which", ["default", "paper"])
def test_received_equals_the_dense_one(which, request):
    model, adata = request.getfixturevalue(which)
    expected = [maps.sum(-2).mean(1).numpy() for _, maps in dense(model)]
    per_cell = model.get_attention_received(per_cell=True)
    by_label = model.get_attention_received()
    by_given = model.get_attention_received(groupby="cell_type")
    predicted, given = model.predict(), adata.obs["cell_type"].to_numpy()
    for layer, values in enumerate(expected):
        np.testing.assert_allclose(per_cell[layer], values, atol=1e-5)
        for label in model.classes:
            if (predicted == label).any():
                mean = values[predicted == label].mean(0)
                np.testing.assert_allclose(by_label[layer][label], mean, atol=1e-5)
            else:
                assert by_label[layer][label].isna().all()
            np.testing.assert_allclose(
                by_given[layer][label], values[given == label].mean(0), atol=1e-5
            )


def test_batches_change_nothing(paper):
    model, _ = paper
    one, other = model.get_attention_summary(batch_size=7), model.get_attention_summary()
    pd.testing.assert_frame_equal(one.cells, other.cells)
    pd.testing.assert_frame_equal(one.genes, other.genes, atol=1e-6)
    pd.testing.assert_frame_equal(one.received[1], other.received[1], atol=1e-6)


def test_some_cells(paper):
    model, _ = paper
    some = model.get_attention_entropy(indices=[3, 1])
    pd.testing.assert_frame_equal(some, model.get_attention_entropy().iloc[[3, 1]])
    with pytest.raises(ValueError, match="at least one cell"):
        model.get_attention_entropy(indices=[])
    with pytest.raises(ValueError, match="'cells', 'genes'"):
        model.get_attention_entropy(of="layers")


class TestTool:
    def test_slots(self, paper):
        model, adata = paper
        found = tgem.tl.attention(adata, model, copy=True)
        assert "tgem_attention_entropy" not in adata.obsm
        pd.testing.assert_frame_equal(
            found.obsm["tgem_attention_entropy"], model.get_attention_entropy()
        )
        assert found.varm["tgem_attention_entropy"].shape == (N_GENES, 4)
        for layer in (1, 2):
            table = found.varm[f"tgem_attention_layer{layer}"]
            assert list(table) == ["CD4+|CD25 T Reg", "type_2", "type_3", "type_4"]
        params = found.uns["tgem_attention_entropy_params"]
        assert params["classes"][0] == "CD4+/CD25 T Reg"
        layers = found.obsm["tgem_attention_entropy"].to_numpy().reshape(-1, 2, 2).mean(2)
        np.testing.assert_allclose(params["entropy_of_layers"], layers.mean(0), rtol=1e-5)
        value, low, high = params["entropy_first_minus_last"]
        assert low < value < high
        assert value == pytest.approx((layers[:, 0] - layers[:, 1]).mean(), rel=1e-4)

    def test_one_layer_has_no_difference(self, default):
        model, adata = default
        found = tgem.tl.attention(adata, model, copy=True, key_added="other")
        assert "entropy_first_minus_last" not in found.uns["other_attention_entropy_params"]
        assert {"other_attention_entropy", "other_attention_layer1"} <= set(found.varm)

    def test_files(self, paper, tmp_path):
        model, adata = paper
        found = tgem.tl.attention(adata, model, copy=True)
        found.write_h5ad(tmp_path / "cells.h5ad")
        read = ad.read_h5ad(tmp_path / "cells.h5ad")
        for container, key in (
            ("obsm", "tgem_attention_entropy"),
            ("varm", "tgem_attention_entropy"),
            ("varm", "tgem_attention_layer2"),
        ):
            pd.testing.assert_frame_equal(
                getattr(read, container)[key], getattr(found, container)[key]
            )
        ax = tgem.pl.attention_entropy(read, show=False)
        assert "first minus last layer" in ax.get_title()

    def test_genes_that_the_model_does_not_know(self, default):
        model, adata = default
        extra = ad.AnnData(
            np.zeros((adata.n_obs, 1), dtype=np.float32),
            obs=adata.obs,
            var=pd.DataFrame(index=["NEW"]),
        )
        wide = ad.concat([extra, ad.AnnData(adata.X, obs=adata.obs, var=adata.var)], axis=1)
        tgem.tl.attention(wide, model)
        assert wide.varm["tgem_attention_layer1"].loc["NEW"].isna().all()
        assert wide.varm["tgem_attention_entropy"].iloc[1:].notna().all(axis=None)

    def test_errors_leave_the_data_alone(self, default, tiny_adata):
        model, adata = default
        before = set(adata.uns), set(adata.obsm), set(adata.varm)
        with pytest.raises(KeyError, match="half"):
            tgem.tl.attention(adata, model, groupby="half")
        assert (set(adata.uns), set(adata.obsm), set(adata.varm)) == before
        tgem.model.TGEM.setup_anndata(tiny_adata, labels_key="cell_type")
        with pytest.raises(RuntimeError, match="not trained"):
            tgem.tl.attention(tiny_adata, tgem.model.TGEM(tiny_adata))


class TestPlot:
    def test_boxes(self, paper):
        model, adata = paper
        found = tgem.tl.attention(adata, model, copy=True)
        ax = tgem.pl.attention_entropy(found, show=False)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "1", "2"]
        assert {text.get_text() for text in ax.texts} == {"layer 1", "layer 2"}
        assert len(ax.patches) == 4
        plt.close("all")

    def test_nothing_to_draw(self, tiny_adata):
        with pytest.raises(KeyError, match=r"tgem\.tl\.attention\(adata"):
            tgem.pl.attention_entropy(tiny_adata)

    def test_own_axes_and_file(self, default, tmp_path):
        model, adata = default
        found = tgem.tl.attention(adata, model, copy=True)
        _, ax = plt.subplots()
        assert tgem.pl.attention_entropy(found, ax=ax, save=tmp_path / "a.png", show=False) is ax
        assert (tmp_path / "a.png").stat().st_size > 1000
        plt.close("all")
