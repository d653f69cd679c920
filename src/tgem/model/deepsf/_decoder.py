"""What all decoders share: a read-out of the hidden units.

A decoder adds a linear read-out of the hidden units to an offset that does not depend on the
factors, and turns the sum, the logit, into the output by a response. Attribution needs no more:
the read-out's weight, and the secant slope of the response.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tgem.nn.segments import segment_sum


class TrainingSummary(dict[str, Tensor]):
    """Means over the training samples that a decoder starts from, by name."""


class Decoder(nn.Module):
    """Read-out of the hidden units.

    Parameters
    ----------
    n_hidden
        Hidden units.
    n_context
        Features of the cell's context, read out like hidden units; 0 for none.
    isoform_gene
        Gene of each isoform, ``(n_isoforms,)``, as a position among the genes of isoforms.
    n_genes
        Genes of isoforms.
    """

    response_reads_genes: ClassVar[bool] = False
    response_bends: ClassVar[bool] = True
    isoform_gene: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__()
        n_isoforms = len(isoform_gene)
        self.n_genes = n_genes
        self.register_buffer("isoform_gene", isoform_gene)
        self.weight = nn.Parameter(torch.empty(n_isoforms, n_hidden))
        self.bias = nn.Parameter(torch.zeros(n_isoforms))
        self.context_weight = (
            nn.Parameter(torch.zeros(n_isoforms, n_context)) if n_context else None
        )
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as torch initialises a linear layer

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the means of the training samples."""

    def linear_offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Part of the logit that the factors do not change, ``(n_obs, n_isoforms)``."""
        offset = self.bias.expand(len(genes), -1)
        if self.context_weight is not None and context is not None:
            offset = offset + context @ self.context_weight.T
        return offset

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Part of the logit that the factors do not change, ``(n_obs, n_isoforms)``."""
        return self.linear_offset(genes, context)

    def logits(self, hidden: Tensor, genes: Tensor, context: Tensor | None) -> Tensor:
        """Read-out of the hidden units plus the offset, ``(n_obs, n_isoforms)``."""
        return hidden @ self.weight.T + self.offset(genes, context)

    def readout_weights(self) -> list[Tensor]:
        """Weights that a ridge penalty keeps small: of hidden units, and of the context."""
        return [each for each in (self.weight, self.context_weight) if each is not None]

    def attributed_weight(self) -> Tensor:
        """Weight of the hidden units in what is attributed, ``(n_isoforms, n_hidden)``."""
        return self.weight

    def expand(self, genes: Tensor) -> Tensor:
        """Value of each isoform's gene, ``(n_obs, n_isoforms)``."""
        return genes.index_select(1, self.isoform_gene)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Elementwise function from the logits to what is attributed: here the logits.

        `genes` holds the TPM of each isoform's gene where :attr:`response_reads_genes` says so.
        """
        return logits.clone()

    @abstractmethod
    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Output on the scale of the loss, from logits and gene TPM."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of log2(1 + TPM)."""
        return functional.mse_loss(outputs, torch.log2(1 + targets))

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of each isoform in the predicted TPM of its gene; 0 where those are 0."""
        tpm = self.natural(self.respond(logits, genes))
        totals = segment_sum(tpm, self.isoform_gene, self.n_genes)
        return tpm / self.expand(totals).clamp(min=1e-9)

    def natural(self, outputs: Tensor) -> Tensor:
        """TPM, or PSI, from outputs."""
        return torch.exp2(outputs) - 1
