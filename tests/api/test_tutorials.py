"""The tutorials run as they stand, and keep their outputs."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "tutorials").glob("*.ipynb"))


def code_cells(path):
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_outputs_are_kept(path):
    cells = code_cells(path)
    assert cells
    assert any("image/png" in output.get("data", {}) for c in cells for output in c["outputs"])
    for cell in cells:
        assert not [o for o in cell["outputs"] if o["output_type"] == "error"]
        assert cell["execution_count"] is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")  # announces changes of its own
@pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning")  # says what it found
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_code_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TGEM_MACROPHAGE", "TGEM_EVIDENCE"):  # without them samples are simulated
        monkeypatch.delenv(name, raising=False)
    names = {}
    for cell in code_cells(path):
        exec("".join(cell["source"]), names)
    plt.close("all")
