"""Heatmap, dotplot, ranked genes and ablation curves show the slots' content."""

import re

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from tgem import pl
from tgem._core import keys

GENES = ["A", "B", "C", "D", "E"]
LABELS = ["CD4+/CD25 T Reg", "B cell", "unseen"]
MEANS = np.array([[3.0, 1.0], [2.0, 2.5], [0.1, 1.5], [-0.5, 0.2], [-2.0, 0.0]])
MARKS = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]) / 10


@pytest.fixture(autouse=True)
def _agg():
    with mpl.rc_context():
        plt.switch_backend("agg")
        before = dict(mpl.rcParams)
        yield
        assert dict(mpl.rcParams) == before
    plt.close("all")


def make(labels, genes, means, shares):
    adata = ad.AnnData(np.zeros((2, len(genes)), dtype=np.float32))
    adata.var_names = genes
    columns = keys.column_names(labels)
    for slot, values in ((keys.ATTRIBUTION_MEAN, means), (keys.ATTRIBUTION_SHARE, shares)):
        slot.write(adata, pd.DataFrame(values, index=genes, columns=columns))
    adata.uns[keys.ATTRIBUTION.params_key()] = {"classes": np.array(labels, dtype=object)}
    return adata


@pytest.fixture
def adata():
    missing = np.full((5, 1), np.nan)
    return make(LABELS, GENES, np.hstack([MEANS, missing]), np.hstack([MARKS, missing]))


@pytest.fixture
def many():
    """Ten, or as many as asked, long-named classes."""

    def build(n_classes):
        rng = np.random.default_rng(0)
        labels = [f"CD8+/CD45RA+ Naive Cytotoxic {i}" for i in range(n_classes)]
        genes = [f"RP11-{i}K1.1" for i in range(120)]
        means = rng.normal(size=(120, n_classes))
        adata = make(labels, genes, means, rng.random((120, n_classes)))
        ranking, curves = [], []
        for j, label in enumerate(labels):
            order = np.argsort(-means[:, j])[:20]
            columns = {"class": label, "gene": np.array(genes)[order], "rank": np.arange(1, 21)}
            values = {"mean": means[order, j], "median": 0.0, "share_expressing": 0.5}
            ranking.append(pd.DataFrame(columns | values))
            for name, end in (("largest", 0.1), ("random", 0.8), ("smallest", 0.9)):
                columns = {"class": label, "mode": "deletion", "order": name}
                values = {"fraction": [0, 0.1], "accuracy": [0.9, end], "n_cells": 5}
                curves.append(pd.DataFrame(columns | values))
        keys.RANKING.write(adata, pd.concat(ranking, ignore_index=True))
        keys.ABLATION.write(adata, pd.concat(curves, ignore_index=True))
        return adata

    return build


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def overlaps(texts):
    texts = [text for text in texts if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent().shrunk(0.97, 0.97) for text in texts]
    return [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


class TestHeatmap:
    def test_genes_stand_with_the_class_of_their_largest_mean(self, adata):
        ax = pl.attribution(adata, kind="heatmap", n_genes=2, classes=LABELS)
        assert tick_labels(ax.yaxis) == LABELS
        assert tick_labels(ax.xaxis) == ["A", "B", "C"]
        values = ax.images[0].get_array()
        np.testing.assert_array_equal(values[:2], MEANS[:3].T)
        assert np.ma.getmaskarray(np.ma.masked_invalid(values))[2].all()
        boxes = [(box.get_x(), box.get_y(), box.get_width()) for box in ax.patches]
        assert boxes == [(-0.5, -0.5, 1), (0.5, 0.5, 2)]

    def test_colours_are_centred_and_run_from_vermilion_to_blue(self, adata):
        image = pl.attribution(adata, kind="heatmap", n_genes=5).images[0]
        assert image.get_clim() == (-3.0, 3.0)
        assert image.cmap(image.norm(0.0))[:3] == pytest.approx((1, 1, 1), abs=0.02)
        against, speaks_for = (np.array(image.cmap(image.norm(v))[:3]) for v in (-2.0, 2.0))
        assert against[0] > against[2]
        assert speaks_for[2] > speaks_for[0]

    def test_only_genes_that_speak_for_a_class(self, adata):
        assert tick_labels(pl.attribution(adata, kind="heatmap", n_genes=5).xaxis) == list("ABCD")

    def test_classes_in_the_order_given(self, adata):
        ax = pl.attribution(adata, kind="heatmap", n_genes=1, classes=["B cell", LABELS[0]])
        assert tick_labels(ax.yaxis) == ["B cell", LABELS[0]]
        assert tick_labels(ax.xaxis) == ["B", "A"]

    def test_nothing_but_missing_values(self, adata):
        for kind in ("heatmap", "dotplot"):
            ax = pl.attribution(adata, kind=kind, classes=["unseen"])
            assert "no gene has a positive" in ax.texts[0].get_text()

    @pytest.mark.parametrize("kind", ["heatmap", "dotplot"])
    @pytest.mark.parametrize("n_classes", [2, 10, 34])
    def test_labels_stay_apart(self, many, kind, n_classes):
        ax = pl.attribution(many(n_classes), kind=kind)
        ax.figure.canvas.draw()
        legend = ax.figure.axes[1].get_legend()
        keys_beside = [*legend.get_texts(), ax.figure.axes[1].yaxis.label] if legend else []
        texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), *keys_beside]
        assert overlaps(texts) == []
        page = ax.figure.bbox
        boxes = [text.get_window_extent() for text in texts]
        assert all(page.x0 <= box.x0 and page.y0 <= box.y0 for box in boxes)


class TestDotplot:
    def test_area_is_the_share_and_colour_the_mean(self, adata):
        ax = pl.attribution(adata, kind="dotplot", n_genes=2)
        dots = ax.collections[0]
        found = {
            tuple(place): (mean, size)
            for place, mean, size in zip(
                dots.get_offsets(), dots.get_array(), dots.get_sizes(), strict=True
            )
        }
        # Columns A, B, C; the class without cells has no dots.
        assert set(found) == {(x, y) for x in range(3) for y in range(2)}
        assert found[0, 1][0] == 1.0
        assert found[2, 1][0] == 1.5
        assert found[1, 1][1] / found[2, 1][1] == pytest.approx(0.3 / 0.5)
        assert found[0, 0][1] == 0

    def test_without_shares_the_tool_is_named(self, adata):
        del adata.varm[keys.ATTRIBUTION_SHARE.key()]
        with pytest.raises(KeyError, match=r"tgem\.tl\.attribution"):
            pl.attribution(adata, kind="dotplot")


class TestAttributionArguments:
    @pytest.mark.parametrize("kind", ["heatmap", "dotplot"])
    def test_given_axes(self, adata, kind):
        figure, ax = plt.subplots(layout="constrained")
        assert pl.attribution(adata, kind=kind, ax=ax) is ax
        assert plt.get_fignums() == [figure.number]

    def test_bars_of_one_class_into_given_axes(self, adata):
        _, ax = plt.subplots()
        assert pl.attribution(adata, classes="B cell", ax=ax) == [ax]
        assert tick_labels(ax.yaxis)[0] == "B"
        with pytest.raises(ValueError, match="one panel to draw into `ax`, but there are 3"):
            pl.attribution(adata, classes=LABELS, ax=ax)

    def test_unknown_kind(self, adata):
        with pytest.raises(ValueError, match="'bars', 'heatmap', 'dotplot', got 'violin'"):
            pl.attribution(adata, kind="violin")


class TestRankGenes:
    def test_names_stand_at_their_points(self, many):
        adata = many(2)
        ranking = keys.RANKING.read(adata)
        axes = pl.rank_genes(adata, n_genes=5)
        assert len(axes) == 2
        for ax, (label, rows) in zip(axes, ranking.groupby("class"), strict=True):
            assert ax.get_title().replace("\n", " ") == label
            points = ax.collections[0].get_offsets()
            np.testing.assert_allclose(points, rows[["rank", "mean"]][:5])
            assert [(text.get_text(), text.xy) for text in ax.texts] == [
                (gene, (rank, mean))
                for gene, rank, mean in rows[["gene", "rank", "mean"]][:5].itertuples(index=False)
            ]

    @pytest.mark.parametrize("n_classes", [2, 34])
    def test_names_stay_apart_and_below_the_title(self, many, n_classes):
        axes = pl.rank_genes(many(n_classes))
        axes[0].figure.canvas.draw()
        assert len(axes[0].figure.axes) == n_classes
        for ax in axes[::7]:
            assert overlaps([*ax.texts, ax.title]) == []
            top = max(text.get_window_extent().y1 for text in ax.texts)
            assert top <= ax.title.get_window_extent().y0

    def test_classes_and_given_axes(self, many):
        adata = many(2)
        label = keys.RANKING.read(adata)["class"].iloc[-1]
        _, ax = plt.subplots()
        assert pl.rank_genes(adata, classes=[label], ax=ax) == [ax]
        assert ax.get_ylabel() == "mean attribution"
        with pytest.raises(ValueError, match="there are 2"):
            pl.rank_genes(adata, ax=ax)
        with pytest.raises(ValueError, match="got 'T'"):
            pl.rank_genes(adata, classes=["T"])

    def test_one_gene_and_negative_means(self, adata):
        row = {"class": ["x"], "gene": ["A"], "rank": [1], "mean": [-0.5]}
        keys.RANKING.write(adata, pd.DataFrame(row))
        (ax,) = pl.rank_genes(adata)
        low, high = ax.get_ylim()
        assert low < -0.5 < high


class TestAblation:
    @pytest.fixture
    def adata(self, adata):
        rows = [
            (label, mode, order, fraction, accuracy, 100 if label == "all" else 40)
            for label in ("all", *LABELS[:2])
            for mode in ("insertion", "deletion")
            for order, end in (("largest", 0.1), ("random", 0.8), ("smallest", 0.85))
            for fraction, accuracy in ((0.05, end), (0.0, 0.9))
        ]
        columns = ["class", "mode", "order", "fraction", "accuracy", "n_cells"]
        keys.ABLATION.write(adata, pd.DataFrame(rows, columns=columns))
        adata.uns[keys.ABLATION.params_key()] = {"area_deletion": 0.3512}
        return adata

    def test_three_curves_and_the_area(self, adata):
        deletion, insertion = pl.ablation(adata)
        assert deletion.get_title() == "deletion, 100 cells\nshaded: mean height 0.351"
        assert insertion.get_title() == "insertion, 100 cells"
        assert insertion.get_xlabel() == "genes inserted (%)"
        largest, random, smallest = deletion.lines
        np.testing.assert_allclose(largest.get_xydata(), [[0, 0.9], [5, 0.1]])
        np.testing.assert_allclose(random.get_ydata(), [0.9, 0.8])
        np.testing.assert_allclose(smallest.get_ydata(), [0.9, 0.85])
        corners = deletion.collections[0].get_paths()[0].vertices
        assert {tuple(corner) for corner in corners.round(6)} >= {(5, 0.1), (5, 0.8)}
        texts = [text.get_text() for text in deletion.figure.legends[0].get_texts()]
        assert [text.split()[0] for text in texts] == ["largest", "random", "smallest"]
        assert len({to_rgb(line.get_color()) for line in deletion.lines}) == 3

    def test_classes_by_deletion_or_the_mode_asked_for(self, adata):
        axes = pl.ablation(adata, classes=["B cell", LABELS[0]])
        assert [ax.get_title() for ax in axes] == ["B cell\n40 cells", f"{LABELS[0]}\n40 cells"]
        assert {ax.get_xlabel() for ax in axes} == {"genes deleted (%)"}
        (ax,) = pl.ablation(adata, classes="B cell", mode="insertion")
        assert ax.get_xlabel() == "genes inserted (%)"

    def test_given_axes(self, adata):
        figure, ax = plt.subplots()
        assert pl.ablation(adata, mode="deletion", ax=ax) == [ax]
        assert ax.get_legend() is not None
        assert figure.legends == []
        with pytest.raises(ValueError, match="there are 2"):
            pl.ablation(adata, ax=ax)

    def test_wrong_arguments(self, adata):
        with pytest.raises(ValueError, match=re.escape(f"'all', '{LABELS[0]}', 'B cell'")):
            pl.ablation(adata, classes=["T"])
        table = keys.ABLATION.read(adata)
        keys.ABLATION.write(adata, table[table["mode"] == "deletion"])
        with pytest.raises(ValueError, match="one of 'deletion', got 'insertion'"):
            pl.ablation(adata, mode="insertion")
        assert len(pl.ablation(adata)) == 1

    def test_without_random_order_nothing_is_shaded(self, adata):
        table = keys.ABLATION.read(adata)
        keys.ABLATION.write(adata, table[table["order"] != "random"])
        ax = pl.ablation(adata)[0]
        assert len(ax.lines) == 2
        assert not ax.collections

    @pytest.mark.parametrize("n_classes", [2, 34])
    def test_panels_do_not_collide(self, many, n_classes):
        adata = many(n_classes)
        labels = list(keys.ABLATION.read(adata)["class"].unique())
        axes = pl.ablation(adata, classes=labels)
        axes[0].figure.canvas.draw()
        texts = [text for ax in axes for text in (ax.title, ax.xaxis.label, ax.yaxis.label)]
        assert overlaps([*texts, *axes[0].figure.legends[0].get_texts()]) == []
