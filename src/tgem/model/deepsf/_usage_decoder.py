"""The decoder that shares the gene's expression out among its isoforms."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from tgem.model.deepsf._decoder import Decoder, TrainingSummary
from tgem.nn.segments import segment_centered, segment_softmax


class UsageDecoder(Decoder):
    r"""Softmax over the isoforms of each gene, starting at the mean usage :math:`\bar u`.

    :math:`\mathrm{TPM}_j = \mathrm{TPM}_{gene} \cdot
    \mathrm{softmax}_j(\log \bar u_j + W_3 h)`: the isoforms of a gene sum to its TPM.

    The squared error of log2(1 + TPM) is divided by the isoform's deviation in training, so that
    an isoform measured with much noise does not outweigh those measured well.
    """

    response_bends = False
    smallest_deviation: ClassVar[float] = 0.05
    """Of the root mean square over isoforms; an isoform that hardly varies has no more weight."""

    log_usage: Tensor
    error_scale: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__(n_hidden, n_context, isoform_gene, n_genes)
        self.register_buffer("log_usage", torch.zeros(len(isoform_gene)))
        self.register_buffer("error_scale", torch.ones(len(isoform_gene)))
        nn.init.zeros_(self.weight)

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean usage, and weigh isoforms by their deviation from it."""
        self.log_usage.copy_(summary["usage"].clamp(min=1e-12).log())
        deviation = summary["usage_deviation"]
        overall = deviation.square().mean().sqrt()
        bounded = torch.maximum(deviation, self.smallest_deviation * overall)
        self.error_scale.copy_((bounded * overall).clamp(min=1e-6))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Half the squared error of log2(1 + TPM), in units of the deviations in training."""
        error = (outputs - torch.log2(1 + targets)).square()
        return 0.5 * (error / self.error_scale).mean()

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Logarithm of the mean usage, bias and context."""
        return self.linear_offset(genes, context) + self.log_usage

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of each isoform in its gene."""
        return segment_softmax(logits, self.isoform_gene, self.n_genes)

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(self.usage(logits, genes) * self.expand(genes) + 1)

    def attributed_weight(self) -> Tensor:
        """Weights less their mean over the gene: a shift of all isoforms changes no usage."""
        return segment_centered(self.weight.T, self.isoform_gene, self.n_genes).T
