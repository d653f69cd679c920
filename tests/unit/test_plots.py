"""Plots show the slots' content: labels, order, numbers, and nothing else changes."""

import re

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_hex
from matplotlib.text import Text

from tgem import pl
from tgem._core import keys
from tgem.pl._figure import wrapped

SLOTS = (
    keys.CONFUSION,
    keys.HISTORY,
    keys.ENRICHMENT,
    keys.ATTRIBUTION_MEAN,
    keys.RANKING,
    keys.ABLATION,
    keys.HUBS,
    keys.NETWORK,
    keys.ATTENTION_NECESSITY,
    keys.SPECIFIC_GENES,
    keys.SPECIFIC_MARKS,
    keys.STABILITY,
    keys.STABILITY_HUBS,
    keys.ATTENTION_ENTROPY,
    keys.CALIBRATION,
    keys.REGULATION_EVALUATION,
)
TOOLS = {"attention_entropy": "attention", "regulation_evaluation": "evaluate_regulation"}
GENES = [f"G{i}" for i in range(30)]
LABELS = ["CD4+/CD25 T Reg", "B cell", "unseen"]


@pytest.fixture(autouse=True)
def _agg():
    """No windows, no figures left open, and no global setting changed."""
    with mpl.rc_context():
        plt.switch_backend("agg")
        before = dict(mpl.rcParams)
        yield
        assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture
def adata():
    adata = ad.AnnData(np.zeros((3, 30), dtype=np.float32), var=pd.DataFrame(index=GENES))
    confusion = [
        ("T", "T", 6), ("T", "B", 2), ("T", "NK", 0),
        ("B", "T", 0), ("B", "B", 9), ("B", "NK", 1),
        ("NK", "T", 0), ("NK", "B", 0), ("NK", "NK", 0),
    ]  # fmt: skip
    table = pd.DataFrame(confusion, columns=["true", "predicted", "n_cells"])
    keys.CONFUSION.write(adata, table)
    history = pd.DataFrame(
        {
            "train_loss": [2.0, 1.0, 0.5, 0.2],
            "validation_loss": [2.1, np.nan, 0.9, np.nan],
            "validation_accuracy": [0.2, 0.5, 0.7, 0.8],
            "learning_rate": [1e-4] * 4,
        },
        index=pd.RangeIndex(4, name="epoch"),
    )
    keys.HISTORY.write(adata, history)
    falling = np.linspace(1.0, -1.0, 30)
    attribution = np.column_stack([falling, -falling, np.full(30, np.nan)])
    attribution[29] = np.nan
    columns = keys.column_names(LABELS)
    keys.ATTRIBUTION_MEAN.write(adata, pd.DataFrame(attribution, index=GENES, columns=columns))
    adata.uns[keys.ATTRIBUTION.params_key()] = {"classes": np.array(LABELS, dtype=object)}
    write_enrichment(adata)
    write_ranking(adata)
    write_ablation(adata)
    write_network(adata)
    write_ladder(adata)
    write_specific(adata)
    write_stability(adata)
    write_calibration(adata)
    write_regulation_evaluation(adata)
    entropy = {f"layer{layer}_head{head}": [0.9, 0.8, 0.7] for layer in (1, 2) for head in (1, 2)}
    keys.ATTENTION_ENTROPY.write(adata, pd.DataFrame(entropy, index=adata.obs_names))
    return adata


def write_ladder(adata):
    names = ["class", "maps", "metric", "value", "lower", "upper"]
    names += ["own_minus", "own_minus_lower", "own_minus_upper", "n_cells"]
    rows = [
        ("all", maps, metric, value, value - 0.1, value + 0.1, 0.9 - value, 0.0, 0.5, 40)
        for maps, value in (("own", 0.9), ("mean", 0.7), ("uniform", 0.2))
        for metric in ("accuracy", "log_likelihood")
    ]
    keys.ATTENTION_NECESSITY.write(adata, pd.DataFrame(rows, columns=names))


def write_specific(adata):
    genes = pd.DataFrame({"cell_type": ["A", "A", "B"], "gene": ["G1", "G2", "G3"]})
    keys.SPECIFIC_GENES.write(adata, genes)
    rows = [
        (cell_type, mark, "other cell types", effect, 0.7, 0.01, 0.02, 2)
        for cell_type, effect in (("A", 0.8), ("B", -0.5))
        for mark in ("H3K4me3", "H3K27me3")
    ]
    names = ["cell_type", "mark", "contrast", "effect", "auroc", "p_value", "fdr", "n_genes"]
    keys.SPECIFIC_MARKS.write(adata, pd.DataFrame(rows, columns=names))


def write_network(adata):
    edges = [("B", "G1", "G2", 0.5), ("B", "G1", "G3", -0.1), ("T", "G4", "G1", 1.0)]
    table = pd.DataFrame(edges, columns=["class", "source", "target", "weight"])
    keys.NETWORK.write(adata, table)
    hubs = [("B", "G1", 2, 0.6, 1, 0.001, 0.01), ("B", "G2", 1, 0.5, 2, 0.5, 0.5)]
    columns = ["class", "gene", "degree", "strength", "rank", "p_value", "fdr"]
    keys.HUBS.write(adata, pd.DataFrame(hubs, columns=columns))


def write_stability(adata):
    network = keys.NETWORK.read(adata)
    edges = network.assign(layer=1, frequency=[0.9, 0.2, 1.0], in_network=True)
    keys.STABILITY.write(adata, edges)
    hubs = keys.HUBS.read(adata)[["class", "gene"]].assign(frequency=[1.0, 0.4], mean_rank=[1, 2])
    keys.STABILITY_HUBS.write(adata, hubs)


def write_calibration(adata):
    rows = [("(all)", 6, 0.65, 0.6, 0.39, 0.78, 20), ("(all)", 9, 0.96, 0.95, 0.83, 0.99, 40)]
    columns = ["class", "bin", "confidence", "accuracy", "low", "high", "n_cells"]
    keys.CALIBRATION.write(adata, pd.DataFrame(rows, columns=columns))


def write_regulation_evaluation(adata):
    areas = {"score": 0.8, "n_isoforms": 0.6}
    rows = [
        (level, measure, 50, 0.2, area, area - 0.1, area + 0.1, 0.01, 0.02)
        for level in ("all", "within_gene")
        for measure, area in areas.items()
    ]
    columns = ["level", "measure", "n_comparisons", "base_rate", "auc", "auc_lower", "auc_upper"]
    table = pd.DataFrame(rows, columns=[*columns, "p_value", "p_value_margins"])
    keys.REGULATION_EVALUATION.write(adata, table)


def write_ranking(adata):
    table = pd.DataFrame(
        {
            "class": [LABELS[0]] * 3 + [LABELS[1]] * 3,
            "gene": ["G0", "G1", "G2", "G28", "G27", "G26"],
            "rank": [1, 2, 3] * 2,
            "mean": [1.0, 0.9, 0.2, 0.5, 0.25, -0.1],
            "median": 0.1,
            "share_expressing": 0.5,
        }
    )
    keys.RANKING.write(adata, table)


def write_ablation(adata):
    rows = [
        (label, mode, order, fraction, accuracy, 100 if label == "all" else 40)
        for label in ("all", *LABELS[:2])
        for mode in ("deletion", "insertion")
        for order, end in (("largest", 0.1), ("random", 0.8), ("smallest", 0.85))
        for fraction, accuracy in ((0.0, 0.9), (0.05, end))
    ]
    columns = ["class", "mode", "order", "fraction", "accuracy", "n_cells"]
    keys.ABLATION.write(adata, pd.DataFrame(rows, columns=columns))
    adata.uns[keys.ABLATION.params_key()] = {"area_deletion": 0.3512}


def write_enrichment(adata, adjusted=(1e-6, 0.01, 0.5, 1e-3, 0.04)):
    table = pd.DataFrame(
        {
            "class": [LABELS[0]] * 3 + [LABELS[1]] * 2,
            "Term": ["alpha", "beta", "gamma", "delta", "alpha"],
            "Overlap": ["5/10", "4/10", "1/10", "10/10", "1/10"],
            "P-value": np.array(adjusted) / 2,
            "Adjusted P-value": adjusted,
        }
    )
    keys.ENRICHMENT.write(adata, table)
    adata.uns[keys.ENRICHMENT.params_key()] = {"classes": np.array(LABELS, dtype=object)}


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def overlaps(texts):
    """Pairs of texts whose boxes meet."""
    texts = [text for text in texts if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent().shrunk(0.98, 0.98) for text in texts]
    return [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


class TestEveryPlot:
    plots = pytest.mark.parametrize("plot", [getattr(pl, name) for name in pl.__all__])

    @plots
    def test_data_stays_as_it_is(self, adata, plot):
        before = adata.copy()
        plot(adata)
        assert set(adata.uns) == set(before.uns)
        for slot in SLOTS:
            pd.testing.assert_frame_equal(slot.read(adata), slot.read(before))

    @plots
    def test_missing_slot_names_the_tool(self, adata, plot):
        tool = TOOLS.get(plot.__name__, plot.__name__)
        with pytest.raises(KeyError, match=rf"tgem\.tl\.{tool}\("):
            plot(adata, key_added="absent")

    @plots
    def test_key_added(self, adata, plot):
        for slot in SLOTS:
            slot.write(adata, slot.read(adata), "other")
        assert plot(adata, key_added="other") is not None

    @plots
    def test_saves(self, adata, plot, tmp_path):
        path = tmp_path / "figure.png"
        plot(adata, save=path)
        assert path.read_bytes().startswith(b"\x89PNG")
        with pytest.raises(FileNotFoundError, match="existing folder"):
            plot(adata, save=tmp_path / "absent" / "figure.png")

    @plots
    def test_shows_only_when_asked_without_a_window(self, adata, plot, monkeypatch):
        calls = []
        monkeypatch.setattr(plt, "show", lambda: calls.append(1))
        assert plot(adata) is not None
        assert plot(adata, show=False) is not None
        assert calls == []
        assert plot(adata, show=True) is None
        assert calls == [1]

    @plots
    def test_shows_by_itself_where_there_are_windows(self, adata, plot, monkeypatch):
        calls = []
        monkeypatch.setattr(plt, "show", lambda: calls.append(1))
        canvas = type(plt.figure().canvas)
        monkeypatch.setattr(canvas, "required_interactive_framework", "qt")
        assert plot(adata) is not None
        assert calls == [1]
        plot(adata, show=False)
        assert calls == [1]

    @pytest.mark.parametrize("plot", [pl.confusion, pl.enrich])
    def test_draws_into_given_axes(self, adata, plot):
        figure, ax = plt.subplots(layout="constrained")
        assert plot(adata, ax=ax) is ax
        assert plt.get_fignums() == [figure.number]


STRANGE = {
    "class": r"a$\no{$c {}",
    "true": r"a$\no{$c {}",
    "predicted": r"a$\no{$c {}",
    "cell_type": r"a$\no{$c {}",
    "gene": "a$g$ {}",
    "source": "a$g$ {}",
    "target": "a$g$ {}",
    "Term": r"CD4+/CD25_$\no{$_{}",
    "mark": "a$b$ {}",
}


def strangely_named(adata):
    """The same results of classes, genes and gene sets whose names are no mathematics."""

    def renamed(column, names):
        pattern = STRANGE[column]
        return [name if name == "all" else pattern.replace("{}", name) for name in names]

    adata.var_names = renamed("gene", adata.var_names)
    for table in adata.uns.values():
        if isinstance(table, pd.DataFrame):
            for column in set(STRANGE) & set(table):
                table[column] = renamed(column, table[column])
    for slot in (keys.ATTRIBUTION_MEAN, keys.ENRICHMENT):
        adata.uns[slot.params_key()] = {"classes": np.array(renamed("class", LABELS), object)}
    mean = keys.ATTRIBUTION_MEAN.read(adata)
    columns = keys.column_names(renamed("class", LABELS))
    mean = mean.set_axis(columns, axis="columns")
    keys.ATTRIBUTION_MEAN.write(adata, mean)
    keys.ATTRIBUTION_SHARE.write(adata, mean.abs())
    return adata


class TestNamesWithDollars:
    @pytest.mark.parametrize(
        ("plot", "settings", "expected"),
        [
            (pl.ablation, {"classes": [r"a$\no{$c B cell"]}, [r"a$\no{$c"]),
            (pl.attribution, {}, [r"a$\no{$c", "a$g$ G0"]),
            (pl.attribution, {"kind": "heatmap"}, [r"a$\no{$c B cell", "a$g$ G0"]),
            (pl.attribution, {"kind": "dotplot"}, [r"a$\no{$c B cell", "a$g$ G0"]),
            (pl.cell_type_specific_genes, {}, [r"a$\no{$c A (2 genes)", "a$b$ H3K4me3"]),
            (pl.confusion, {}, [r"a$\no{$c T"]),
            (pl.enrich, {}, [r"a$\no{$c B cell", r"CD4+/CD25_$\no{$_alpha"]),
            (pl.hubs, {}, [r"a$\no{$c", "a$g$ G1"]),
            (pl.network, {}, [r"a$\no{$c T", "a$g$ G4"]),
            (pl.rank_genes, {}, [r"a$\no{$c", "a$g$ G0"]),
            (pl.stability, {}, [r"a$\no{$c", "a$g$ G1"]),
            (pl.stability, {"of": "edges"}, ["a$g$ G4 → a$g$ G1"]),
        ],
    )
    def test_are_drawn_as_they_are(self, adata, tmp_path, *, plot, settings, expected):
        drawn = plot(strangely_named(adata), save=tmp_path / "figure.png", **settings)
        figure = (drawn[0] if isinstance(drawn, list) else drawn).figure
        texts = [text.get_text() for text in figure.findobj(Text)]
        shown = [text.replace(r"\$", "$") for text in texts if not is_math_text(text)]
        for name in expected:
            assert any(name in text for text in shown), (name, texts)


class TestConfusion:
    def test_labels_and_row_fractions(self, adata):
        ax = pl.confusion(adata)
        assert tick_labels(ax.xaxis) == tick_labels(ax.yaxis) == ["T", "B", "NK"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
        values = ax.images[0].get_array()
        expected = np.array([[0.75, 0.25, 0], [0, 0.9, 0.1]])
        np.testing.assert_allclose(values[:2].filled(-1), expected)
        assert np.ma.getmaskarray(np.ma.masked_invalid(values))[2].all()  # no NK cells: grey

    def test_counts_in_the_fields_that_have_any(self, adata):
        ax = pl.confusion(adata)
        found = {text.get_position(): text.get_text() for text in ax.texts}
        assert found == {(0, 0): "6", (1, 0): "2", (1, 1): "9", (2, 1): "1"}

    def test_counts_contrast_with_their_field(self, adata):
        colours = {text.get_text(): text.get_color() for text in pl.confusion(adata).texts}
        assert colours == {"6": "white", "9": "white", "2": "black", "1": "black"}

    def test_not_normalized(self, adata):
        ax = pl.confusion(adata, normalize=False)
        np.testing.assert_array_equal(ax.images[0].get_array(), [[6, 2, 0], [0, 9, 1], [0, 0, 0]])

    def test_categorical_labels_and_predicted_only_class(self, adata):
        table = pd.DataFrame(
            {"true": ["T", "T"], "predicted": ["T", "B"], "n_cells": [3, 1]}
        ).astype({"true": "category", "predicted": "category"})
        keys.CONFUSION.write(adata, table)
        ax = pl.confusion(adata)
        assert tick_labels(ax.xaxis) == ["T", "B"]
        assert ax.images[0].get_array().shape == (2, 2)

    @pytest.mark.parametrize(("n_classes", "numbered"), [(15, True), (16, False), (34, False)])
    def test_many_long_labels_stay_apart(self, adata, n_classes, numbered):
        labels = [f"CD8+/CD45RA+ Naive Cytotoxic {i}" for i in range(n_classes)]
        rows = [(a, b, 100 * (a == b)) for a in labels for b in labels]
        keys.CONFUSION.write(adata, pd.DataFrame(rows, columns=["true", "predicted", "n_cells"]))
        ax = pl.confusion(adata)
        ax.figure.canvas.draw()
        assert bool(ax.texts) == numbered
        assert overlaps([*ax.get_xticklabels(), *ax.get_yticklabels()]) == []
        assert min(label.get_fontsize() for label in ax.get_xticklabels()) >= 7
        page = ax.figure.bbox
        for label in [*ax.get_xticklabels(), *ax.get_yticklabels()]:
            box = label.get_window_extent()
            assert page.x0 <= box.x0
            assert page.y0 <= box.y0


class TestHistory:
    def test_loss_and_metric_panels(self, adata):
        loss, metric = pl.history(adata)
        assert [line.get_label() for line in loss.lines] == ["train", "validation"]
        np.testing.assert_array_equal(loss.lines[0].get_ydata(), [2.0, 1.0, 0.5, 0.2])
        assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss")
        assert [text.get_text() for text in loss.get_legend().texts] == ["train", "validation"]
        assert metric.get_ylabel() == "validation accuracy"
        assert metric.get_legend() is None
        assert len(metric.lines) == 1  # the learning rate is no validation metric

    def test_missing_epochs_do_not_break_the_line(self, adata):
        validation = pl.history(adata)[0].lines[1]
        np.testing.assert_array_equal(validation.get_xdata(), [0, 2])
        np.testing.assert_array_equal(validation.get_ydata(), [2.1, 0.9])

    def test_metrics_are_chosen(self, adata):
        assert len(pl.history(adata, metrics=[])) == 1
        axes = pl.history(adata, metrics=["learning_rate", "validation_accuracy"])
        labels = [text.get_text() for text in axes[1].get_legend().texts]
        assert labels == ["learning rate", "validation accuracy"]
        assert pl.history(adata, metrics="learning_rate")[1].get_ylabel() == "learning rate"

    def test_rates_that_hardly_move_look_flat(self, adata):
        keys.HISTORY.read(adata)["validation_accuracy"] = [0.9, 0.901, 0.9, 0.902]
        low, high = pl.history(adata)[1].get_ylim()
        assert high - low == pytest.approx(0.1)
        keys.HISTORY.read(adata)["learning_rate"] = [1e-4, 2e-4, 1e-4, 1e-4]
        low, high = pl.history(adata, metrics=["learning_rate"])[1].get_ylim()
        assert high - low < 0.001

    def test_train_loss_only_and_one_epoch(self, adata):
        table = pd.DataFrame({"train_loss": [1.0], "validation_loss": [np.nan]})
        keys.HISTORY.write(adata, table)
        (ax,) = pl.history(adata)
        assert [line.get_label() for line in ax.lines] == ["train"]
        assert ax.lines[0].get_marker() == "o"

    def test_unknown_metric_and_nothing_to_draw(self, adata):
        with pytest.raises(ValueError, match=r"got 'f1'\. Known: 'train_loss', "):
            pl.history(adata, metrics=["f1"])
        keys.HISTORY.write(adata, pd.DataFrame({"learning_rate": [1.0]}))
        with pytest.raises(ValueError, match="found the columns 'learning_rate'"):
            pl.history(adata)


class TestAttribution:
    def test_top_genes_with_the_largest_first(self, adata):
        axes = pl.attribution(adata, n_genes=3)
        assert [ax.get_title() for ax in axes] == LABELS[:2]  # no cell was given the third
        assert tick_labels(axes[0].yaxis) == ["G0", "G1", "G2"]
        assert tick_labels(axes[1].yaxis) == ["G28", "G27", "G26"]  # G29 is unknown
        widths = [bar.get_width() for bar in axes[0].patches]
        np.testing.assert_allclose(widths, np.linspace(1, -1, 30)[:3])
        bottom, top = axes[0].get_ylim()
        assert bottom > top  # position 0 is the highest

    def test_class_without_cells_says_so(self, adata):
        ax = pl.attribution(adata, classes=LABELS)[2]
        assert not ax.patches
        assert "no cell" in ax.texts[0].get_text()

    def test_negative_bars_have_another_colour(self, adata):
        bars = pl.attribution(adata, n_genes=29)[0].patches
        colours = {bar.get_width() >= 0: to_hex(bar.get_facecolor()) for bar in bars}
        assert len(set(colours.values())) == 2

    def test_classes_in_the_order_given(self, adata):
        axes = pl.attribution(adata, classes=["B cell", "CD4+/CD25 T Reg"])
        assert [ax.get_title() for ax in axes] == ["B cell", "CD4+/CD25 T Reg"]
        assert len(axes[0].figure.axes) == 2

    def test_wrong_arguments(self, adata):
        message = re.escape("got 'T'. Known: 'CD4+/CD25 T Reg', 'B cell', 'unseen'.")
        with pytest.raises(ValueError, match=message):
            pl.attribution(adata, classes=["T"])
        with pytest.raises(ValueError, match="`n_genes` to be a whole number of at least 1, got 0"):
            pl.attribution(adata, n_genes=0)

    @pytest.mark.parametrize("n_classes", [1, 2, 10, 34])
    def test_panels_do_not_collide(self, adata, n_classes):
        labels = [f"CD8+/CD45RA+ Naive Cytotoxic {i}" for i in range(n_classes)]
        values = np.random.default_rng(0).gamma(1.0, 0.1, size=(30, n_classes))
        names = [f"RP11-{i}K1.1" for i in range(30)]
        adata.var_names = names
        table = pd.DataFrame(values, index=names, columns=keys.column_names(labels))
        keys.ATTRIBUTION_MEAN.write(adata, table)
        adata.uns[keys.ATTRIBUTION.params_key()] = {"classes": np.array(labels, dtype=object)}
        axes = pl.attribution(adata)
        figure = axes[0].figure
        assert len(figure.axes) == n_classes
        figure.canvas.draw()
        texts = [text for ax in axes for text in [ax.title, *ax.get_yticklabels()]]
        assert overlaps(texts) == []


class TestEnrich:
    def test_prerank_is_coloured_by_its_score(self, adata):
        table = pd.DataFrame(
            {
                "class": [LABELS[0], LABELS[0], LABELS[1]],
                "Term": ["alpha", "beta", "alpha"],
                "NES": [2.0, -1.5, 0.5],
                "NOM p-val": [0.001, 0.001, 0.3],
                "FDR q-val": [0.01, 0.02, 0.4],
                "Tag %": ["5/10", "4/10", "1/10"],
            }
        )
        keys.ENRICHMENT.write(adata, table)
        ax = pl.enrich(adata)
        dots = ax.collections[0]
        np.testing.assert_array_equal(dots.get_array(), [2.0, -1.5, 0.5])
        assert dots.get_clim() == (-2.0, 2.0)
        sizes = dots.get_sizes()
        np.testing.assert_allclose(sizes / sizes.max(), [1.0, 0.8, 0.2])
        rims = [to_hex(colour) == "#000000" for colour in dots.get_edgecolors()]
        assert rims == [True, True, False]
        assert tick_labels(ax.yaxis) == ["alpha", "beta"]
        keys.ENRICHMENT.write(adata, table.iloc[:0])
        assert pl.enrich(adata).get_title().replace("\n", " ") == "no set could be tested"

    def test_best_significant_terms_of_each_class(self, adata):
        ax = pl.enrich(adata)
        assert tick_labels(ax.yaxis) == ["alpha", "beta", "delta"]
        assert tick_labels(ax.xaxis) == LABELS
        assert ax.get_title() == ""
        assert tick_labels(pl.enrich(adata, n_terms=1).yaxis) == ["alpha", "delta"]

    def test_dots_hold_share_evidence_and_significance(self, adata):
        dots = pl.enrich(adata, max_adjusted_p_value=0.02).collections[0]
        np.testing.assert_array_equal(dots.get_offsets(), [[0, 0], [0, 1], [1, 2], [1, 0]])
        sizes = dots.get_sizes()
        np.testing.assert_allclose(sizes / sizes.max(), [0.5, 0.4, 1.0, 0.1])
        np.testing.assert_allclose(dots.get_array(), -np.log10([1e-6, 0.01, 1e-3, 0.04]))
        rims = [to_hex(colour) for colour in dots.get_edgecolors()]
        assert [rim == "#000000" for rim in rims] == [True, True, True, False]

    def test_nothing_significant_is_drawn_and_said(self, adata):
        write_enrichment(adata, adjusted=(0.3, 0.4, 0.5, 0.6, 0.9))
        ax = pl.enrich(adata)
        assert ax.get_title() == "nothing significant"
        assert tick_labels(ax.yaxis) == ["alpha", "beta", "gamma", "delta"]
        rims = {to_hex(colour) for colour in ax.collections[0].get_edgecolors()}
        assert "#000000" not in rims

    def test_empty_table(self, adata):
        keys.ENRICHMENT.write(adata, keys.ENRICHMENT.read(adata).iloc[:0])
        ax = pl.enrich(adata)
        assert ax.get_title().replace("\n", " ") == "no set shares a gene with the top genes"
        assert not ax.collections

    def test_p_value_of_zero_has_a_finite_colour(self, adata):
        write_enrichment(adata, adjusted=(0.0, 0.01, 0.5, 1e-3, 0.04))
        assert np.isfinite(pl.enrich(adata).collections[0].get_array()).all()

    def test_classes(self, adata):
        ax = pl.enrich(adata, classes=["B cell"])
        assert tick_labels(ax.xaxis) == ["B cell"]
        assert tick_labels(ax.yaxis) == ["delta", "alpha"]
        with pytest.raises(ValueError, match="got 'T'"):
            pl.enrich(adata, classes=["T"])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_terms": 0}, "`n_terms` to be a whole number of at least 1"),
            ({"max_adjusted_p_value": 0}, r"in \(0, 1\], got 0"),
            ({"max_adjusted_p_value": 1.5}, "got 1.5"),
        ],
    )
    def test_wrong_arguments(self, adata, arguments, message):
        with pytest.raises(ValueError, match=message):
            pl.enrich(adata, **arguments)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("B cell", "B cell"),
        ("CD8+/CD45RA+ Naive Cytotoxic", "CD8+/CD45RA+\nNaive\nCytotoxic"),
        ("GOBP_T_CELL_ACTIVATION", "GOBP_T_CELL_\nACTIVATION"),
        ("A" * 15, "A" * 12 + "\n" + "A" * 3),
        ("", ""),
    ],
)
def test_long_labels_break_at_words(label, expected):
    assert wrapped(label, 12) == expected
