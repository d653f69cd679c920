"""Plots of networks and hubs say what the tables say; the page's script runs in node."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from tgem import pl
from tgem.pl._figure import BLUE, GREY, VERMILION

SCRIPT = Path(__file__).with_name("network_page.js")


@pytest.fixture(autouse=True)
def _agg():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def random_network(n_classes=2, n_edges=80, n_genes=30, name="GENE{}"):
    generator = np.random.default_rng(0)
    parts = []
    for label in range(n_classes):
        weight = generator.pareto(1.5, size=n_genes) + 0.1
        scores = np.outer(weight, generator.permutation(weight)) * generator.random((n_genes,) * 2)
        np.fill_diagonal(scores, 0)
        kept = np.argsort(scores.ravel())[-n_edges:]
        source, target = np.unravel_index(kept, scores.shape)
        parts.append(
            pd.DataFrame(
                {
                    "class": f"class {label}",
                    "layer": generator.integers(1, 4, size=n_edges),
                    "source": [name.format(at) for at in source],
                    "target": [name.format(at) for at in target],
                    "weight": scores.ravel()[kept] * generator.choice([-1, 1], size=n_edges),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def holding(network):
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
    adata.uns["tgem_network"] = network
    return adata


SMALL = pd.DataFrame(
    {
        "class": ["B", "B", "B", "B", "T"],
        "layer": [1, 2, 1, 2, 2],
        "source": ["a", "a", "b", "d", "c"],
        "target": ["b", "b", "c", "a", "a"],
        "weight": [0.5, -0.9, 0.4, 0.1, 1.0],
    }
)


def arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def visible(ax):
    return [text for text in ax.texts if text.get_visible()]


class TestNetwork:
    def test_strongest_edges_by_class(self):
        first, second = pl.network(holding(SMALL), n_edges=2, show=False)
        assert first.get_title() == "B"
        assert second.get_title() == "T"
        # an edge of two layers is drawn once, by its strongest weight; the strongest comes last
        colours = [to_hex(arrow.get_edgecolor()) for arrow in arrows(first)]
        assert colours == [BLUE.lower(), VERMILION.lower()]
        widths = [arrow.get_linewidth() for arrow in arrows(first)]
        assert widths[0] < widths[1]
        assert {text.get_text() for text in visible(first)} == {"a", "b", "c"}

    def test_layers_and_classes(self):
        (ax,) = pl.network(holding(SMALL), classes="B", layers=[1], show=False)
        assert len(arrows(ax)) == 2
        with pytest.raises(ValueError, match=r"`layers` to name layers.*got '7'. Known: '1', '2'"):
            pl.network(holding(SMALL), layers=[7])
        with pytest.raises(ValueError, match="Known: 'B', 'T'"):
            pl.network(holding(SMALL), classes="NK")

    @pytest.mark.parametrize("name", ["GENE{}", "ENSG000001234{}.AS1 of a very long name {}"])
    @pytest.mark.parametrize("style", ["default", "dark_background"])
    def test_names_lie_on_no_other_name(self, name, style):
        adata = holding(random_network(name=name.replace("{}", "{0}")))
        with plt.style.context(style):
            axes = pl.network(adata, n_labels=10, show=False)
            axes[0].figure.draw_without_rendering()
            for ax in axes:
                boxes = [text.get_window_extent().shrunk(0.97, 0.97) for text in visible(ax)]
                assert len(boxes) >= 6
                for at, box in enumerate(boxes):
                    assert not any(box.overlaps(other) for other in boxes[:at])
                ink = {to_hex(text.get_color()) for text in visible(ax)}
                assert ink == {to_hex(mpl.rcParams["text.color"])}

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, ""),
            ({"share_mean": 0.314}, "cell-specific share of attention: 0.31"),
            (
                {"share_mean": 0.31, "share_mean_low": 0.2, "share_mean_high": 0.4},
                "cell-specific share of attention: 0.31 (0.2 to 0.4)",
            ),
            (
                {"share_mean": 0.01, "share_mean_low": -0.02, "share_mean_high": 0.03},
                "cell-specific share of attention: 0.01 (-0.02 to 0.03), not told from 0: "
                "do not read this network as what decides",
            ),
        ],
    )
    def test_caption_says_how_much_attention_decides(self, params, expected, tmp_path):
        adata = holding(SMALL)
        adata.uns["tgem_network_params"] = params
        axes = pl.network(adata, show=False)
        assert axes[0].figure.get_supxlabel().replace("\n", " ") == expected
        _, ax = plt.subplots()
        pl.network(adata, classes="B", ax=ax, show=False)
        assert (expected in {text.get_text() for text in ax.texts}) == bool(expected or ax.texts)
        pl.network(adata, interactive=tmp_path / "page.html")
        assert expected in (tmp_path / "page.html").read_text()

    def test_same_figure_every_time_and_for_every_order_of_rows(self):
        shuffled = SMALL.sample(frac=1, random_state=3)
        places = [
            pl.network(holding(table), classes="B", show=False)[0].collections[0].get_offsets()
            for table in (SMALL, SMALL, shuffled)
        ]
        np.testing.assert_array_equal(places[0], places[1])
        np.testing.assert_array_equal(places[0], places[2])

    def test_nothing_to_draw(self):
        (ax,) = pl.network(holding(SMALL.iloc[:0]), show=False)
        assert [text.get_text() for text in ax.texts] == ["no edges"]

    def test_many_classes(self):
        axes = pl.network(holding(random_network(n_classes=34, n_edges=12)), show=False)
        assert len(axes) == 34


HUBS = pd.DataFrame(
    {
        "class": ["B", "B", "B", "T"],
        "gene": ["x", "y", "z", "x"],
        "degree": [9, 5, 2, 3],
        "strength": [1.0, 7.0, 0.5, 2.0],
        "rank": [1, 2, 3, 1],
        "p_value": [0.001, 0.2, 0.9, np.nan],
        "fdr": [0.01, 0.4, 0.9, np.nan],
    }
)


class TestHubs:
    def test_order_and_marks(self):
        adata = holding(SMALL)
        adata.uns["tgem_hubs"] = HUBS
        first, second = pl.hubs(adata, n_genes=2, show=False)
        assert [label.get_text() for label in first.get_yticklabels()] == ["x", "y"]
        marks = first.collections[-1]
        faces = [to_hex(face) if face[3] else None for face in marks.get_facecolors()]
        assert faces == [BLUE.lower(), None]
        assert [to_hex(face) for face in second.collections[-1].get_facecolors()] == [GREY]
        (legend,) = first.figure.legends
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts == ["FDR ≤ 0.05", "FDR > 0.05", "not tested"]
        (by_strength,) = pl.hubs(adata, classes=["B"], by="strength", show=False)
        names = [label.get_text() for label in by_strength.get_yticklabels()]
        assert names == ["y", "x", "z"]

    def test_bad_settings(self):
        adata = holding(SMALL)
        with pytest.raises(KeyError, match=r"tgem\.tl\.hubs"):
            pl.hubs(adata)
        adata.uns["tgem_hubs"] = HUBS
        with pytest.raises(ValueError, match="`by` to be one of"):
            pl.hubs(adata, by="rank")
        with pytest.raises(ValueError, match="`max_fdr`"):
            pl.hubs(adata, max_fdr=0)
        adata.uns["tgem_hubs"] = HUBS.iloc[:0]
        assert len(pl.hubs(adata, show=False)) == 1


@pytest.fixture
def page(tmp_path):
    """Write a network's page; give what its script shows after some commands."""
    node = shutil.which("node")

    def run(network, commands=()):
        path = tmp_path / "page.html"
        assert pl.network(holding(network), interactive=path) is None
        if node is None:
            pytest.skip("no node to run the page's script with")
        call = [node, str(SCRIPT), str(path), json.dumps(list(commands))]
        return json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)

    return run


class TestPage:
    def test_begins_with_the_first_class_and_all_layers(self, page):
        found = page(SMALL)
        assert found["classes"] == ["B", "T"]
        assert found["layers"] == ["all", "1", "2"]
        assert [weight for *_, weight in found["edges"]] == [-0.9, 0.5, 0.4, 0.1]
        assert found["shown"] == "4 of 4"
        assert {name for name, *_ in found["names"]} == set("abcd")

    def test_class_and_layer(self, page):
        assert page(SMALL, [["class", 1]])["edges"] == [["c", "a", 1]]
        found = page(SMALL, [["class", 1], ["class", 0], ["layer", 0]])
        assert found["edges"] == [["a", "b", 0.5], ["b", "c", 0.4]]
        assert found["side"][0] == "genes by number of edges"

    def test_find_shows_as_many_edges_as_it_takes(self, page):
        network = random_network(n_classes=1, n_edges=400, n_genes=60)
        order = network["weight"].abs().sort_values(ascending=False).index
        seen = pd.concat([network["source"], network["target"]]).loc[order].drop_duplicates()
        rarest = seen.iloc[-1]
        before, after = page(network), page(network, [["find", rarest.lower()]])
        assert before["shown"] == "150 of 400"
        assert rarest not in before["genes"]
        assert after["chosen"] == rarest
        assert rarest in after["genes"]
        assert rarest in {name for name, *_ in after["names"]}
        assert after["side"][0].startswith(rarest)
        assert page(network, [["find", "NOTHING"]])["message"] == "No gene is called NOTHING."

    def test_zoom_pan_and_hover(self, page):
        start = page(SMALL)
        at = dict(zip(start["genes"], start["places"], strict=True))["a"]
        event = {"offsetX": at[0], "offsetY": at[1]}
        hovered = page(SMALL, [["canvas", {"pointermove": event}]])
        assert hovered["tip"] == "a: 3 edges, strength 1.50"
        zoomed = page(SMALL, [["canvas", {"wheel": event | {"deltaY": -400}}]])
        assert zoomed["zoom"] > start["zoom"]
        # the place under the mouse stays
        np.testing.assert_allclose(
            dict(zip(zoomed["genes"], zoomed["places"], strict=True))["a"], at
        )
        moves = [
            ["canvas", {"pointerdown": {"offsetX": 1, "offsetY": 1}}],
            ["canvas", {"pointermove": {"offsetX": 41, "offsetY": 11}}],
            ["canvas", {"pointerup": {"offsetX": 41, "offsetY": 11}}],
        ]
        moved = page(SMALL, moves)
        np.testing.assert_allclose(np.subtract(moved["places"], start["places"])[:, 0], 40)

    def test_names_cannot_break_the_page(self, page):
        evil = "</script><script>alert(1)</script>"
        found = page(SMALL.assign(source=evil, **{"class": "<!-- " + evil}, layer=range(5)))
        assert evil in found["genes"]
        assert found["classes"] == ["<!-- " + evil]

    def test_one_small_file_that_needs_nothing_else(self, tmp_path):
        network = random_network(n_classes=1, n_edges=10_000, n_genes=765, name="ENSG00000{}")
        path = tmp_path / "page.html"
        pl.network(holding(network), interactive=path)
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 8e6
        assert not re.search(r"https?:|//cdn|src=|@import|url\(|<link", text)
        kept = pl.network(holding(network), n_edges=10, interactive=path)
        assert kept is None
        assert path.stat().st_size < 30_000

    def test_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="`interactive` to be in an existing folder"):
            pl.network(holding(SMALL), interactive=tmp_path / "absent" / "page.html")
