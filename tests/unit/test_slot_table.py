"""The documentation's table of slots names the keys that tools write."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "docs"))

from slot_table import write

import tgem
from tgem.model import DeepSF, EpiAttention


@pytest.fixture(scope="module")
def table():
    """Keys by what writes them."""
    found = {}
    pattern = re.compile(r'\| `\.(\w+)\["(\S+)"\]` \| .+ \| \{py:func\}`(\S+)` \|')
    for line in write().splitlines()[2:]:
        container, key, tool = pattern.fullmatch(line).groups()
        found.setdefault(tool, []).append((container, key))
    return found


def test_no_two_rows_are_of_one_slot(table):
    rows = [row for rows in table.values() for row in rows]
    assert len(rows) == len(set(rows))


@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
def test_keys_are_those_that_tools_write(table):
    splicing = tgem.datasets.synthetic_splicing(n_obs=40, n_factors=6, n_isoforms=60)
    DeepSF.setup_mudata(splicing)
    model = DeepSF(splicing)
    model.train(max_epochs=2, enable_progress_bar=False)
    tgem.tl.predict_isoforms(splicing, model)
    (layer, *_) = table["tgem.tl.predict_isoforms"]
    assert layer == ("layers", "deepsf_prediction")
    assert layer[1] in splicing["isoform"].layers

    epigenome = tgem.datasets.synthetic_epigenome(n_genes=30, n_factors=6)
    EpiAttention.setup_mudata(epigenome, expression_key="expression", cell_type_key="cell_type")
    model = EpiAttention(epigenome)
    model.train(max_epochs=1, enable_progress_bar=False)
    tgem.tl.predict_expression(epigenome, model)
    written = table["tgem.tl.predict_expression"]
    assert written == [("obs", "epi_prediction"), ("obsm", "X_epi")]
    assert all(key in getattr(epigenome, container) for container, key in written)
