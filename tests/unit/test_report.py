"""The report says what the slots say, and nothing that they do not."""

import html
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from typer.testing import CliRunner

import tgem
from tgem._core import keys
from tgem._report._attention import Share, verdict
from tgem._report._scores import by_class, counted, overall, square
from tgem.cli import app
from tgem.model._base._scores import classification_scores

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic_results import LONG, STRANGE, results

SECTIONS = [
    "overview", "metrics", "calibration", "umap", "training", "genes", "ablation", "enrichment",
    "attention", "entropy", "network", "hubs", "stability", "provenance",
]  # fmt: skip
VOID = {"meta", "input", "wbr", "br", "hr", "img"}
DATA = re.compile(r'<script type="application/json" id="network-data">(.*?)</script>')
NOT_READ = "should not be read as regulation"


class Page(HTMLParser):
    """Sections of a page, and whether every element is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.loaded = text, [], []
        self.present, self.absent, self.words, self.rows = [], [], {}, {}
        self.ids, self.section, self.row = [], None, None
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.loaded += [
            (tag, name, value)
            for name, value in attributes
            if name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster")
            and not (value or "").startswith("#")
        ]
        if tag == "section":
            self.section = values["id"]
            (self.absent if "absent" in (values.get("class") or "") else self.present).append(
                self.section
            )
            self.words[self.section], self.rows[self.section] = "", []
        if tag == "tr":
            self.row = []
        if tag == "td" and self.row is not None:
            self.row.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1] == tag, f"{tag} closes {self.open[-3:]}"
        self.open.pop()
        if tag == "section":
            self.section = None
        if tag == "tr" and self.section:
            self.rows[self.section].append(self.row)
            self.row = None

    def handle_data(self, data):
        if "script" in self.open or "style" in self.open:
            return
        if self.section:
            self.words[self.section] += data
        if self.row and "td" in self.open:
            self.row[-1] += data


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def read(tmp_path):
    """Write a report and read it."""

    def run(adata, **settings):
        path = tgem.report(adata, tmp_path / "report.html", **settings)
        return Page(path.read_text(encoding="utf-8"))

    return run


def only(*parts, **settings):
    """Results of two classes without those that a test does not look at: figures take time."""
    adata = results(2, **settings)
    for key in list(adata.uns):
        if not any(part in key for part in parts):
            del adata.uns[key]
    del adata.obsm
    return adata


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Text of the report of all results of two classes."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    return tgem.report(results(2), path, labels_key="cell_type").read_text(encoding="utf-8")


class TestPage:
    def test_every_result_has_its_section(self, two):
        page = Page(two)
        assert page.present == SECTIONS
        assert page.absent == []

    def test_loads_nothing(self, two):
        page = Page(two)
        assert [each for each in page.loaded if not each[2].startswith("data:image/png")] == []
        assert not re.search(r"https?:|//cdn|@import|url\((?!#)|<link|<iframe", two)
        assert "default-src 'none'" in two

    def test_names_are_text(self, two):
        assert STRANGE not in two
        assert html.escape(STRANGE) in re.sub("<wbr>", "", two)
        page = Page(two)  # raises where a name closed or opened an element
        assert any(STRANGE in row for row in page.rows["hubs"])
        assert any(LONG in row for row in page.rows["enrichment"])

    def test_title_is_text(self, read):
        page = read(only("prediction"), title="<b>{{style}}</b> & more")
        assert "<h1>&lt;b&gt;{{style}}&lt;/b&gt; &amp; more</h1>" in page.text

    def test_no_name_of_an_element_repeats(self, two):
        drawn = r"(C[0-9a-f]+_[0-9a-f]+_)?[a-z]?[0-9a-f]{10}"  # hashes of what they name
        ids = [name for name in Page(two).ids if not re.fullmatch(drawn, name)]
        assert len(ids) == len(set(ids))

    def test_same_input_same_page(self, two, tmp_path):
        plt.style.use("dark_background")  # the user's style changes nothing
        again = tgem.report(results(2), tmp_path / "again.html", labels_key="cell_type").read_text()
        plt.style.use("default")
        dateless = [re.sub(r"<time>[^<]*</time>", "", text) for text in (two, again)]
        assert dateless[0] == dateless[1]

    def test_34_classes_in_less_than_8_mb(self, tmp_path):
        adata = results(34, n_obs=2000, n_genes=200, n_edges=5000)
        path = tgem.report(adata, tmp_path / "report.html", labels_key="cell_type")
        assert path.stat().st_size < 8e6
        page = Page(path.read_text(encoding="utf-8"))
        assert page.present == SECTIONS
        assert "60,000" not in page.words["network"]
        assert "1,764 strongest edges of each class" in page.words["network"]

    def test_leaves_data_and_figures_alone(self, tmp_path):
        adata = only("confusion", "ablation")
        before, (_, ax) = adata.copy(), plt.subplots()
        tgem.report(adata, tmp_path / "report.html", labels_key="cell_type")
        assert plt.get_fignums() == [ax.figure.number]
        pd.testing.assert_frame_equal(adata.obs, before.obs)
        assert list(adata.uns) == list(before.uns)

    def test_h5ad_round_trip(self, tmp_path, two):
        adata = results(2)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        again = ad.read_h5ad(tmp_path / "cells.h5ad")
        path = tgem.report(again, tmp_path / "report.html", labels_key="cell_type")
        before, after = Page(two), Page(path.read_text(encoding="utf-8"))
        assert after.rows == before.rows
        assert after.present == before.present

    def test_another_prefix(self, tmp_path, two):
        adata = results(2)
        for container in (adata.obs, adata.obsm, adata.uns):
            for key in [key for key in container if key.startswith("tgem_")]:
                container[key.replace("tgem_", "mine_")] = container[key]
                del container[key]
        path = tgem.report(
            adata, tmp_path / "report.html", labels_key="cell_type", key_added="mine"
        )
        page = Page(path.read_text(encoding="utf-8"))
        assert page.present == SECTIONS
        assert page.rows["metrics"] == Page(two).rows["metrics"]


class TestMissing:
    def test_one_slot(self, read):
        adata = only("confusion")
        adata.obs = adata.obs[["cell_type"]]
        page = read(adata)
        assert page.present == ["overview", "metrics", "provenance"]
        assert "tgem.tl.network(" in page.words["network"]
        assert "tgem.tl.attention_necessity(" in page.words["attention"]
        assert "network-data" not in page.ids

    def test_no_given_labels(self, read):
        page = read(results(2))
        assert "given label" not in page.words["umap"]
        assert not any(row[0].startswith("train") for row in page.rows["metrics"] if row)

    def test_empty_tables(self, read):
        adata = results(2)
        for key, value in adata.uns.items():
            if isinstance(value, pd.DataFrame):
                adata.uns[key] = value.iloc[:0]
        page = read(adata)
        assert {"metrics", "calibration", "training", "ablation", "attention"} <= set(page.absent)
        assert "no edges" in page.words["network"]
        assert "No set" in page.words["enrichment"]

    def test_attributions_without_a_ranking(self, read):
        adata = only()
        means = np.arange(2.0 * adata.n_vars).reshape(-1, 2)
        adata.varm[keys.ATTRIBUTION_MEAN.key()] = pd.DataFrame(
            means, index=adata.var_names, columns=["a", "b"]
        )
        page = read(adata)
        assert "tgem.tl.rank_genes(adata)" in page.words["genes"]
        assert "genes" in page.present


class TestWords:
    def test_share_that_includes_zero(self, read):
        parts = ("attention_necessity", "network", "hubs")
        page = read(only(*parts, share=(0.02, -0.01, 0.05)))
        for section in ("attention", "network", "hubs"):
            assert NOT_READ in page.words[section]
        page = read(only(*parts, share=(0.3, 0.2, 0.4)))
        assert NOT_READ not in page.text
        assert "takes part in the decision" in page.words["network"]

    def test_share_that_was_not_measured(self, read):
        adata = only("network")
        adata.uns[keys.NETWORK.params_key()] = {}
        assert "Do not read a network of this model as regulation yet." in read(adata).text

    @pytest.mark.parametrize(
        ("shares", "reads"),
        [
            ([("accuracy", 0.1, 0.05, 0.2)], True),
            ([("log-likelihood", 0.1, 0.05, 0.2), ("accuracy", 0.0, -0.1, 0.1)], True),
            ([("log-likelihood", 0.1, 0.0, 0.2)], False),
            ([("log-likelihood", -0.1, -0.2, -0.05)], False),
            ([("log-likelihood", 0.1, np.nan, np.nan)], False),
            ([("log-likelihood", 0.1, 0.05, 0.2), ("share of the decision", 0, -1, 1)], False),
            ([("share of the decision", 0.004, 0.003, 0.005)], False),
            ([("share of the decision", 0.04, 0.03, 0.05)], True),
        ],
    )
    def test_verdict(self, shares, reads):
        found = [Share(*each) for each in shares]
        for brief in (False, True):
            text = verdict(found, brief=brief)
            assert (NOT_READ not in text) == reads
            assert ("warning" not in text) == reads

    @pytest.mark.parametrize("cells", ["test", "validation", "all", "given", None])
    @pytest.mark.parametrize("part", ["confusion", "calibration"])
    def test_whose_accuracy_it_is(self, read, cells, part):
        adata = only(part)
        adata.uns[f"tgem_{part}_params"] = {} if cells is None else {"cells": cells}
        anchor = {"confusion": "metrics", "calibration": "calibration"}[part]
        section = read(adata).text.split(f'id="{anchor}"')[1].split("</section>")[0]
        assert ("notice warning" in section) == (cells in ("all", None))

    def test_training_cells_are_never_in_the_accuracy_of_test_cells(self, read):
        adata = only("confusion")
        train = (adata.obs[keys.SPLIT.key()] == "train").to_numpy()
        wrong = adata.obs["cell_type"].copy()
        adata.obs[keys.PREDICTION.key()] = wrong  # all right
        classes = list(wrong.cat.categories)
        other = np.where(wrong[~train] == classes[0], classes[1], classes[0])
        adata.obs.loc[~train, keys.PREDICTION.key()] = other  # but for those held out
        page = read(adata, labels_key="cell_type")
        rows = {row[0]: row[2] for row in page.rows["metrics"] if row and len(row) == 6}
        assert rows == {"train (seen in training)": "1", "validation": "0", "test": "0"}

    def test_calibration_is_that_of_the_slot(self, read):
        page = read(only("calibration"))
        rows = [row for row in page.rows["calibration"] if row]
        assert rows == [
            ["0.5 to 0.6", "20", "0.560", "0.600", "0.400", "0.800"],
            ["0.9 to 1", "280", "0.970", "0.950", "0.900", "0.980"],
        ]
        assert "expected calibration error0.03" in page.words["calibration"]
        assert "the same by chance0.02" in page.words["calibration"]

    def test_unknown_cells_and_votes_of_clusters(self, read):
        adata = only("prediction")
        assert "unknown" not in read(adata).words["overview"]
        adata.obs["leiden"] = np.arange(adata.n_obs) % 3
        predicted = adata.obs[keys.PREDICTION.key()].cat.add_categories(keys.UNKNOWN)
        predicted.iloc[:30] = keys.UNKNOWN
        adata.obs[keys.PREDICTION.key()] = predicted
        tgem.tl.majority_vote(adata, min_share=0)
        page = read(adata)
        assert "share called unknown0.1" in page.words["overview"]
        assert "Majority vote over 3 clusters" in page.words["overview"]
        counts = {row[0]: row[1:] for row in page.rows["overview"] if row}
        assert counts[keys.UNKNOWN][0] == "30"
        votes = adata.obs["tgem_majority_vote"].value_counts()
        assert [int(row[1]) for row in counts.values()] == [votes.get(name, 0) for name in counts]

    def test_hubs_without_a_null(self, read):
        adata = only("hubs")
        adata.uns[keys.HUBS.key()] = adata.uns[keys.HUBS.key()].assign(p_value=np.nan, fdr=np.nan)
        words = read(adata).words["hubs"]
        assert "No hub was tested" in words
        assert "tgem.tl.hubs(adata, model) adds p-values" in words

    def test_hubs_of_attention_that_decides_nothing(self, read):
        adata = only("hubs")
        adata.uns[keys.HUBS.key()] = adata.uns[keys.HUBS.key()].assign(p_value=np.nan, fdr=np.nan)
        reason = "not tested: attention decides next to nothing"
        adata.uns[keys.HUBS.params_key()] = {"null": reason}
        words = read(adata).words["hubs"]
        assert f"Hubs were {reason}." in words
        assert "adds p-values" not in words
        assert "tgem.tl.hubs(adata, model)" in read(only("history")).words["hubs"]

    def test_stability_of_edges_and_hubs(self, read):
        adata = only("stability", "stability_hubs")
        found = read(adata)
        for text in ("10 trainings, from other seeds", "9 of them have a network"):
            assert text in found.words["stability"]
        edges = adata.uns[keys.STABILITY.key()]
        hubs = adata.uns[keys.STABILITY_HUBS.key()]
        rows = [row for row in found.rows["stability"] if row]
        assert len(rows) == len(edges) + len(hubs)
        first = hubs.iloc[0]
        assert [first["class"], first["gene"], "1", "2.5"] in rows
        del adata.uns[keys.STABILITY_HUBS.key()]
        assert len([row for row in read(adata).rows["stability"] if row]) == len(edges)

    def test_names_with_dollars(self, read):
        adata = results(2)
        first, second = adata.obs["cell_type"].cat.categories
        names = {first: "a$b$c", second: r"CD4+/$\bad{$"}
        for key in ("cell_type", keys.PREDICTION.key()):
            adata.obs[key] = adata.obs[key].cat.rename_categories(names)
        for table in adata.uns.values():
            if isinstance(table, pd.DataFrame):
                for column in {"class", "true", "predicted"} & set(table):
                    table[column] = table[column].replace(names)
        given = adata.uns[keys.PREDICTION.params_key()]
        given["classes"] = np.array([names[name] for name in given["classes"]], dtype=object)
        found = read(adata, labels_key="cell_type")
        assert found.absent == []
        for section in ("metrics", "umap", "genes", "hubs", "stability", "enrichment"):
            assert "a$b$c" in found.words[section], section
            assert r"\$" not in found.words[section], section

    def test_attributions_that_find_nothing(self, read):
        adata = only("ablation")
        params = {"area_deletion": -0.01, "shuffled_correlation": 0.9}
        adata.uns[keys.ABLATION.params_key()] = params
        words = read(adata).words["ablation"]
        assert "do not find what this model needs" in words
        assert "much like those of a model with shuffled weights" in words

    def test_likeness_to_shuffled_weights_that_is_not_defined(self, read):
        adata = only("ablation")
        params = {"area_deletion": 0.2, "shuffled_correlation": np.nan}
        adata.uns[keys.ABLATION.params_key()] = params
        words = read(adata).words["ablation"]
        assert "not defined" in words
        assert "whether they come from training was not shown" in words

    def test_provenance_holds_every_setting(self, read):
        rows = read(only("history", "stability")).rows["provenance"]
        assert ["tgem_history", "model", "TGEM"] in rows
        assert ["tgem_stability", "n_runs", "10"] in rows


class TestScores:
    def test_equal_scikit_learn(self, generator):
        true, predicted = generator.choice(list("abcd"), size=(2, 60))
        true = np.where(true == "d", "a", true)  # a label that is given but does not occur
        ours = overall(counted(true, predicted))
        settings = {"average": "macro", "zero_division": 0}
        assert ours["macro-F1"] == pytest.approx(metrics.f1_score(true, predicted, **settings))
        assert ours["MCC"] == pytest.approx(metrics.matthews_corrcoef(true, predicted))
        assert ours["accuracy"] == pytest.approx((true == predicted).mean())
        table = by_class(counted(true, predicted)).set_index("class")
        settings = {"average": None, "zero_division": np.nan, "labels": list("abcd")}
        for name, score in (
            ("recall", metrics.recall_score),
            ("precision", metrics.precision_score),
        ):
            np.testing.assert_allclose(table[name], score(true, predicted, **settings))

    @pytest.mark.parametrize("predicted", ["aab", "aaa", "bbb"])
    def test_no_correlation_with_a_single_label(self, predicted):
        """Neither in the report nor by the models, although scikit-learn says 0."""
        true, predicted = np.array(list("aaa")), np.array(list(predicted))
        scores = classification_scores(true, predicted, np.array(list("abc")))
        ours = overall(counted(true, predicted))
        assert np.isnan(scores["mcc"])
        assert np.isnan(ours["MCC"])
        assert scores["macro_f1"] == pytest.approx(ours["macro-F1"])
        assert ours["accuracy"] == (predicted == "a").mean()

    def test_a_single_predicted_label_has_correlation_0(self):
        true, predicted = np.array(list("abc")), np.array(list("aaa"))
        assert classification_scores(true, predicted, true)["mcc"] == 0
        assert overall(counted(true, predicted))["MCC"] == 0


class TestBadInput:
    def test_path(self, tmp_path):
        adata = results(2)
        with pytest.raises(ValueError, match=r"`path` to end in '.html', got .*cells.h5ad"):
            tgem.report(adata, tmp_path / "cells.h5ad")
        with pytest.raises(FileNotFoundError, match="`path` to be in an existing folder"):
            tgem.report(adata, tmp_path / "absent" / "report.html")
        (tmp_path / "folder.html").mkdir()
        with pytest.raises(IsADirectoryError, match="is a folder"):
            tgem.report(adata, tmp_path / "folder.html")

    def test_labels_key(self, tmp_path):
        with pytest.raises(KeyError, match="Available: 'cell_type'"):
            tgem.report(results(2), tmp_path / "report.html", labels_key="celltype")

    def test_nothing_there(self, tmp_path, tiny_adata):
        with pytest.raises(ValueError, match=r"found none. Write them first"):
            tgem.report(tiny_adata, tmp_path / "report.html")
        with pytest.raises(ValueError, match="some under 'tgem'"):
            tgem.report(results(2), tmp_path / "report.html", key_added="other")
        assert not (tmp_path / "report.html").exists()

    @pytest.mark.parametrize("name", ["n_genes", "n_edges"])
    def test_numbers(self, tmp_path, name):
        with pytest.raises(ValueError, match=f"`{name}` to be a whole number"):
            tgem.report(results(2), tmp_path / "report.html", **{name: 0})

    @pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")  # mudata's
    def test_mudata(self, tmp_path):
        from mudata import MuData

        mdata = MuData({"a": only()})
        with pytest.raises(TypeError, match=r"DeepSF and EpiAttention have no report"):
            tgem.report(mdata, tmp_path / "report.html")
        with pytest.raises(TypeError, match="of type AnnData, got DataFrame"):
            tgem.report(pd.DataFrame(), tmp_path / "report.html")


class TestRealResults:
    @pytest.mark.filterwarnings("ignore::tgem._core.errors.TgemWarning")  # of a short training
    def test_what_the_tools_write_is_read(self, tmp_path):
        adata = tgem.datasets.synthetic_expression(n_obs=90, n_genes=40, effect=2.0)
        tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
        model = tgem.model.TGEM(adata, preset="paper")  # whose maps always vary with the cell
        model.train(max_epochs=2, enable_progress_bar=False)
        tl = tgem.tl
        for tool in (tl.predict, tl.confusion, tl.calibration, tl.history, tl.attention):
            tool(adata, model)
        tl.attribution(adata, model, n_steps=5)
        tl.rank_genes(adata, n_genes=10)
        tl.ablation(adata, model, method="input_x_gradient", fractions=[0.2], n_random=1)
        tl.attention_necessity(adata, model, n_bootstrap=20)
        tl.network(adata, model, n_edges=50)
        tl.hubs(adata, null="degree", n_permutations=50)
        names = list(adata.var_names)
        tl.enrich(adata, {"first": names[:10], "second": names[10:30]}, n_genes=10)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        page = tmp_path / "page.html"
        call = ["report", str(tmp_path / "cells.h5ad"), "--out", str(page)]
        done = CliRunner().invoke(app, [*call, "--labels-key", "cell_type"])
        assert done.exit_code == 0, done.output
        found = Page(page.read_text(encoding="utf-8"))
        assert found.absent == ["umap", "stability"]
        scores = adata.uns[keys.CONFUSION.params_key()]
        assert f"accuracy{scores['accuracy']:.3g}" in found.words["metrics"]
        ours = overall(square(adata.uns[keys.CONFUSION.key()]))
        names = {"balanced accuracy": "balanced_accuracy", "macro-F1": "macro_f1", "MCC": "mcc"}
        for name, value in ours.items():
            assert value == pytest.approx(scores[names.get(name, name)])
        share = adata.uns[keys.NETWORK.params_key()]["share_mean"]
        assert (
            f"share of the decision {share:.3g}".replace("-", "\N{MINUS SIGN}")
            in (found.words["network"])
        )
        settings = {(row[0], row[1]): row[2] for row in found.rows["provenance"] if row}
        assert settings["tgem_network", "seed"] == "0"
        edges = adata.uns[keys.NETWORK.key()]
        assert set(edges["source"]) <= set(json.loads(DATA.search(found.text)[1])["genes"])

    def test_command_says_what_is_wrong(self, tmp_path):
        only("history").write_h5ad(tmp_path / "cells.h5ad")
        call = ["report", str(tmp_path / "cells.h5ad"), "--out", str(tmp_path / "page.html")]
        done = CliRunner().invoke(app, [*call, "--labels-key", "absent"])
        assert done.exit_code == 1
        assert "Available: 'cell_type'" in done.output
        done = CliRunner().invoke(app, [*call[:3], str(tmp_path / "page.txt")])
        assert done.exit_code == 1
        assert "to end in '.html'" in done.output
