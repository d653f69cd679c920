"""A class may be called "all", as the rows of all cells are."""

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import tgem


@pytest.fixture(scope="module")
def written():
    """A model with such a class, and its cells with what the tools measure for each class."""
    adata = tgem.datasets.synthetic_expression(n_obs=80, n_genes=40, seed=1)
    renamed = {"type_1": "all", "type_2": "other"}
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(renamed)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata, preset="paper", n_layers=1, n_heads=1)
    model.train(max_epochs=1, enable_progress_bar=False)
    cells = np.arange(60)
    tgem.tl.attention_necessity(adata, model, indices=cells, n_bootstrap=20)
    tgem.tl.ablation(
        adata, model, indices=cells, method="input_x_gradient", fractions=[0.1, 0.3], n_random=1
    )
    n_all = int((adata.obs["cell_type"][:60] == "all").sum())
    return adata, n_all


@pytest.mark.parametrize("tool", ["attention_necessity", "ablation"])
def test_rows_of_all_cells_are_marked(written, tool, tmp_path):
    adata, n_all = written
    adata.copy().write_h5ad(tmp_path / "cells.h5ad")
    for data in (adata, ad.read_h5ad(tmp_path / "cells.h5ad")):
        table = data.uns[f"tgem_{tool}"]
        named = table[table["class"] == "all"]
        assert set(named.loc[named["all_cells"], "n_cells"]) == {60}
        assert set(named.loc[~named["all_cells"], "n_cells"]) == {n_all}
        assert not table.loc[table["class"] != "all", "all_cells"].any()


def test_the_share_of_all_cells_is_theirs(written):
    adata, _ = written
    table = adata.uns["tgem_attention_necessity"]
    row = table[table["all_cells"] & (table["maps"] == "mean") & (table["metric"] == "accuracy")]
    found = adata.uns["tgem_attention_necessity_params"]["cell_specific_accuracy"]
    assert found[0] == row["own_minus"].item()


@pytest.mark.parametrize("tool", ["attention_necessity", "ablation"])
def test_plots_draw_either(written, tool):
    adata, n_all = written
    plot = getattr(tgem.pl, tool)
    titles = {}
    for classes in (None, ["all"], ["other", "all"]):
        axes = plot(adata, classes=classes, show=False)
        titles[str(classes)] = " ".join(axis.get_title() for axis in axes)
        plt.close("all")
    assert "60 cells" in titles["None"]
    assert f"{n_all} cells" in titles["['all']"]
    assert "60 cells" not in titles["['all']"]
    assert f"{n_all} cells" in titles["['other', 'all']"]


def test_the_report_is_written(written, tmp_path):
    adata, _ = written
    text = tgem.report(adata, tmp_path / "report.html").read_text()
    assert "Attention ladder" in text


def test_tables_of_earlier_versions_are_drawn():
    adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    adata.uns["tgem_ablation"] = pd.DataFrame(
        {
            "class": ["all", "all", "type_1", "type_1"],
            "mode": "deletion",
            "order": ["largest", "random"] * 2,
            "fraction": 0.1,
            "accuracy": 0.5,
            "n_cells": [50, 50, 12, 12],
        }
    )
    for classes, expected in ((None, "50 cells"), (["all"], "50 cells"), (["type_1"], "12 cells")):
        (axis,) = tgem.pl.ablation(adata, classes=classes, show=False)
        assert expected in axis.get_title()
        plt.close("all")


@pytest.mark.parametrize("slot", ["hubs", "stability_hubs"])
def test_a_class_called_all_keeps_its_title(slot):
    adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    table = {"class": ["all", "B"], "gene": ["CD74", "MS4A1"], "frequency": 0.5, "mean_rank": 1.0}
    table |= {"degree": 3, "strength": 1.0, "rank": 1, "p_value": np.nan, "fdr": np.nan}
    adata.uns[f"tgem_{slot}"] = pd.DataFrame(table)
    plot = tgem.pl.hubs if slot == "hubs" else tgem.pl.stability
    assert [axis.get_title() for axis in plot(adata, show=False)] == ["all", "B"]
    (axis,) = plot(adata, classes=["all"], show=False)
    assert axis.get_title() == "all"
    plt.close("all")


def test_and_so_does_its_network():
    adata = tgem.datasets.synthetic_expression(n_obs=50, n_genes=60)
    adata.uns["tgem_network"] = pd.DataFrame(
        {"class": ["all", "B"], "layer": 1, "source": "A", "target": ["B", "C"], "weight": 1.0}
    )
    (axis,) = tgem.pl.network(adata, classes=["all"], show=False)
    assert axis.get_title() == "all"
    plt.close("all")
