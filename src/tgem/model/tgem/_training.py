"""Training of class queries: levels by convex optimisation, contexts on what these leave over."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem.model.tgem._context_gain import context_gain
from tgem.model.tgem._linear_start import MOST_CELLS, MOST_VALUES, draw, linear_start
from tgem.model.tgem._typing_module import EXPRESSION_KEY, LABELS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.data import FieldDataset
    from tgem.model.tgem._class_queries import ClassQueryModule
    from tgem.model.tgem._linear_classifiers import Weights

Array = np.ndarray[Any, Any]

BLOCK = 1024  # cells read at a time
BLOCK_OF_CONTEXTS = 64
SMALLEST_DEVIATION = 1e-6


def standardize(module: ClassQueryModule, dataset: FieldDataset, cells: Array) -> None:
    """Fix each gene's mean and deviation to those in the training cells."""
    n_genes = len(module.gene_mean)
    total, squares = np.zeros(n_genes), np.zeros(n_genes)
    for block in _blocks(cells, BLOCK):
        values = dataset.read(EXPRESSION_KEY, block).astype(float)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    mean = total / len(cells)
    deviation = np.sqrt(np.maximum(squares / len(cells) - mean**2, 0))
    module.set_standardization(
        torch.from_numpy(mean),
        torch.from_numpy(np.where(deviation > SMALLEST_DEVIATION, deviation, 0)),
    )


@contextmanager
def linear_first(
    module: ClassQueryModule, dataset: FieldDataset, cells: Array, *, seed: int
) -> Iterator[Array]:
    """Set the levels' queries, let the caller train on the cells yielded, weigh the contexts.

    A fifth of the training cells is held out of what contexts learn from, and of the linear
    classifier that they learn to complement. Neither is fitted to these cells, which only take part
    in the choice of the penalties: so they decide how much the contexts count. In the end the
    linear classifier of all cells takes over.
    """
    most = min(MOST_CELLS, MOST_VALUES // len(module.gene_mean))
    codes = dataset.read(LABELS_KEY, cells).reshape(-1)
    drawn = draw(codes, most, np.random.default_rng(seed))
    chosen, codes = cells[drawn], codes[drawn]
    levels = np.concatenate(
        [module.levels(_expression(module, dataset, b)).cpu() for b in _blocks(chosen, BLOCK)]
    )
    start = linear_start(
        levels, module.gene_scale.cpu().numpy(), codes, n_classes=module.n_classes, seed=seed
    )
    held_out = start.held_out
    linear = start.of_rest.logits(levels[held_out])
    del levels
    _set(module, start.of_rest)
    module.weigh_contexts()
    try:
        yield np.setdiff1d(cells, chosen[held_out])
        contexts = _context_logits(module, dataset, chosen[held_out])
        module.weigh_contexts(context_gain(linear, contexts, codes[held_out]))
    finally:
        _set(module, start.of_all)


def _context_logits(module: ClassQueryModule, dataset: FieldDataset, cells: Array) -> Array:
    module.eval()
    with torch.inference_mode():
        blocks = [
            module.context_logits(_expression(module, dataset, block)).cpu().numpy()
            for block in _blocks(cells, BLOCK_OF_CONTEXTS)
        ]
    return np.concatenate([np.empty((0, module.n_classes)), *blocks])


def _set(module: ClassQueryModule, classifier: Weights) -> None:
    module.set_levels(torch.from_numpy(classifier.weight), torch.from_numpy(classifier.bias))


def _expression(module: ClassQueryModule, dataset: FieldDataset, cells: Array) -> torch.Tensor:
    return torch.from_numpy(dataset.read(EXPRESSION_KEY, cells)).to(module.device)


def _blocks(cells: Array, size: int) -> list[Array]:
    return [cells[start : start + size] for start in range(0, len(cells), size)]
