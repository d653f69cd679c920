"""The pages in a real browser: what a reader clicks does what it says, and nothing breaks."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tgem
from tgem import pl

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic_results import STRANGE, results

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--virtual-time-budget=30000"),
]
ACTIONS = Path(__file__).with_name("browser.js").read_text(encoding="utf-8")
WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push(event.message || "not loaded"), true);
addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => faults.push("refused " + event.blockedURI));
const spoken = console.error;
console.error = (...words) => { faults.push(words.join(" ")); spoken(...words); };
</script>"""
RUN = """<script>(async () => {{
  {actions}
  await sleep(1500);
  try {{ {steps} }} catch (error) {{ faults.push("step: " + error.stack); }}
  const result = document.createElement("script");
  result.type = "application/json";
  result.id = "seen";
  result.textContent = JSON.stringify({{ ...seen, faults }}).replaceAll("<", "\\\\u003c");
  document.body.append(result);
}})();
</script>"""


@pytest.fixture(scope="session")
def browser():
    """Path of a Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser to drive: none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture
def drive(browser, tmp_path):
    """Open a page, take steps in it, and give what they saw and what went wrong."""

    def run(page, steps, *, dark=False, width=1300):
        text = Path(page).read_text(encoding="utf-8")
        text = text.replace("<head>", "<head>" + WATCH, 1)
        text = text.replace("</body>", RUN.format(actions=ACTIONS, steps=steps) + "</body>", 1)
        driven = tmp_path / "driven.html"
        driven.write_text(text, encoding="utf-8")
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        call = [browser, *FLAGS, scheme, f"--window-size={width},900", "--dump-dom"]
        call += [f"--user-data-dir={tmp_path / 'profile'}", driven.as_uri()]
        done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
        found = re.search(r'<script type="application/json" id="seen">(.*?)</script>', done.stdout)
        assert found, f"the steps did not end; the browser said: {done.stderr[-500:]}"
        return json.loads(found[1])

    return run


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return tgem.report(results(3, n_edges=300), path, labels_key="cell_type")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "network.html"
    pl.network(results(3, n_edges=300), interactive=path)
    return path


class TestDriver:
    """A test that cannot fail is none: the driver sees what is wrong."""

    def test_sees_faults(self, report, drive, tmp_path):
        broken = tmp_path / "broken.html"
        text = report.read_text(encoding="utf-8")
        faulty = '<img src="https://example.org/a.png"><script>absent();</script>'
        broken.write_text(text.replace("<footer>", faulty + "<footer>"), encoding="utf-8")
        faults = " ".join(drive(broken, 'await click("#nothing");')["faults"])
        assert "refused https://example.org/a.png" in faults
        assert "absent is not defined" in faults
        assert "step: " in faults


class TestReport:
    def test_opens_without_fault_in_both_themes(self, report, drive):
        steps = (
            'seen.theme = document.documentElement.dataset.theme; seen.title = at("h1").innerText;'
        )
        for dark in (False, True):
            found = drive(report, steps, dark=dark)
            assert found == {
                "faults": [],
                "theme": "dark" if dark else "light",
                "title": "T-GEM report",
            }

    def test_theme(self, report, drive):
        steps = """
          const ground = () => getComputedStyle(document.body).backgroundColor;
          seen.before = [ground(), at("#theme").innerText, picture()];
          await click("#theme");
          seen.after = [ground(), at("#theme").innerText, picture()];
        """
        found = drive(report, steps)
        assert found["faults"] == []
        assert found["before"][0] != found["after"][0]
        assert found["before"][1] == "dark theme"
        assert found["after"][1] == "light theme"
        assert found["before"][2] != found["after"][2]  # the network is drawn anew

    def test_find_a_gene_and_filter_by_class_and_layer(self, report, drive):
        steps = """
          seen.classes = all("#network-class option").map((each) => each.textContent);
          seen.first = side();
          const gene = at("#network-side button span").innerText;
          await enter("#network-find", gene.toLowerCase());
          seen.gene = gene;
          seen.found = at("#network-side h3").innerText;
          seen.edges = side();
          await enter("#network-find", "NOTHING");
          seen.message = at("#network-message").innerText;
          await enter("#network-find", "");
          await enter("#network-class", 1);
          seen.second = side();
          await enter("#network-layer", 0);
          seen.layer = side();
          seen.shown = at("#network-shown").innerText;
        """
        found = drive(report, steps)
        assert found["faults"] == []
        assert found["classes"][0] == STRANGE
        assert found["found"].startswith(found["gene"] + ": ")
        assert len(found["edges"]) > 1
        assert found["message"] == "No gene is called NOTHING."
        assert found["first"] != found["second"] != found["layer"]
        table = results(3, n_edges=300).uns["tgem_network"]
        chosen = table[(table["class"] == "B cell") & (table["layer"] == 1)]
        assert found["shown"].endswith(f"of {len(chosen)}")

    def test_zoom_and_keys(self, report, drive):
        steps = """
          const canvas = at("#network-canvas"), pictures = [picture()];
          const act = async (action) => { await action(); pictures.push(picture()); };
          await act(() => click("#network-closer"));
          await act(() => press("#network-canvas", "ArrowLeft"));
          await act(() => press("#network-canvas", "-"));
          const turn = { deltaY: -300, bubbles: true, cancelable: true };
          canvas.focus();
          await act(() => canvas.dispatchEvent(new WheelEvent("wheel", turn)));
          at("#theme").focus();
          const same = picture();
          canvas.dispatchEvent(new WheelEvent("wheel", turn));
          seen.scrolls = picture() === same;
          seen.changed = pictures.slice(1).every((each, i) => each !== pictures[i]);
          await click("#network-fit");
          seen.fitted = picture() === pictures[0];
        """
        found = drive(report, steps)
        assert found == {"faults": [], "changed": True, "scrolls": True, "fitted": True}

    def test_tables_sort_and_filter(self, report, drive):
        steps = """
          const head = all("#hubs th");
          const fdr = head.findIndex((each) => each.innerText.startsWith("FDR"));
          head[fdr].querySelector("button").click();
          seen.falling = column("#hubs", fdr).map(Number);
          head[fdr].querySelector("button").click();
          seen.rising = column("#hubs", fdr).map(Number);
          seen.order = head[fdr].getAttribute("aria-sort");
          const all_rows = column("#hubs", 0).length;
          await enter("#hubs input", "b cell gene7", "input");
          seen.rows = column("#hubs", 0).map((name, i) => [name, column("#hubs", 1)[i]]);
          seen.count = at("#hubs .count").innerText;
          seen.all = all_rows;
        """
        found = drive(report, steps)
        assert found["faults"] == []
        assert found["rising"] == sorted(found["rising"])
        assert found["falling"] == sorted(found["falling"], reverse=True)
        assert found["order"] == "ascending"
        assert found["rows"]
        assert all(name == "B cell" and "GENE7" in gene for name, gene in found["rows"])
        assert found["count"] == f"{len(found['rows'])} of {found['all']} rows"

    @pytest.mark.parametrize("width", [500, 1300])
    def test_nothing_is_wider_than_the_window(self, report, drive, width):
        steps = """
          const root = document.documentElement;
          seen.page = root.scrollWidth - root.clientWidth;
          const right = (each) => each.getBoundingClientRect().right;
          seen.wide = all("section > *, section h2, .network > *")
            .filter((each) => right(each) > innerWidth + 1).map((each) => each.className);
        """
        assert drive(report, steps, width=width) == {"faults": [], "page": 0, "wide": []}


class TestNetworkPage:
    def test_find_choose_and_both_themes(self, network, drive):
        steps = """
          const gene = at("#network-side button span").innerText;
          await enter("#network-find", gene);
          seen.found = at("#network-side h3").innerText.startsWith(gene);
          await enter("#network-class", 2);
          seen.shown = at("#network-shown").innerText;
          seen.overflow = document.documentElement.scrollHeight - innerHeight;
        """
        for dark in (False, True):
            found = drive(network, steps, dark=dark)
            assert found["faults"] == []
            assert found["found"]
            assert found["shown"] == "150 of 300"
            assert found["overflow"] <= 0
