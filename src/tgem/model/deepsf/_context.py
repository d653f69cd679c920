"""Pretraining of the cell's context on any cohort, and its files."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from tgem._core.progress import track
from tgem._core.random import seeded
from tgem._core.validate import check_count, check_positive
from tgem.model.deepsf._context_network import ContextNetwork

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

WEIGHTS, DESCRIPTION, FORMAT = "context.safetensors", "context.json", "tgem-gene-context"


@dataclass
class GeneContext:
    """A pretrained autoencoder of gene expression.

    Attributes
    ----------
    genes
        Its genes, in its order.
    network
        Encoder and decoder, with the range of each gene in the cohort.
    explained_variance
        Share of the variance of held-out samples that the reconstruction explains: one minus
        squared error over squared distance from the training mean; NaN without held-out samples.
    n_obs
        Samples of the cohort.
    """

    genes: list[str]
    network: ContextNetwork
    explained_variance: float
    n_obs: int

    def describe(self) -> dict[str, Any]:
        """Everything but the weights, as plain data."""
        return {
            "format": FORMAT,
            "genes": self.genes,
            "n_features": self.network.n_features,
            "explained_variance": self.explained_variance,
            "n_obs": self.n_obs,
        }

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Self:
        """Build a context with fresh weights, to be filled."""
        genes = list(description["genes"])
        network = ContextNetwork(len(genes), description["n_features"])
        return cls(genes, network, description["explained_variance"], description["n_obs"])

    def copied_network(self) -> ContextNetwork:
        """Network of a model's own, so that fine-tuning leaves the context as it is."""
        return copy.deepcopy(self.network)

    def save(self, dir_path: str | Path) -> None:
        """Save the context: weights as safetensors, everything else as JSON.

        Parameters
        ----------
        dir_path
            Folder to write into; made if absent.
        """
        folder = Path(dir_path)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.network.state_dict(), folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(json.dumps(self.describe(), indent=1))

    @classmethod
    def load(cls, dir_path: str | Path) -> Self:
        """Load a saved context; no code from the files is executed.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.

        Returns
        -------
        The context.

        Raises
        ------
        FileNotFoundError
            If the folder holds no context.
        """
        folder = Path(dir_path)
        if not (folder / DESCRIPTION).is_file() or not (folder / WEIGHTS).is_file():
            msg = (
                f"Expected a pretrained context in {folder} ({DESCRIPTION} and {WEIGHTS}), found "
                "none. `DeepSF.pretrain_context(adata).save(folder)` writes one."
            )
            raise FileNotFoundError(msg)
        context = cls.from_description(json.loads((folder / DESCRIPTION).read_text()))
        context.network.load_state_dict(load_file(folder / WEIGHTS))
        context.network.eval()
        return context

    def __repr__(self) -> str:
        return (
            f"GeneContext: {len(self.genes)} genes -> {self.network.n_features} features, trained "
            f"on {self.n_obs} samples, explains {self.explained_variance:.1%} of the variance of "
            "held-out samples"
        )


def pretrained(
    tpm: np.ndarray[Any, Any],
    genes: pd.Index,
    *,
    n_features: int,
    max_epochs: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    validation_size: float,
    seed: int,
) -> GeneContext:
    """Train the autoencoder on samples x genes of TPM."""
    for name, value in (("n_features", n_features), ("max_epochs", max_epochs)):
        check_count(name, value)
    check_count("batch_size", batch_size)
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
        optimizer = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay)
        _minimize(
            network, optimizer, network.scaled(train), max_epochs=max_epochs, batch_size=batch_size
        )
    network.eval()
    explained = _explained_variance(network, train, held) if n_held else float("nan")
    return GeneContext(genes.astype(str).tolist(), network, explained, len(tpm))


def _minimize(
    network: ContextNetwork,
    optimizer: torch.optim.Optimizer,
    scaled: Tensor,
    *,
    max_epochs: int,
    batch_size: int,
) -> None:
    network.train()
    for _ in track(range(max_epochs), "Pretraining the context"):
        for rows in torch.split(torch.randperm(len(scaled)), batch_size):
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
