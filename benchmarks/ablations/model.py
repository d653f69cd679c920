"""Fit a variant and predict the cells held out, with their own attention maps and with others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from cell_types.classical import logistic_regression
from cell_types.data import Cells
from cell_types.transformers import LABELS, SPLIT, as_adata
from scipy.special import log_softmax, logsumexp

from ablations.class_queries import DescendedLevels
from ablations.published import Balanced, Standardized
from tgem.model import TGEM
from tgem.model.tgem._levels import LARGEST_LEVEL, SMALLEST_DEVIATION
from tgem.model.tgem._linear_start import linear_start
from tgem.model.tgem._training import standardize
from tgem.model.tgem._typing_module import LABELS_KEY
from tgem.nn.swapped_attention import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ablations.variants import Variant

Array = np.ndarray[Any, Any]
REFERENCE_CELLS = 100  # of the mean maps


@dataclass(frozen=True)
class Prediction:
    """What a variant says of the cells held out.

    Attributes
    ----------
    labels
        The likeliest label of each cell.
    log_probability
        With own and other attention maps, cells x classes; own alone where there is no attention,
        nothing where there are no probabilities.
    chosen
        What the variant chose for itself.
    """

    labels: Array
    log_probability: dict[str, pd.DataFrame] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)


Predictor = Callable[[Cells], Prediction]


class StudiedTGEM(TGEM):
    """T-GEM with the network and the training of a variant."""

    def __init__(self, adata: Any, variant: Variant) -> None:
        self._variant = variant
        super().__init__(adata, preset=variant.preset)

    def _make_module(self) -> Any:
        network = self._variant.network or self._preset.network
        options = self._module_options | self._variant.options
        options = {name: value for name, value in options.items() if value is not None}
        return network(len(self.gene_names), self._n_targets, **options)

    def _prepare_module(self, dataset: Any, cells: Array) -> None:
        super()._prepare_module(dataset, cells)
        if isinstance(self.module, Standardized):
            standardize(self.module, dataset, cells)
        if isinstance(self.module, Balanced):
            codes = dataset.read(LABELS_KEY, cells).reshape(-1)
            sizes = np.bincount(codes, minlength=self._n_targets)
            self.module.set_class_sizes(torch.from_numpy(sizes))

    @contextmanager
    def _around_training(self, dataset: Any, cells: Array, *, seed: int) -> Iterator[Array]:
        if isinstance(self.module, DescendedLevels):
            yield cells
        else:
            with super()._around_training(dataset, cells, seed=seed) as seen:
                yield seen


def fit_network(training: Cells, variant: Variant, seed: int) -> Predictor:
    """Train each member from its own seed; members are averaged by their log-probabilities."""
    members = [_trained(training, variant, seed + 100 * i) for i in range(variant.n_members)]
    gains = [member.attention_gain for member in members if member.attention_gain]

    def predict(held: Cells) -> Prediction:
        adata = as_adata(held)
        options = {"n_reference": REFERENCE_CELLS, "seed": seed}
        ladders = [member.get_attention_ladder(adata, **options)[0] for member in members]
        tables = {
            rung: _normalized(sum(ladder[rung] for ladder in ladders) / len(ladders))
            for rung in ladders[0]
        }
        chosen: dict[str, Any] = {"epochs": len(members[0].history)}
        if gains:
            chosen["attention_gain"], _, chosen["attention_weight"] = np.mean(
                gains, axis=0
            ).tolist()
        return Prediction(likeliest(tables[OWN]), tables, chosen)

    return predict


def _trained(training: Cells, variant: Variant, seed: int) -> StudiedTGEM:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # notes on hardware
    adata = as_adata(training)
    adata.obs[LABELS] = pd.Categorical(training.labels)
    adata.obs[SPLIT] = "train"
    StudiedTGEM.setup_anndata(adata, labels_key=LABELS)
    model = StudiedTGEM(adata, variant)
    model.train(
        split_key=SPLIT,
        seed=seed,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        **variant.training,
    )
    return model


def fit_linear_start(training: Cells, variant: Variant, seed: int) -> Predictor:
    """The default network without contexts; options are those of its start."""
    classes, codes = np.unique(training.labels, return_inverse=True)
    values = training.dense().astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    scale = np.where(deviation > SMALLEST_DEVIATION, deviation, 1.0)

    def levels(cells: Cells) -> Array:
        standardized = (cells.dense() - mean) / scale
        return standardized.clip(-LARGEST_LEVEL, LARGEST_LEVEL).astype(np.float32)

    start = linear_start(
        levels(training), scale, codes, n_classes=len(classes), seed=seed, **variant.options
    ).of_all

    def predict(held: Cells) -> Prediction:
        logits = levels(held).astype(np.float64) @ start.weight.T + start.bias
        table = pd.DataFrame(log_softmax(logits, axis=1), columns=classes)
        return Prediction(likeliest(table), {OWN: table})

    return predict


def fit_logistic_regression(training: Cells, variant: Variant, seed: int) -> Predictor:
    """As the typing benchmark has it; it gives labels only."""
    fitted = logistic_regression(training, variant.options, seed)
    return lambda held: Prediction(fitted.predict(held), chosen=fitted.chosen)


def likeliest(log_probability: pd.DataFrame) -> Array:
    labels: Array = log_probability.columns.to_numpy()[log_probability.to_numpy().argmax(axis=1)]
    return labels


def _normalized(table: pd.DataFrame) -> pd.DataFrame:
    return table.sub(logsumexp(table.to_numpy(), axis=1), axis=0)
