"""Inner splits: what the study trains on and scores on, without the benchmark's test cells."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

from cell_types.data import DATA, Cells, prepared, select_genes
from cell_types.splits import TEST_SHARE, hold_out, make_split

CONTROL = "control"
CONTROL_SIZES = {"n_obs": 3000, "n_genes": 200, "n_causal": 12, "interaction_only": True}
TITLES = {name: data.title for name, data in DATA.items()} | {
    CONTROL: "Simulated cells, products of genes only"
}
FIRST_SEED = 1000


class Inner(NamedTuple):
    """Cells to train on and cells to score on."""

    train: Cells
    held: Cells

    def checksum(self) -> str:
        """Short digest of both."""
        both = f"{self.train.checksum()} {self.held.checksum()}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]


def inner_split(data: str, number: int) -> Inner:
    """Hold a fifth out of the training cells of a split of the typing benchmark.

    The test cells of that split are neither trained on nor scored. Of the control, which the
    typing benchmark does not know, each split has simulated cells of its own.
    """
    if data == CONTROL:
        training, n_selected = _simulated(number), None
    else:
        cells, n_selected = _read(data), DATA[data].n_selected
        training = cells[make_split(cells.labels, cells.groups, number).train]
    kept, held = hold_out(
        training.labels, training.groups, share=TEST_SHARE, seed=FIRST_SEED + number
    )
    inner = Inner(training[kept], training[held])
    if n_selected is None:
        return inner
    genes = select_genes(inner.train, n_selected)
    return Inner(inner.train.of_genes(genes), inner.held.of_genes(genes))


@lru_cache(maxsize=1)
def _read(data: str) -> Cells:
    return DATA[data].read()


def _simulated(seed: int) -> Cells:
    from tgem.datasets import synthetic_expression  # noqa: PLC0415

    adata = synthetic_expression(**CONTROL_SIZES, seed=seed)
    return prepared(adata, adata.obs["cell_type"])
