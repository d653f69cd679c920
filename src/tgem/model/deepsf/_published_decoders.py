"""The decoders of DeepSF and DeepRBP, as published but for where they start."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tgem.model.deepsf._decoder import Decoder, TrainingSummary

SMALLEST_USAGE = 1e-4


class AdditiveDecoder(Decoder):
    r"""DeepSF: :math:`y = \mathrm{relu}(W_3 [h, c] + w e)`.

    :math:`e` is log2(1 + TPM) of the isoform's gene, standardised over the training samples.
    """

    gene_mean: Tensor
    gene_scale: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__(n_hidden, n_context, isoform_gene, n_genes)
        self.gene_weight = nn.Parameter(torch.zeros(len(isoform_gene)))
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_scale", torch.ones(n_genes))

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean of each isoform, moving with its gene."""
        with torch.no_grad():
            self.bias.copy_(summary["log_isoform_mean"])
            self.gene_mean.copy_(summary["log_gene_mean"])
            deviation = summary["log_gene_deviation"]
            self.gene_scale.copy_(torch.where(deviation > 0, deviation, torch.inf))

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Bias, context and the isoform's weight times its gene's expression."""
        standardized = (torch.log2(1 + genes) - self.gene_mean) / self.gene_scale
        return self.linear_offset(genes, context) + self.gene_weight * self.expand(standardized)

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Rectify."""
        return torch.relu(logits)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Rectify."""
        return torch.relu(logits)


class SigmoidDecoder(Decoder):
    r"""DeepRBP: :math:`y = \log_2(\sigma(W_3 h)\, \mathrm{TPM}_{gene} + 1)`."""

    response_reads_genes = True

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean usage of each isoform."""
        with torch.no_grad():
            self.bias.copy_(torch.logit(summary["usage"], eps=SMALLEST_USAGE))

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(torch.sigmoid(logits) * self.expand(genes) + 1)

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM; the isoforms of a gene need not sum to 1."""
        return torch.sigmoid(logits)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(torch.sigmoid(logits) * genes[0] + 1)
