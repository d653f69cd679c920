"""Pretraining of the cell's context on any cohort, and its files."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors.torch import load_file, save_file

from tgem.model.deepsf._context_network import ContextNetwork

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
