"""Training of class queries: levels by convex optimisation, contexts on what these leave over."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem.model.tgem._context_gain import context_gain
from tgem.model.tgem._levels import blocks, deviation_of, means
from tgem.model.tgem._linear_start import MOST_CELLS, MOST_VALUES, draw, linear_start
from tgem.model.tgem._typing_module import EXPRESSION_KEY, LABELS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.data import FieldDataset
    from tgem.model.tgem._class_queries import ClassQueryModule
    from tgem.model.tgem._linear_classifiers import Weights

Array = np.ndarray[Any, Any]

BLOCK_OF_CONTEXTS = 64


def standardize(module: ClassQueryModule, dataset: FieldDataset, cells: Array) -> None:
    """Fix each gene's mean and deviation to those in the training cells."""
    mean, mean_square = means(
        lambda block: dataset.read(EXPRESSION_KEY, block), cells, np.positive, np.square
    )
    module.set_standardization(
        torch.from_numpy(mean), torch.from_numpy(deviation_of(mean, mean_square))
    )


@contextmanager
def linear_first(
    module: ClassQueryModule, dataset: FieldDataset, cells: Array, *, seed: int
) -> Iterator[Array]:
    """Set the levels' queries, let the caller train on the cells yielded, weigh the contexts.

    A fifth of the training cells is held out of what contexts learn from, and of the linear
    classifier that they learn to complement. Neither is fitted to these cells, which only take part
    in the choice of the penalties and of the weights of the classifier's sum: so they decide how
    much the contexts count. In the end the linear classifier of all cells takes over.
    """
    most = min(MOST_CELLS, MOST_VALUES // len(module.gene_mean))
    codes = dataset.read(LABELS_KEY, cells).reshape(-1)
    drawn = draw(codes, most, np.random.default_rng(seed))
    chosen, codes = cells[drawn], codes[drawn]
    levels = np.concatenate(
        [module.levels(_expression(module, dataset, b)).cpu() for b in blocks(chosen)]
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
        found = [
            module.context_logits(_expression(module, dataset, block)).cpu().numpy()
            for block in blocks(cells, BLOCK_OF_CONTEXTS)
        ]
    return np.concatenate([np.empty((0, module.n_classes)), *found])


def _set(module: ClassQueryModule, classifier: Weights) -> None:
    module.set_levels(torch.from_numpy(classifier.weight), torch.from_numpy(classifier.bias))


def _expression(module: ClassQueryModule, dataset: FieldDataset, cells: Array) -> torch.Tensor:
    return torch.from_numpy(dataset.read(EXPRESSION_KEY, cells)).to(module.device)
