"""The autoencoder whose features describe the cell's context."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tgem.nn.dense import dense_layers


class ContextNetwork(nn.Module):
    """Genes to features and back: three sigmoid layers, batch normalised after the first two.

    Parameters
    ----------
    n_genes
        Protein-coding genes.
    n_features
        Units of each layer, and features of the encoder.
    """

    gene_minimum: Tensor
    gene_range: Tensor
    gene_mean: Tensor

    def __init__(self, n_genes: int, n_features: int = 512) -> None:
        super().__init__()
        self.n_features = n_features
        self.encoder = dense_layers(
            n_genes,
            (n_features, n_features, n_features),
            activation=nn.Sigmoid,
            normalized=(True, True, False),
        )
        self.decoder = nn.Linear(n_features, n_genes)
        for name in ("minimum", "mean"):
            self.register_buffer(f"gene_{name}", torch.zeros(n_genes))
        self.register_buffer("gene_range", torch.ones(n_genes))

    def start(self, levels: Tensor) -> None:
        """Fix each gene's range over a cohort of log2(1 + TPM), and begin at its mean."""
        lowest, highest = levels.amin(0), levels.amax(0)
        with torch.no_grad():
            self.gene_minimum.copy_(lowest)
            # a gene that never varies is 0 throughout
            self.gene_range.copy_(torch.where(highest > lowest, highest - lowest, torch.inf))
            self.gene_mean.copy_(levels.mean(0))
            self.decoder.bias.copy_(self.scaled(levels).mean(0))

    def scaled(self, levels: Tensor) -> Tensor:
        """Levels brought to 0 to 1 by the cohort's range; beyond it they are clipped."""
        return ((levels - self.gene_minimum) / self.gene_range).clamp(0, 1)

    def encode(self, genes: Tensor) -> Tensor:
        """Features, ``(n_obs, n_features)``, from TPM; a missing gene counts as the mean."""
        levels = torch.log2(1 + genes)
        levels = torch.where(torch.isnan(levels), self.gene_mean, levels)
        features: Tensor = self.encoder(self.scaled(levels))
        return features

    def forward(self, scaled: Tensor) -> Tensor:
        """Reconstruct scaled expression."""
        reconstructed: Tensor = self.decoder(self.encoder(scaled))
        return reconstructed
