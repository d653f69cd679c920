"""The README's examples run as they stand."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")  # scanpy's
def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL))
    names = {}
    exec(compile(code, str(README), "exec"), names)
    printed = re.search(r"^(0\.\d+|1\.0)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert float(printed.group()) > 0.5
    agreement = (names["query"].obs["cell_type"] == names["adata"].obs["tgem_prediction"]).mean()
    assert agreement == 1
    plt.close("all")


def test_files_that_it_names_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target
