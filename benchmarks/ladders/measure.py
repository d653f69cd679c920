"""One model and its test cells: the ladder, or what a seed changes."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import numpy as np
from cell_types.data import DATA, Cells, select_genes
from cell_types.methods import preset_content
from cell_types.splits import make_split
from cell_types.transformers import LABELS, as_adata, trained
from memory import largest_resident_size
from transfers.data import PAIRS

import tgem

CONTROL, OTHER_LABORATORY = "interactions", "kang"
CELLS_EXPLAINED = 200


def cells_of(data: str, split: int) -> tuple[Cells, Cells]:
    """Training and test cells; those of two laboratories are the same in all splits."""
    if data == OTHER_LABORATORY:
        pair = PAIRS["kang_shared_types"]()
        return pair.training, pair.new
    if data == CONTROL:
        adata = tgem.datasets.synthetic_expression(
            3000, 200, n_causal=12, interaction_only=True, seed=100 + split
        )
        labels = adata.obs["cell_type"].astype(str).to_numpy()
        cells = Cells(adata.X, None, labels, np.arange(len(labels)).astype(str), adata.var_names)
    else:
        cells = DATA[data].read()
    parts = make_split(cells.labels, cells.groups, split)
    train, test = cells[parts.train], cells[parts.test]
    if data != CONTROL and (n_genes := DATA[data].n_selected):
        genes = select_genes(train, n_genes)
        train, test = train.of_genes(genes), test.of_genes(genes)
    return train, test


def with_labels(cells: Cells) -> Any:
    adata = as_adata(cells)
    adata.obs[LABELS] = cells.labels
    return adata


def ladder(data: str, preset: str, split: int) -> dict[str, Any]:
    """Accuracy and log-likelihood of the test cells on every rung."""
    train, test = cells_of(data, split)
    largest_resident_size(reset=True)
    start, cpu = time.perf_counter(), time.process_time()
    model = trained(train, {"preset": preset, "max_epochs": None, "validation_share": 0}, split)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = largest_resident_size()
    adata = with_labels(test)
    tgem.tl.attention_necessity(adata, model, indices=range(adata.n_obs), seed=split)
    table = adata.uns["tgem_attention_necessity"]
    table = table[table["all_cells"]].drop(columns=["class", "all_cells"])
    gain = model.attention_gain
    return {
        "n_train": len(train.labels),
        "n_test": len(test.labels),
        "rungs": table.to_dict("records"),
        "attention_gain": None if gain is None else gain._asdict(),
        "train_s": seconds,
        "train_process_s": cpu_seconds,
        "train_peak_bytes": peak,
    }


def of_seed(data: str, seed: int) -> dict[str, Any]:
    """Accuracy and mean attributions of the classes, by the default preset."""
    train, test = cells_of(data, 0)
    model = trained(train, {"preset": None, "max_epochs": None, "validation_share": 0}, seed)
    adata = with_labels(test)
    accuracy = float(np.mean(model.predict(adata) == test.labels))
    some = adata[:: max(1, adata.n_obs // CELLS_EXPLAINED)].copy()
    tgem.tl.attribution(some, model, n_steps=10)
    means = some.varm["tgem_attribution"]
    return {
        "accuracy": accuracy,
        "genes": means.index.tolist(),
        "attribution": {name: means[name].round(6).tolist() for name in means},
    }


def key_of(preset: str) -> str:
    """Digest of what a preset stands for today."""
    text = json.dumps(preset_content(preset), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
