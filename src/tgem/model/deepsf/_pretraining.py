"""Training of the cell's context on any cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from anndata import AnnData
from mudata import MuData
from torch import Tensor
from torch.nn import functional

from tgem._core.progress import track
from tgem._core.random import seeded
from tgem._core.validate import check_count, check_data, check_positive
from tgem.data import GeneField, check_tpm, summarize_tpm
from tgem.model.deepsf._context import GeneContext
from tgem.model.deepsf._context_network import ContextNetwork
from tgem.model.deepsf._module import GENES_KEY

if TYPE_CHECKING:
    import pandas as pd

BATCH_SIZE = 64
WEIGHT_DECAY = 1e-6


def cohort_tpm(
    data: AnnData | MuData, layer: str | None, *, modality: str, context_key: str | None
) -> tuple[np.ndarray[Any, Any], pd.Index]:
    """TPM of the genes of the context, checked, and their names."""
    check_data(data, (AnnData, MuData))
    field = GeneField(
        GENES_KEY,
        modality=modality if isinstance(data, MuData) else None,
        layer=layer,
        factor_key="",
        context_key=context_key,
    )
    matrix, names = field.matrix(data), field.names(data)
    check_tpm(summarize_tpm(matrix), field.location(data))
    chosen = np.arange(len(names)) if context_key is None else field.flagged(data, context_key)
    if not chosen.size:
        msg = f"Expected genes marked by {context_key!r}, found none."
        raise ValueError(msg)
    values = matrix[:][:, chosen]
    return (values if isinstance(values, np.ndarray) else values.toarray()), names[chosen]


def pretrained(
    tpm: np.ndarray[Any, Any],
    genes: pd.Index,
    *,
    n_features: int,
    max_epochs: int,
    lr: float,
    validation_size: float,
    seed: int,
) -> GeneContext:
    """Train the autoencoder on samples x genes of TPM."""
    for name, value in (("n_features", n_features), ("max_epochs", max_epochs)):
        check_count(name, value)
    check_positive("lr", lr)
    order = np.random.default_rng(seed).permutation(len(tpm))
    n_held = round(validation_size * len(tpm))
    levels = torch.log2(1 + torch.from_numpy(np.ascontiguousarray(tpm, dtype=np.float32)))
    train, held = levels[order[n_held:]], levels[order[:n_held]]
    if len(train) < 2:
        msg = f"Expected at least 2 samples to pretrain a context on, found {len(train)}."
        raise ValueError(msg)
    with seeded(seed):
        network = ContextNetwork(len(genes), n_features)
        network.start(train)
        optimizer = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        _minimize(network, optimizer, network.scaled(train), max_epochs=max_epochs)
    network.eval()
    explained = _explained_variance(network, train, held) if n_held else float("nan")
    return GeneContext(genes.astype(str).tolist(), network, explained, len(tpm))


def _minimize(
    network: ContextNetwork,
    optimizer: torch.optim.Optimizer,
    scaled: Tensor,
    *,
    max_epochs: int,
) -> None:
    network.train()
    for _ in track(range(max_epochs), "Pretraining the context"):
        for rows in torch.split(torch.randperm(len(scaled)), BATCH_SIZE):
            if len(rows) == 1 and len(scaled) > 1:
                continue  # batch normalisation cannot train on one sample
            optimizer.zero_grad()
            loss = functional.mse_loss(network(scaled[rows]), scaled[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _explained_variance(network: ContextNetwork, train: Tensor, held: Tensor) -> float:
    with torch.inference_mode():
        scaled = network.scaled(held)
        error = (network(scaled) - scaled).square().sum()
        spread = (scaled - network.scaled(train).mean(0)).square().sum()
    return float(1 - error / spread)
